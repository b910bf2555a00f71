"""A full disk, a folder that may not be written, no network, no root: each stage says so once, and leaves nothing.

Each stage runs in a mount or network namespace of its own in which its artefact's folder, or the network, is what it
is on a bad night; afterwards the same command, where all is well again, goes on as if nothing had been.
"""

from __future__ import annotations

import shlex

import pytest
from home import Home, Ran
from kills import STAGES, forget, left_behind

FULL = "mount -t tmpfs -o size={size} none {folder} && head -c {filled} /dev/zero > {folder}/filler"
READ_ONLY = "mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
READS_ALL = "+dac_override,+dac_read_search"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
          f"--inh-caps={READS_ALL}", f"--ambient-caps={READS_ALL}")  # fmt: skip
"""Somebody who is not root, but may read the checkout where it lies in root's home."""
ROOM = {"InstallPackages": "64m", "BuildImage": "64m", "PrepareImage": "400m", "ConvertImage": "64m"}
"""What a stage finds free: enough to begin with, not enough to end. The others write a few KiB: they find nothing."""


@pytest.fixture
def home(tiny: Home) -> Home:
    return tiny


def run_where(home: Home, stage: str, condition: str, *, under: tuple[str, ...] = ("unshare", "--mount")) -> Ran:
    """Run a stage `under` a program, after `condition` was made there; what lies in its folder then is said at the end."""
    folder = home.made_in(stage)
    forget(home, stage)
    folder.mkdir()
    luigi = shlex.join(home.argv(stage, "--local-scheduler"))
    script = f"{condition.format(folder=folder)}\nset +e\n{luigi}\ncode=$?\necho LEFT: $(ls -A {folder})\nexit $code"
    ran = home.run(*under, "sh", "-ec", script, timeout_s=900)
    assert left_behind(home) == []
    return ran


def left_in_folder(ran: Ran) -> set[str]:
    return set(ran.said.rpartition("LEFT:")[2].split())


def goes_on(home: Home, stage: str) -> None:
    ran = home.luigi(stage, "--local-scheduler")
    assert ran.code == 0, ran.said
    assert ran.made == [stage]
    walked = home.luigi("UploadImage", "--local-scheduler")
    assert walked.code == 0, walked.said


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_said_so_and_nothing_half_made_is_left(home: Home, stage: str) -> None:
    size = ROOM.get(stage, "4k")
    condition = FULL.format(size=size, filled=0 if stage in ROOM else 4096, folder="{folder}")
    ran = run_where(home, stage, condition)
    assert ran.code == 30, ran.said
    assert "disk is full" in ran.said or "too little space" in ran.said
    assert "fix: " in ran.said
    assert "Traceback" not in ran.said
    assert left_in_folder(ran) <= {"filler", "logs"}
    goes_on(home, stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_folder_that_may_not_be_written_is_named(home: Home, stage: str) -> None:
    folder = home.made_in(stage)
    ran = run_where(home, stage, READ_ONLY)
    assert ran.code == 30, ran.said
    assert "ead-only" in ran.said
    assert str(folder) in ran.said
    assert "Traceback" not in ran.said
    assert left_in_folder(ran) == set()
    goes_on(home, stage)


@pytest.mark.parametrize("stage", ["RenderKickstart", "BuildImage", "PrepareImage", "ConvertImage"])
def test_what_asks_nobody_needs_no_network(home: Home, stage: str) -> None:
    ran = run_where(home, stage, "true", under=("unshare", "--net"))
    assert ran.code == 0, ran.said
    assert ran.made == [stage]


def test_without_a_network_packages_cannot_come_and_the_mirror_is_named(home: Home) -> None:
    ran = run_where(home, "InstallPackages", "true", under=("unshare", "--net"))
    assert ran.code == 30
    assert "a package source cannot be reached" in ran.said
    assert "check the network" in ran.said
    assert "Traceback" not in ran.said
    assert left_in_folder(ran) <= {"logs"}
    goes_on(home, "InstallPackages")


@pytest.mark.parametrize("stage", ["InstallPackages", "BuildImage"])
def test_who_is_not_root_is_told_so(home: Home, stage: str) -> None:
    ran = run_where(home, stage, "true", under=NOBODY)
    assert ran.code == 30, ran.said
    assert "root" in ran.said, ran.said
    assert "Traceback" not in ran.said
    goes_on(home, stage)
