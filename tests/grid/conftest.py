"""A provider on this machine: real sockets, answers of the shape that each provider documents."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest

from greenai_magic.grid import client


@dataclass
class Service:
    """Answers each request with the next of its answers, the last one again and again.

    An answer is a status and a body: text as it is, anything else as JSON; None never comes.
    """

    answers: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    url: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    def reply(self, handler):
        asked = urlsplit(handler.path)
        self.requests.append((asked.path, dict(parse_qsl(asked.query)), dict(handler.headers)))
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if body is None:
            self.done.wait(30)
            return
        text = (body if isinstance(body, str) else json.dumps(body)).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        if 300 <= status < 400:
            handler.send_header("Location", self.url + "/elsewhere")
        handler.end_headers()
        handler.wfile.write(text)


@pytest.fixture
def service():
    answers = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers.reply(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    answers.url = f"http://127.0.0.1:{server.server_port}"
    client.forget()
    yield answers
    answers.done.set()
    server.shutdown()
    server.server_close()
    client.forget()
