"""`flight certify` over real disks that flight did not build, and what becomes of those that cannot be looked into."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from home import BIN, Home, Ran

Named = Callable[[str], Path]
LOOKED_AT = ("certified_style", "cloud_style", "lvm", "with_swap", "encrypted", "two_roots", "hostile", "lying", "btrfs",
             "windows", "empty")  # fmt: skip
CANARY = "canary"


@dataclass(frozen=True)
class Seen:
    """What the command said of a disk, and the folder in which it kept what it saw."""

    code: int
    certificate: dict[str, Any]
    errors: str
    snapshot: Path

    def rule(self, name: str) -> dict[str, Any]:
        (found,) = (rule for rule in self.certificate["rules"] if rule["id"] == name)
        return dict(found)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("certify"), recipe="flight-compute-debian13")


@pytest.fixture(scope="session")
def look_at(place: Home, foreign_disk: Named) -> Iterator[Callable[[str], Seen]]:
    """`look_at("lvm")`: each disk once, two at a time, the first asked for first."""
    with ThreadPoolExecutor(2) as pool:
        looks: dict[str, Future[Seen]] = {}

        def look(name: str) -> Seen:
            snapshot = place.folder / f"seen-{name}"
            argv = [str(BIN / "flight"), "certify", str(foreign_disk(name)), "--json", "--snapshot", str(snapshot)]
            done = subprocess.run(
                argv, cwd=place.folder, env=place.environment, capture_output=True, text=True, timeout=900
            )
            return Seen(done.returncode, json.loads(done.stdout or "{}"), done.stderr, snapshot)

        for name in LOOKED_AT:
            looks[name] = pool.submit(look, name)
        yield lambda name: looks[name].result()


def parsed(ran: Ran) -> dict[str, Any]:
    """The JSON among what stdout and stderr said."""
    return dict(json.loads(ran.said[ran.said.index("{") : ran.said.rindex("}") + 1]))


def test_a_disk_that_another_tool_assembled_with_care_is_certified(look_at: Callable[[str], Seen]) -> None:
    seen = look_at("certified_style")
    assert seen.certificate["blocking"] == []
    assert (seen.code, seen.certificate["verdict"]) == (0, "certified")
    assert seen.certificate["digest"].startswith("sha256:")


def test_a_plain_cloud_image_is_refused_for_what_it_lacks(look_at: Callable[[str], Seen]) -> None:
    seen = look_at("cloud_style")
    assert (seen.code, seen.certificate["verdict"]) == (1, "not certified")
    expected = {
        "cmdline-console", "history-absent", "no-user-password", "no-authorized-keys", "ssh-hostkeys-removed",
        "machine-id-empty", "cloudinit-clean", "sshd-alive",
    }  # fmt: skip
    assert expected <= set(seen.certificate["blocking"])
    warned = {
        rule["id"] for rule in seen.certificate["rules"] if (rule["status"], rule["severity"]) == ("fail", "warning")
    }
    assert {"vhd-size-range", "waagent-autoupdate", "waagent-resdisk", "time-chrony-ptp", "cmdline-no-quiet"} <= warned


@pytest.mark.parametrize(
    ("name", "rule", "words"),
    [
        ("lvm", "os-no-lvm", "/dev/sda1"),
        ("with_swap", "os-no-swap-part", "/dev/sda2"),
        ("with_swap", "os-no-swap-file", "fstab"),
        ("btrfs", "waagent-present", ""),
    ],
)
def test_what_is_wrong_with_a_layout_is_named(name: str, rule: str, words: str, look_at: Callable[[str], Seen]) -> None:
    seen = look_at(name)
    assert seen.code == 1, seen.errors
    assert seen.rule(rule)["status"] == "fail"
    assert words in seen.rule(rule)["seen"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("encrypted", "is encrypted (LUKS)"),
        ("two_roots", "two systems or more"),
        ("lying", "cannot be read"),
        ("windows", "holds Windows"),
        ("empty", "no partition table"),
    ],
)
def test_a_disk_that_cannot_be_looked_into_says_why_and_never_passes(
    name: str, why: str, look_at: Callable[[str], Seen]
) -> None:
    seen = look_at(name)
    assert (seen.code, seen.certificate["verdict"]) == (2, "unusable"), seen.errors
    assert why in seen.certificate["unseen"]
    inside = [rule for rule in seen.certificate["rules"] if not rule["id"].startswith("vhd-")]
    assert {rule["status"] for rule in inside} <= {"unknown", "not applicable"}


def test_a_hostile_filesystem_is_judged_and_leaves_nothing_on_this_host(look_at: Callable[[str], Seen]) -> None:
    seen = look_at("hostile")
    assert (seen.code, seen.certificate["verdict"]) == (1, "not certified"), seen.errors
    assert "\x1b" not in json.dumps(seen.certificate, ensure_ascii=False)
    shadow = Path("/etc/shadow").read_text().splitlines()[0]
    assert shadow not in (seen.snapshot / "snapshot.json.gz").read_bytes().decode("latin-1")


def test_what_was_kept_is_judged_the_same_again(look_at: Callable[[str], Seen], place: Home) -> None:
    for name in ("certified_style", "cloud_style", "encrypted"):
        seen = look_at(name)
        again = place.flight("certify", "--snapshot", str(seen.snapshot), "--json")
        assert again.code == seen.code
        assert parsed(again)["rules"] == seen.certificate["rules"]


def test_a_look_changes_nothing_and_leaves_nothing(
    look_at: Callable[[str], Seen], foreign_disk: Named, place: Home
) -> None:
    for name in LOOKED_AT:
        look_at(name)
    left = [path for path in (place.work / "cache").rglob(".arriving-*")]
    assert left == []
    assert not list(Path("/tmp").glob("flight-certify-*"))


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"hello\n", "no partition table"), (b"", "no partition table"), (os.urandom(4 << 20), "no partition table")],
    ids=["text", "empty", "noise"],
)
def test_a_file_that_is_no_disk_is_said_to_be_none(content: bytes, why: str, tmp_path: Path, place: Home) -> None:
    (tmp_path / "a.vhd").write_bytes(content)
    ran = place.flight("certify", str(tmp_path / "a.vhd"), "--json")
    assert ran.code == 2, ran.said
    assert why in parsed(ran)["unseen"]


def test_a_format_that_azure_does_not_take_is_not_certified(tmp_path: Path, place: Home, foreign_disk: Named) -> None:
    argv = ["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=dynamic", str(tmp_path / "d.vhd"), "40M"]
    subprocess.run(argv, check=True)
    ran = place.flight("certify", str(tmp_path / "d.vhd"), "--json")
    assert ran.code == 1, ran.said
    assert "vhd-fixed" in parsed(ran)["blocking"]


def test_a_file_that_somebody_writes_to_meanwhile_is_unusable(tmp_path: Path, place: Home, foreign_disk: Named) -> None:
    disk = tmp_path / "moving.vhd"
    subprocess.run(["cp", "--sparse=always", foreign_disk("with_swap"), disk], check=True)
    over = threading.Event()

    def write_on() -> None:
        while not over.wait(0.5):
            os.utime(disk)

    writing = threading.Thread(target=write_on)
    writing.start()
    try:
        ran = place.flight("certify", str(disk), "--json")
    finally:
        over.set()
        writing.join()
    assert ran.code == 2, ran.said
    assert "another process wrote" in parsed(ran)["unseen"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_a_kill_leaves_no_guest_and_the_next_look_sweeps_up(
    number: signal.Signals, tmp_path: Path, place: Home, foreign_disk: Named
) -> None:
    disk = tmp_path / "mine.vhd"
    subprocess.run(["cp", "--sparse=always", foreign_disk("with_swap"), disk], check=True)
    look = place.start(str(BIN / "flight"), "certify", str(disk))
    deadline = time.monotonic() + 60
    while not (guests := guests_of(place)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert guests
    os.kill(look.pid, number)
    look.communicate(timeout=60)
    for _ in range(100):
        if not guests_of(place):
            break
        time.sleep(0.1)
    assert guests_of(place) == []
    assert place.flight("certify", str(disk)).code == 1
    assert list((place.work / "cache").glob(".arriving-*")) == []


def guests_of(place: Home) -> list[int]:
    """The process ids of its guests: a `qemu-img` is none, and is over before one looks again."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes()
            if b"qemu-system" in words.split(b"\0")[0] and str(place.folder).encode() in words:
                found.append(int(path.parent.name))
    return found
