"""The stand-in for Azure's resource manager as a process: `python -m flight.workflows.rehearsal.server …`, on loopback.

Its standard output is the request log, one JSON object a line; no header and no body is ever in it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import functools
import json
import signal
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from flight.workflows.kit.errors import FlightError, os_errors_explained
from flight.workflows.rehearsal.compute import Compute, Subscription
from flight.workflows.rehearsal.refusal import bad_content
from flight.workflows.rehearsal.request import ROLE_HEADER, Answer, Request, role_of
from flight.workflows.rehearsal.source import Account, storage_look

NAME = "flight-rehearsal"
MOST_BODY_BYTES = 4 << 20
"""ARM's own limit for a request."""
HOST = "127.0.0.1"


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 1: it could not be done, with the reason on stderr."""
    try:
        with os_errors_explained("serve"):
            serve(arguments)
    except FlightError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def serve(arguments: Sequence[str]) -> None:
    asked = _parser().parse_args(arguments)
    account = Account(asked.storage, asked.location, trust=asked.trust, has_shared_keys=not asked.no_shared_keys)
    plays = Subscription(asked.subscription, tuple(asked.group), account)
    compute = Compute(plays, asked.state, look=storage_look(account), takes_s=asked.takes_s)
    with _Server((HOST, asked.port), functools.partial(_Handler, compute, role_of(arguments))) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flight.workflows.rehearsal.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="where resources and operations are kept")
    parser.add_argument("--subscription", required=True)
    parser.add_argument("--group", action="append", required=True, help="a resource group that there is")
    parser.add_argument("--storage", required=True, help="URL of the storage account")
    parser.add_argument("--location", required=True, help="region of the storage account")
    parser.add_argument("--trust", type=Path, help="CA file of a storage with TLS")
    parser.add_argument("--no-shared-keys", action="store_true", help="the account says that it takes no key")
    parser.add_argument("--takes-s", type=float, required=True, help="how long an operation takes")
    return parser


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault of ours; anything else is, and leaves its traceback in the log."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = NAME
    sys_version = ""
    timeout = 60

    def __init__(self, compute: Compute, role: str, *given: object) -> None:
        self._compute, self._role = compute, role
        super().__init__(*given)  # type: ignore[arg-type]

    def _serve(self) -> None:
        started = time.monotonic()
        answer = self._answer()
        self._send(answer)
        if self.path != "/":  # asked by ourselves: "are you there?"
            self._log(answer, time.monotonic() - started)

    do_GET = do_PUT = do_DELETE = do_POST = do_PATCH = do_HEAD = _serve

    def _answer(self) -> Answer:
        told = self.headers.get("Content-Length") or "0"
        size = int(told) if told.isdecimal() else MOST_BODY_BYTES + 1
        if size > MOST_BODY_BYTES or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # what was not read must not be taken for the next request
            return Answer(400, bad_content(f"a body of at most {MOST_BODY_BYTES} bytes is expected").body)
        target = urllib.parse.urlsplit(self.path)
        return self._compute.answer(
            Request(
                method=self.command,
                path=target.path,
                query=dict(urllib.parse.parse_qsl(target.query)),
                base=f"http://{self.headers.get('Host') or f'{HOST}:{self.server.server_port}'}",  # type: ignore[attr-defined]
                authorization=self.headers.get("Authorization") or "",
                body=self.rfile.read(size),
            )
        )

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("x-ms-request-id", str(uuid.uuid4()))
        self.send_header(ROLE_HEADER, self._role)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _log(self, answer: Answer, seconds: float) -> None:
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        line = {
            "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "method": self.command,
            "path": self.path,
            "status": answer.status,
            "ms": round(seconds * 1000),
            **({"code": error["code"], "message": error["message"]} if error else {}),
        }
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(line, ensure_ascii=False), flush=True)

    def log_message(self, format: str, *args: object) -> None:
        """The request log is our own."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
