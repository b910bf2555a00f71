"""A rehearsal Azure for the tests: real servers on free ports, for as long as the tests run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from home import free_ports

from flight.workflows.kit.server import Server
from flight.workflows.rehearsal import servers
from flight.workflows.settings import Azure, Rehearsal, Settings


@dataclass(frozen=True)
class Running:
    """A rehearsal that runs: `settings` lead to it, `work` holds its data, `servers` are Azurite and the stand-in."""

    work: Path
    settings: Settings
    servers: tuple[Server, Server]


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Azurite and the stand-in for Microsoft.Compute, whose operations are done at the first poll."""
    work = tmp_path_factory.mktemp("rehearsal")
    blob_port, compute_port = free_ports(2)
    settings = Settings(azure=Azure(), rehearsal=Rehearsal(blob_port=blob_port, compute_port=compute_port))
    pair = servers(work=work, rehearsal=settings.rehearsal, azure=settings.azure, takes_s=0.2)
    try:
        for server in pair:
            server.start()
        yield Running(work, settings, pair)
    finally:
        for server in pair:
            server.stop()
