"""A small http(s) server on loopback that answers what a test tells it to."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with what the server's `answer(method, path)` says."""

    protocol_version = "HTTP/1.1"

    def _reply(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, body = self.server.answer(self.command, self.path)  # type: ignore[attr-defined]
        self.send_response_only(status)
        for name, value in {"Content-Length": str(len(body)), "Date": self.date_time_string(), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _reply

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Served:
    """Such a server for the length of a with block."""

    def __init__(self, answer: Callable[[str, str], Answer], *, context: ssl.SSLContext | None = None) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.answer = answer  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Served:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()
