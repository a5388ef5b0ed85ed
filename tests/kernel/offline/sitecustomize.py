"""Found first by every kernel and script of these tests: Python that reaches no other machine."""

import socket

_connect = socket.socket.connect


def _connect_here_only(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
        msg = f"the tests run offline, and something connects to {address}"
        raise OSError(msg)
    return _connect(self, address)


def _look_up_nothing(host, *_args, **_kwargs):
    msg = f"the tests run offline, and something looks up {host}"
    raise socket.gaierror(msg)


socket.socket.connect = _connect_here_only
socket.getaddrinfo = _look_up_nothing
