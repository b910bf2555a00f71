"""A disk, an account in memory, and the uploads between them: what the tests of the whole way have in common."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from campaign import CLOUD, GRAIN, MIB, Clock, hasty_service
from fake_azure import FakeAzure, SimulatedKill
from fake_http import Asked
from madedisks import TABLE

from flight.workflows import upload
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, place_in
from flight.workflows.upload.service import BlobService
from flight.workflows.vhd import EPOCH, footer


@dataclass
class Place:
    """A disk, an account, and the uploads between them; time passes when it is told to."""

    disk: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.azure = FakeAzure(clock=self.clock)
        self.content = TABLE + parts(16, {MIB: 5 * MIB, 8 * MIB: GRAIN, 15 * MIB: 1})[512:]
        self.write(self.content)

    def write(self, content: bytes, *, to: Path | None = None) -> None:
        (to or self.disk).write_bytes(content + footer(len(content), made=EPOCH, uid=UUID(int=7)))

    def service(self, place: BlobPlace, **more: Any) -> BlobService:
        return hasty_service(self.azure, self.clock, place, tries=4, **more)

    def send(
        self,
        name: str = "demo-1.vhd",
        *,
        disk: Path | None = None,
        digest: str = "",
        size: int = 0,
        told: Told = quiet,
        **how: Any,
    ) -> Receipt:
        path = disk or self.disk
        identity = Identity(digest, size, "", "demo", "1")
        return upload.send_disk(
            path, cloud=CLOUD, to=place(name), identity=identity, ledgers=self.disk.parent / "ledgers", told=told, **how
        )

    def blob(self, name: str = "demo-1.vhd") -> Any:
        return self.azure.account.blobs["images", name]

    def held(self, name: str = "demo-1.vhd") -> bytes:
        blob = self.blob(name)
        return blob.pages.read(0, blob.size)

    def put_bytes(self, since: int = 0) -> int:
        """What was sent in Put Pages, of the requests from `since` on."""
        asked = [one for one in self.azure.account.requests[since:] if one.verb == "put page"]
        return sum(int(one.header("Content-Length")) for one in asked)

    def was_read(self, since: int) -> bool:
        """Whether the blob itself was read, not only its map, in the requests from `since` on."""
        asked = self.azure.account.requests[since:]
        return any(one.verb == "get blob" and not one.blob.endswith(".map") for one in asked)

    def kill(self, requests: int) -> None:
        """Send, and be dead at the request of this number."""
        self.azure.faults.kill_after(requests)
        with pytest.raises(SimulatedKill):
            self.send(connections=1)
        self.azure.faults.revive()

    def on(self, verb: str, act: Callable[[], None]) -> None:
        """Once, before the next request of this verb is answered."""

        def before(asked: Asked) -> None:
            if asked.verb == verb:
                self.azure.before = lambda asked: None
                act()

        self.azure.before = before


def place(name: str) -> BlobPlace:
    return place_in(CLOUD, container="images", name=name)


def parts(size_mib: int, of: dict[int, int], seed: int = 5) -> bytes:
    chance, content = random.Random(seed), bytearray(size_mib * MIB)
    for at, size in of.items():
        content[at : at + size] = chance.randbytes(size)
    return bytes(content)


class piped:
    """Standard input that holds these bytes: a file will do, since it is read once, in order."""

    def __init__(self, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        self.content, self.monkeypatch = content, monkeypatch

    def __enter__(self) -> Path:
        self.fd = os.memfd_create("pipe")
        os.write(self.fd, self.content)
        os.lseek(self.fd, 0, os.SEEK_SET)
        dup = os.dup
        self.monkeypatch.setattr(os, "dup", lambda fd: dup(self.fd if fd == 0 else fd))
        return Path("-")

    def __exit__(self, *raised: object) -> None:
        os.close(self.fd)
