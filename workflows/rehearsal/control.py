"""The rehearsal's two servers, started, stopped and looked at together."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flight.workflows.cloud.endpoint import REHEARSAL, REHEARSAL_ACCOUNT
from flight.workflows.kit.server import Server, is_taken, owner
from flight.workflows.rehearsal import azurite
from flight.workflows.rehearsal.azurite import HOST, Certificate
from flight.workflows.rehearsal.request import ROLE_HEADER, role_of

if TYPE_CHECKING:
    from flight.workflows.settings import Azure, Rehearsal

TAKES_S = 1.5
"""How long the stand-in takes for an operation: a client sees it in progress once, then done."""


@dataclass(frozen=True)
class Status:
    """How one server is: `runs`, `stopped`, `died` (killed since), `silent`, or its port is `taken` by another's."""

    name: str
    state: str
    url: str
    log: Path
    pid: int | None = None
    owner: str = ""

    def __str__(self) -> str:
        who = f"pid {self.pid}" if self.pid else self.owner
        return f"{self.name:<9} {self.state:<8} {self.url:<24} {who:<24} {self.log}".rstrip()


def servers(
    *,
    work: Path,
    rehearsal: Rehearsal,
    azure: Azure,
    node: str = "",
    certificate: Certificate | None = None,
    account_location: str = "",
    takes_s: float = TAKES_S,
) -> tuple[Server, Server]:
    """Azurite and the stand-in for Microsoft.Compute, as these settings want them; nothing is started.

    They play the subscription of the settings: its resource group exists, and its storage account lies in its location
    unless `account_location` says otherwise.
    """
    folder = work.absolute() / "rehearsal"
    storage = azurite.server(folder, port=rehearsal.blob_port, node=node, certificate=certificate)
    scheme = "https" if certificate else "http"
    arguments = [
        *("--port", str(rehearsal.compute_port), "--state", str(folder / "compute.json")),
        *("--subscription", azure.subscription, "--group", azure.resource_group),
        *("--storage", f"{scheme}://{HOST}:{rehearsal.blob_port}/{REHEARSAL_ACCOUNT}"),
        *("--location", account_location or azure.location, "--takes-s", f"{takes_s:g}"),
        *(["--trust", str(certificate.chain)] if certificate else []),
    ]
    argv = [sys.executable, "-m", "flight.workflows.rehearsal.server", *arguments]
    compute = Server(
        "compute",
        folder,
        argv,
        rehearsal.compute_port,
        lambda: plays(rehearsal.compute_port, arguments),
        keeps="--state",
        setting="[rehearsal] compute_port",
        stop_by=azurite.STOP,
    )
    return storage, compute


def ensure_running(*, work: Path, rehearsal: Rehearsal, azure: Azure, node: str = "") -> bool:
    """Start what does not run, or runs for other settings; cheap where all is well, safe for several at once.

    Whether any was started.
    """
    return any([server.start() for server in servers(work=work, rehearsal=rehearsal, azure=azure, node=node)])


def check_startable(*, work: Path, rehearsal: Rehearsal, azure: Azure, node: str = "") -> None:
    """Could `ensure_running` do it? BusyError for a port that somebody else has, ProgramError for what is missing."""
    for server in servers(work=work, rehearsal=rehearsal, azure=azure, node=node):
        server.check_port()


def status(of: Iterable[Server]) -> tuple[Status, ...]:
    """How each server is, found by asking it."""
    return tuple(_look(server) for server in of)


def render_status(found: Sequence[Status]) -> list[str]:
    """One line for each server."""
    return [str(one) for one in found]


def plays(port: int, arguments: Sequence[str]) -> bool:
    """Does a stand-in answer there that was started with these arguments?"""
    asked = http.client.HTTPConnection(HOST, port, timeout=azurite.ANSWER_S)
    try:
        asked.request("GET", "/")
        return asked.getresponse().getheader(ROLE_HEADER) == role_of(arguments)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


def _look(server: Server) -> Status:
    url, pid = f"http://{HOST}:{server.port}", server.pid()
    if pid is not None:
        return Status(server.name, "runs" if server.answers() else "silent", url, server.log, pid)
    if is_taken(server.port):
        return Status(server.name, "taken", url, server.log, owner=f"by {owner(server.port) or 'another program'}")
    return Status(server.name, "died" if server.has_died else "stopped", url, server.log)


def ensure_if_used(*, work: Path, rehearsal: Rehearsal, azure: Azure, node: str = "") -> bool:
    """As `ensure_running`, where the settings name the rehearsal; nothing where they name a real cloud. Was any started?"""
    if azure.cloud != REHEARSAL:
        return False
    return ensure_running(work=work, rehearsal=rehearsal, azure=azure, node=node)
