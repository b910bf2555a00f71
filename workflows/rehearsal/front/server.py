"""The front as a server: a thread for each connection, each with a connection to Azurite of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import http.client
import ssl
import sys
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from flight.workflows.rehearsal.front import rules
from flight.workflows.rehearsal.front.asked import Asked
from flight.workflows.rehearsal.front.body import BUFFER_BYTES, BadFraming, Body, Full, read_chunked, read_sized
from flight.workflows.rehearsal.front.pages import put_from
from flight.workflows.rehearsal.front.refusal import Refusal, bad_header
from flight.workflows.rehearsal.front.storage import Storage
from flight.workflows.rehearsal.request import ROLE_HEADER

HOST = "127.0.0.1"
NAME = "flight-rehearsal"
IDLE_S = 300
"""How long a client may be silent."""
OF_ONE_CONNECTION = frozenset(("connection", "keep-alive", "proxy-connection", "te", "expect", "upgrade"))
"""Headers that are not passed on. (Transfer-Encoding is: it is what the client signed, and how Azurite answers.)"""


@dataclass(frozen=True)
class Serving:
    """What a front is started for. `folder` takes bodies too large for memory; `tls` is for its own clients."""

    port: int
    role: str
    folder: Path
    tls: ssl.SSLContext | None = field(default=None, compare=False)


class Front(ThreadingHTTPServer):
    """Listens on loopback from the start; `serve_forever` answers."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, serving: Serving, storage: Storage) -> None:
        self._tls = serving.tls
        super().__init__((HOST, serving.port), functools.partial(_Handler, serving, storage))

    def get_request(self) -> tuple[Any, Any]:
        request, address = super().get_request()
        if self._tls:  # whoever is slow to shake hands keeps nobody waiting: that is done in the thread
            request = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours; anything else is, and leaves its traceback in the log."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = NAME
    sys_version = ""
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def __init__(self, serving: Serving, storage: Storage, *given: Any) -> None:
        self._serving, self._storage = serving, storage
        super().__init__(*given)

    def setup(self) -> None:
        super().setup()
        self._line = self._storage.connect()

    def finish(self) -> None:
        self._line.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: Azurite tells nothing of requests either."""

    def _serve(self) -> None:
        asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        try:
            with contextlib.closing(self._body(asked)) as body:
                self._answer(asked, body)
        except Refusal as refusal:
            self._refuse(refusal)
        except BadFraming as error:
            self.close_connection = True
            self._refuse(Refusal(400, "InvalidInput", str(error)))
        except Full as error:
            self.close_connection = True
            self._refuse(Refusal(500, "InternalError", f"The front of the rehearsal's storage: {error}."))
        except (http.client.HTTPException, OSError):
            self.close_connection = True  # Azurite or the client has gone: no answer can be given
            raise

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = _serve

    def _body(self, asked: Asked) -> Body:
        if "transfer-encoding" in asked.headers:
            if asked.headers["transfer-encoding"].strip().lower() != "chunked":
                raise BadFraming("only chunked is understood of Transfer-Encoding")
            return read_chunked(self.rfile, folder=self._serving.folder)
        told = asked.headers.get("content-length", "0").strip()
        if not (told.isascii() and told.isdecimal() and len(told) < 19):
            raise BadFraming("Content-Length is no length")
        return read_sized(self.rfile, int(told), folder=self._serving.folder)

    def _answer(self, asked: Asked, body: Body) -> None:
        line = self._line
        rules.check(asked, body_bytes=body.size_bytes, look=lambda: line.look(asked))
        rules.check_md5(asked.headers.get("content-md5") if body.size_bytes else None, body.md5)
        headers = [pair for pair in self.headers.items() if pair[0].lower() not in OF_ONE_CONNECTION]
        try:
            answer = line.ask(self.command, self.path, headers, body)
        except (http.client.InvalidURL, UnicodeEncodeError):
            raise bad_header("the URL") from None
        if asked.is_put_from and answer.status == 501:
            answer.read()
            answer = put_from(line, asked, port=self._serving.port)
        self._relay(answer)

    def _relay(self, answer: http.client.HTTPResponse) -> None:
        """Pass an answer on, head and body, as it comes."""
        has_body = self.command != "HEAD" and answer.status not in (204, 304)
        self.send_response_only(answer.status, answer.reason)
        is_old = self.request_version == "HTTP/1.0"  # knows no chunks: the end of the connection is that of the body
        for name, value in answer.getheaders():
            if name.lower() not in (OF_ONE_CONNECTION | {"transfer-encoding"} if is_old else OF_ONE_CONNECTION):
                self.send_header(name, value)
        if is_old or (has_body and answer.length is None and not answer.chunked):
            self.close_connection = True
        self._end_headers()
        if has_body:
            _pour(answer, self.wfile, in_chunks=bool(answer.chunked) and not is_old)
        else:
            answer.read()

    def _end_headers(self) -> None:
        """The headers of this connection, and the end of them all."""
        self.send_header(ROLE_HEADER, self._serving.role)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _refuse(self, refusal: Refusal) -> None:
        request_id, now = str(uuid.uuid4()), dt.datetime.now(dt.UTC)
        body = refusal.render(request_id=request_id, at=now.isoformat(timespec="microseconds"))
        self.send_response_only(refusal.status, http.client.responses.get(refusal.status, refusal.code))
        told = {
            "Server": NAME,
            "x-ms-error-code": refusal.code,
            "x-ms-request-id": request_id,
            "x-ms-version": self.headers.get("x-ms-version", ""),
            "Date": formatdate(now.timestamp(), usegmt=True),
            "Content-Type": "application/xml",
            "Content-Length": str(len(body)),
            **refusal.more,
        }
        for name, value in told.items():
            if value:
                self.send_header(name, value)
        self._end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _pour(answer: http.client.HTTPResponse, to: BufferedIOBase, *, in_chunks: bool) -> None:
    """The body of an answer. Raises IncompleteRead where Azurite breaks off."""
    with memoryview(bytearray(min(answer.length or BUFFER_BYTES, BUFFER_BYTES))) as buffer:
        while count := answer.readinto(buffer):
            piece = buffer[:count]
            to.write(b"".join((b"%x\r\n" % count, piece, b"\r\n")) if in_chunks else piece)
    if in_chunks:
        to.write(b"0\r\n\r\n")
    elif answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
