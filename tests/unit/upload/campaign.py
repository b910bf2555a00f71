"""One night of uploads, drawn from a seed: faults at any request, kills, sleeps, strangers, a disk that is changed.

However it goes, a blob that is sealed holds what its seal says, nobody's base is changed, and who tries long enough wins.
"""

from __future__ import annotations

import dataclasses
import random
import tempfile
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fake_azure import FakeAzure, Faults, SimulatedKill
from fake_faults import AFTER, BEFORE, LATE

from flight.workflows import upload
from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.digest import BLOCK
from flight.workflows.digest import digest as digest_of
from flight.workflows.kit.errors import BusyError, FlightError
from flight.workflows.upload import copying
from flight.workflows.upload.finding import sealed_at
from flight.workflows.upload.patience import Patience
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, place_in
from flight.workflows.upload.service import BlobService
from flight.workflows.vhd import EPOCH, FOOTER_BYTES, footer

ACCOUNT = "devstoreaccount1"
CLOUD = Cloud("rehearsal", "0" * 8, ACCOUNT, f"http://127.0.0.1:1/{ACCOUNT}", "http://127.0.0.1:2")
GRAIN = 4096
MIB = 1 << 20
MOST_TRIES = 25


@dataclass
class Clock:
    """The service's time, and the writers'; it goes on when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Night:
    """What one seed does. `story` tells it, for whoever has to understand a failure."""

    seed: int
    folder: Path
    clock: Clock = field(default_factory=Clock)
    story: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        kinds = self.chance.choice([BEFORE + AFTER, BEFORE + AFTER + LATE])
        self.azure = FakeAzure(
            Faults(seed=self.seed, kinds=kinds), clock=self.clock, copy_polls=self.chance.choice([0, 2])
        )
        self.disk = self.folder / "demo.vhd"
        self.rate = self.chance.choice([0.0, 0.03, 0.15])
        self.is_known = self.chance.random() < 0.5
        self.bases: dict[str, bytes] = {}
        self.damaged = ""
        """The ETag that whoever damaged the whole blob left on it."""

    def run(self) -> None:
        content = made_disk(self.chance)
        for number in range(self.chance.choice([0, 0, 1, 2])):  # the nights before
            self.write(content)
            receipt = self.tried(self.place(f"demo-{number}.vhd"))
            self.bases[receipt.place.name] = self.held(receipt.place.name)
            content = rebuilt(content, self.chance)
        self.write(content)
        self.azure.faults.rate = self.rate
        place = self.place("demo-9.vhd")
        self.until_it_is_there(place)
        if self.chance.random() < 0.3:
            self.damage(place)
            self.until_it_is_there(place)
        self.azure.faults.rate = 0.0
        self.azure.arrive(all_of_them=True)  # whatever was still on its way
        receipt = self.tried(place)
        assert receipt.sent_bytes == receipt.moved_bytes == 0, self.told("a rerun sent something")
        assert self.held(place.name) == self.disk.read_bytes(), self.told("the blob is not the disk")
        assert receipt.digest == digest_of(self.disk), self.told("the receipt's digest is not the disk's")
        assert self.known(place).etag == receipt.etag, self.told("who signs for it would be told another ETag")

    def until_it_is_there(self, place: BlobPlace) -> Receipt:
        for _ in range(MOST_TRIES):
            self.before_a_try(place)
            try:
                return self.tried(place)
            except SimulatedKill:
                self.say("killed")
            except FlightError as error:
                self.say(f"refused: {error}")
                if isinstance(error, BusyError):
                    self.clock.now += 61
            finally:
                self.azure.faults.revive()
                self.check_seals()
        self.azure.faults.rate = 0.0
        self.clock.now += 61
        return self.tried(place)

    def before_a_try(self, place: BlobPlace) -> None:
        chance = self.chance
        if chance.random() < 0.6:
            self.azure.faults.kill_after(chance.randrange(1, 40))
        if chance.random() < 0.3:
            self.clock.now += chance.choice([5, 45, 61, 3600])
        if chance.random() < 0.1:
            self.write(rebuilt(self.disk.read_bytes()[:-FOOTER_BYTES], chance))
            self.say("the disk was made anew")
        blob = self.azure.account.blobs.get((place.container, place.name))
        if blob and chance.random() < 0.15:
            at = chance.randrange(0, blob.size // 512) * 512
            if not blob.lease.is_held and "sealed" not in blob.metadata:
                blob.pages.write(at, b"\xee" * 512)
                blob.lease.was_written()
                blob.etag = f'"0xSTRANGER{chance.randrange(10**6)}"'
                self.say(f"a stranger wrote at {at}")

    def damage(self, place: BlobPlace) -> None:
        """Somebody writes to the whole blob, or to what lies beside it, and leaves its seal as it is."""
        blob = self.azure.account.blobs[place.container, place.name]
        what = self.chance.choice(["page", "page", "labels", "seal", "map", "no map", "size"])
        if what == "page":
            blob.pages.write(self.chance.randrange(0, blob.size // 512) * 512, b"\xdd" * 512)
        elif what == "labels":
            blob.metadata = {name: value for name, value in blob.metadata.items() if name in ("sealed", "recipe")}
        elif what == "seal":
            blob.metadata["sealed"] = "sha256:" + "0" * 64
        elif what == "no map":
            self.azure.account.blobs.pop((place.container, f"{place.name}.map"), None)
        elif what == "map":
            self.azure.account.blobs[place.container, f"{place.name}.map"].pages.write(0, b"other")
        else:
            blob.size += MIB
        if "map" not in what:
            blob.lease.was_written()
            blob.etag = self.damaged = '"0xDAMAGED"'
        self.say(f"somebody damaged what was sealed: {what}")
        self.met["damaged"] += 1

    def tried(self, place: BlobPlace) -> Receipt:
        identity = Identity(digest_of(self.disk) if self.is_known else "", 0, "", "demo", "1")
        if self.is_known:
            identity = dataclasses.replace(identity, size_bytes=self.disk.stat().st_size)

        with (
            patch.object(upload, "BlobService", lambda cloud, at, **more: self.service(at, **more)),
            patch.object(copying, "AGAIN_S", 0.0),
            patch.object(
                uuid, "uuid1", uuid.uuid4
            ),  # libuuid keeps a file open for every thread that asks for the first
        ):
            receipt = upload.send_disk(
                self.disk, cloud=CLOUD, to=place, identity=identity, ledgers=self.folder / "ledgers",
                connections=self.chance.choice([1, 2, 8]), replace=True,
            )  # fmt: skip
        self.say(f"done: {receipt.sent_bytes} sent, {receipt.moved_bytes} moved, {receipt.found_bytes} found")
        self.met["moved" if receipt.moved_bytes else "sent" if receipt.sent_bytes else "there"] += 1
        self.met["taken up"] += bool(receipt.found_bytes)
        return receipt

    def service(self, at: BlobPlace, **more: Any) -> BlobService:
        return hasty_service(self.azure, self.clock, at, tries=6, **more)

    def known(self, place: BlobPlace) -> Receipt:
        """What `flight sas` would find."""
        with patch.object(uuid, "uuid1", uuid.uuid4):
            return sealed_at(place, self.service(place))

    def check_seals(self) -> None:
        """Whatever is sealed holds what its seal says; a base is what it was."""
        for (_, name), blob in self.azure.account.blobs.items():
            if "sealed" in blob.metadata and blob.kind == "PageBlob" and blob.etag != self.damaged:
                copy = self.folder / "held"
                copy.write_bytes(blob.pages.read(0, blob.size))
                assert digest_of(copy) == blob.metadata["sealed"], self.told(f"{name} holds not what its seal says")
        for name, content in self.bases.items():
            assert self.held(name) == content, self.told(f"the base {name} was changed")

    def held(self, name: str) -> bytes:
        blob = self.azure.account.blobs["images", name]
        return blob.pages.read(0, blob.size)

    def write(self, content: bytes) -> None:
        fresh = self.folder / "fresh"
        fresh.write_bytes(content + footer(len(content), made=EPOCH, uid=uuid.UUID(int=7)))
        fresh.replace(self.disk)

    def place(self, name: str) -> BlobPlace:
        return place_in(CLOUD, container="images", name=name)

    def say(self, words: str) -> None:
        self.story.append(words)

    def told(self, what: str) -> str:
        return f"seed {self.seed}: {what}\n" + "\n".join([*self.story, f"faults: {self.azure.faults.log}"])


def hasty_service(azure: FakeAzure, clock: Clock, at: BlobPlace, *, tries: int, **more: Any) -> BlobService:
    """It tries again without waiting."""
    patience = Patience(tries=tries, first_s=0.0, clock=clock)
    patience.rest = lambda seconds: None  # type: ignore[method-assign]
    return BlobService(CLOUD, at, patience=patience, transport=azure.transport(), **more)


def made_disk(chance: random.Random) -> bytes:
    """One to six MiB: data, holes, zeros, blocks that are there several times."""
    popular = chance.randbytes(GRAIN)
    blocks = []
    for _ in range(chance.randrange(16, 6 * 16)):
        kind = chance.choice(["zero", "zero", "data", "data", "popular", "half"])
        blocks.append(
            {
                "zero": lambda: bytes(BLOCK),
                "data": lambda: chance.randbytes(BLOCK),
                "popular": lambda: popular * (BLOCK // GRAIN),
                "half": lambda: bytes(BLOCK // 2) + chance.randbytes(BLOCK // 2),
            }[kind]()
        )
    content = b"".join(blocks)
    return content.ljust(-(-len(content) // MIB) * MIB, b"\0")


def rebuilt(content: bytes, chance: random.Random) -> bytes:
    """The next night's disk: something grew, so that what follows it moved; something went; something is new."""
    grains = [content[at : at + GRAIN] for at in range(0, len(content), GRAIN)]
    for _ in range(chance.randrange(1, 4)):
        at, count = chance.randrange(len(grains)), chance.randrange(1, 40)
        change = chance.choice(["grow", "shrink", "zero", "new"])
        if change == "grow":
            grains[at:at] = [chance.randbytes(GRAIN) for _ in range(count)]
        elif change == "shrink":
            del grains[at : at + count]
        else:
            fresh = bytes(GRAIN) if change == "zero" else chance.randbytes(GRAIN)
            grains[at : at + count] = [fresh] * len(grains[at : at + count])
    changed = b"".join(grains)
    size = max(len(content), -(-len(changed) // MIB) * MIB)  # a base is never larger than what follows it
    return changed.ljust(size, b"\0")


def spend(seed: int) -> Night:
    """One night; an AssertionError tells its story where something went wrong."""
    memory = Path("/dev/shm")  # each night brings a ledger to the disk many times
    with tempfile.TemporaryDirectory(prefix="night-", dir=memory if memory.is_dir() else None) as folder:
        night = Night(seed, Path(folder))
        night.run()
        return night
