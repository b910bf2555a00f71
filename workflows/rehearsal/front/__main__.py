"""`python -m flight.workflows.rehearsal.front --port PORT … [--cert FILE --key FILE] -- AZURITE …`.

Azurite is our child, on a port that the system gives it, and dies with us however we end; where it dies, we end.
"""

from __future__ import annotations

import argparse
import re
import signal
import ssl
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from flight.workflows.kit.errors import FlightError, ProgramError, os_errors_explained
from flight.workflows.kit.run import run
from flight.workflows.rehearsal.front.server import HOST, Front, Serving
from flight.workflows.rehearsal.front.storage import Storage

LISTENS = re.compile(r"successfully listens on https?://[\d.]+:(\d+)")
"""Azurite's own words, once it can be asked."""
WHY = "run Azurite, the rehearsal's storage"


class Ended(BaseException):
    """We were asked to end."""


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 1: it could not be done, or Azurite died, with the reason on stderr."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        with os_errors_explained("serve as the rehearsal's storage"):
            serve(parser().parse_args(arguments))
    except Ended:
        return 0
    except FlightError as error:
        print(error, file=sys.stderr, flush=True)
    return 1


def serve(asked: argparse.Namespace) -> None:
    """Run Azurite, and the front as soon as it listens, until Azurite ends. Raises ProgramError when it does."""
    asked.folder.mkdir(parents=True, exist_ok=True)

    def hear(line: str) -> None:
        print(line, flush=True)
        if found := LISTENS.search(line):
            _open(asked, int(found[1]))

    env = {"no_proxy": HOST, "NO_PROXY": HOST}  # it asks a copy's source, which is the front, for leave
    if asked.cert:
        env["NODE_EXTRA_CA_CERTS"] = str(asked.cert)
    run(asked.azurite, why=WHY, heard=hear, env=env)
    raise ProgramError(f"could not {WHY}: it ended by itself", fix="see what it said before, in this log")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flight.workflows.rehearsal.front")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--role", required=True, help="told with each answer: what this front was started for")
    parser.add_argument("--folder", type=Path, required=True, help="takes what is too large for memory, for a moment")
    parser.add_argument("--cert", type=Path, help="PEM: speak TLS, as Azurite then does")
    parser.add_argument("--key", type=Path)
    parser.add_argument("azurite", nargs="+", help="what starts Azurite, on a free port (0)")
    return parser


def _open(asked: argparse.Namespace, behind: int) -> None:
    ours = theirs = None
    if asked.cert:
        ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(asked.cert, asked.key)
        theirs = ssl._create_unverified_context()  # it is our own child, and said itself where it listens
    serving = Serving(asked.port, asked.role, asked.folder, ours)
    front = Front(serving, Storage(HOST, behind, theirs))
    threading.Thread(target=front.serve_forever, name="front", daemon=True).start()


def _end(*_: object) -> None:
    raise Ended


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
