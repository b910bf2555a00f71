"""`flight upload` to a real Azurite: killed with -9 at fifty moments, its server killed under it; the same bytes in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import BIN, Home

from flight.workflows import vhd
from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY

MIB = 1 << 20
KILLS = 50
PIECES = 70
"""Pieces of 4 MiB that are not holes: more than there are kills, each of which lets one or two arrive."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home(tmp_path_factory.mktemp("kills") / "home", recipe="flight-compute-debian13")
    assert made.flight("rehearsal", "start").code == 0
    yield made
    made.stop_servers()


@pytest.fixture(autouse=True)
def nothing_goes_on(home: Home) -> Iterator[None]:
    yield
    home.end_started()


@pytest.fixture(scope="module")
def disk(home: Home) -> Path:
    """A fixed VHD of 1 GiB with data at odd places."""
    chance, raw = random.Random(11), home.folder / "disk.raw"
    with open(raw, "wb") as file:
        file.truncate(1024 * MIB)
        for number in range(PIECES):
            file.seek(number * 14 * MIB + 512 * chance.randrange(100))
            file.write(chance.randbytes(4 * MIB))
    vhd.convert(raw, home.folder / "disk.vhd")
    raw.unlink()
    return home.folder / "disk.vhd"


def argv(disk: Path, name: str, *more: str) -> list[str]:
    return [str(BIN / "flight"), "upload", str(disk), "--to", f"{REHEARSAL_ACCOUNT}/images/{name}", "--json", *more]


def is_the_disk(home: Home, name: str, disk: Path) -> bool:
    """Whether the blob, downloaded by the SDK, is the file byte for byte."""
    from azure.storage.blob import BlobClient

    key = {"account_name": REHEARSAL_ACCOUNT, "account_key": REHEARSAL_KEY}
    url = f"http://127.0.0.1:{home.blob_port}/{REHEARSAL_ACCOUNT}"
    with BlobClient(url, "images", name, credential=key) as blob, open(disk, "rb") as file:
        parts = blob.download_blob(max_concurrency=1).chunks()
        return all(file.read(len(part)) == part for part in parts) and not file.read(1)


def lines_of(ledgers: Path) -> int:
    """What the ledgers hold; one that is still being written first has no name yet, and may be gone when it is read."""
    return sum(path.read_bytes().count(b"\n") for path in ledgers.glob("[!.]*.ledger"))


def test_fifty_kills_cost_nothing_and_the_blob_is_the_disk(home: Home, disk: Path) -> None:
    chance, ledgers = random.Random(3), home.work / "uploads"
    for _ in range(KILLS):
        child = home.start(*argv(disk, "killed.vhd"))
        wanted = lines_of(ledgers) + 3 + chance.randrange(4)
        while lines_of(ledgers) < wanted and child.poll() is None:
            time.sleep(chance.uniform(0, 0.02))
        assert child.poll() is None, child.communicate()[0]
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    ran = home.flight(*argv(disk, "killed.vhd")[1:])
    assert ran.code == 0, ran.said
    receipt = json.loads(ran.said[ran.said.index("{") :])
    data = receipt["sent_bytes"] + receipt["found_bytes"]
    assert receipt["found_bytes"] >= data / 2
    assert is_the_disk(home, "killed.vhd", disk)
    verified = home.flight("verify", f"{REHEARSAL_ACCOUNT}/images/killed.vhd", "--deep")
    assert verified.code == 0, verified.said


def test_a_polite_end_says_that_what_arrived_is_kept(home: Home, disk: Path) -> None:
    begun = lines_of(home.work / "uploads")
    child = home.start(*argv(disk, "ended.vhd"))
    while lines_of(home.work / "uploads") < begun + 8 and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate(timeout=60)
    assert (child.returncode, "what arrived is kept" in said) == (130, True), said
    ran = home.flight(*argv(disk, "ended.vhd")[1:])
    assert json.loads(ran.said[ran.said.index("{") :])["found_bytes"], ran.said


def test_a_storage_that_is_killed_and_started_again_costs_no_more_than_another_run(home: Home, disk: Path) -> None:
    """Azurite may forget its last five seconds, the whole blob too: what is missing is found out, and sent again."""
    name, ledgers, begun = "restarted.vhd", home.work / "uploads", lines_of(home.work / "uploads")
    child = home.start(*argv(disk, name))
    for wanted in (15, 60):
        while lines_of(ledgers) < begun + wanted and child.poll() is None:
            time.sleep(0.01)
        kill_storage(home)
        assert home.flight("rehearsal", "start").code == 0
    said, _ = child.communicate(timeout=300)
    if child.returncode != 0:
        assert "Traceback" not in said, said
        ran = home.flight(*argv(disk, name)[1:])
        assert ran.code == 0, ran.said
    assert is_the_disk(home, name, disk)


def kill_storage(home: Home) -> None:
    pid = int((home.work / "rehearsal" / "azurite.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_two_uploads_of_one_blob_on_one_host_do_not_mix(home: Home, disk: Path) -> None:
    children = [home.start(*argv(disk, "twice.vhd")) for _ in range(2)]
    ends = [(child.communicate(timeout=300)[0], child.returncode) for child in children]
    assert 0 in [code for _, code in ends], ends
    for said, code in ends:
        assert code == 0 or "Traceback" not in said, said
    assert is_the_disk(home, "twice.vhd", disk)
