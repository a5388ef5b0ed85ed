"""A real kernel, as a test talks to it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager, start_new_kernel

from greenai_magic.runs.ledger import Ledger
from greenai_magic.runs.run import Run

PATIENCE_S = 60
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Cell:
    """What one cell answered."""

    reply: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.reply["status"]

    @property
    def cards(self) -> list[dict[str, str]]:
        return [output["data"] for output in self.outputs if is_card(output)]

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def value(self) -> str | None:
        values = [o["data"]["text/plain"] for o in self.outputs if o["type"] == "execute_result"]
        return values[-1] if values else None

    @property
    def traceback(self) -> str:
        return plain("\n".join(self.reply.get("traceback", [])))

    def _stream(self, name: str) -> str:
        return "".join(o["text"] for o in self.outputs if o["type"] == "stream" and o["name"] == name)


class Kernel:
    """One kernel and what is needed to talk to it."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.ledger = Path(env["GREENAI_LEDGER"])
        self.manager: KernelManager
        self.manager, self.client = start_new_kernel(env=env, cwd=str(folder))

    def run(self, code: str, *, on_output: Callable[[Kernel], None] | None = None, **options: Any) -> Cell:
        """Run a cell to its end; ``on_output`` is called at the first thing that it shows."""
        request = self.client.execute(code, allow_stdin=False, **options)
        cell = Cell()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind not in ("status", "execute_input"):
                cell.outputs.append({"type": kind, **content})
                if on_output:
                    on_output(self)
                    on_output = None
        while True:
            message = self.client.get_shell_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") == request:
                cell.reply = message["content"]
                return cell

    def ok(self, code: str, **options: Any) -> Cell:
        """Run a cell that must not fail."""
        cell = self.run(code, **options)
        assert cell.status == "ok", cell
        return cell

    def look(self, *expressions: str) -> list[str]:
        """Return the repr of expressions, without leaving a trace in the history."""
        asked = {expression: expression for expression in expressions}
        answers = self.run("", silent=True, user_expressions=asked).reply["user_expressions"]
        assert all(answer["status"] == "ok" for answer in answers.values()), answers
        return [answers[expression]["data"]["text/plain"] for expression in expressions]

    def settle(self) -> None:
        """Wait until the clerk has done what was left to it."""
        self.run("from greenai_magic.runs import clerk as _clerk; _clerk.catch_up()", silent=True)

    def runs(self) -> list[Run]:
        """Return what the ledger holds by now."""
        self.settle()
        return kept(self.ledger)

    @property
    def pid(self) -> int:
        return int(self.look("__import__('os').getpid()")[0])

    def kill(self, pid: int) -> None:
        """End the kernel as a system out of memory would."""
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def kept(path: Path) -> list[Run]:
    """Return what a ledger holds, the newest first."""
    ledger = Ledger(path)
    try:
        return ledger.runs(limit=-1)
    finally:
        ledger.close()


def is_card(output: dict[str, Any]) -> bool:
    text = output.get("data", {}).get("text/plain", "")
    return output["type"] == "display_data" and text.startswith("greenai: ")


def plain(text: str) -> str:
    return _ANSI.sub("", text)


def wait_until(true: Callable[[], bool]) -> None:
    """Return as soon as something is true; fail when it does not come."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.02)
