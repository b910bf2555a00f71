"""Who turns on swap space, where the words are nasty. tests/unit/certify/rules/test_disk_filesystems.py has the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import DEBIAN, changed

from flight.workflows.certify.effective.swap import (
    MAKING,
    Swap,
    is_beside_the_disk,
    is_on_the_disk,
    swaps_of,
    turned_on,
    unit_name,
)
from flight.workflows.certify.image import Image
from flight.workflows.certify.tree import Entry, Tree

IMAGE = Image(DEBIAN)
BARE = replace(DEBIAN, tree=Tree({"/": Entry("d")}, {}), packages=(), initramfs={})


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("swapon /swapfile", ["/swapfile"]),
        ("  /sbin/swapon --priority 5 -d /a /b", ["/a", "/b"]),
        ("-/usr/sbin/swapon -p 1 /a", ["/a"]),
        ("swapon --priority=5 /a", ["/a"]),
        ("test -f /a && swapon /a || swapon /b; true", ["/a", "/b"]),
        ("bash -c 'swapon \"/a\"'", ["/a"]),
        ("(swapon /a)", ["/a"]),
        ("swapon -a", []),
        ("swapon -L label", ["label"]),
        ("mkswap /a", []),
        ("swapon", []),
        ("swapon -s && cat /a", []),
        ("swapoff /a", []),
        ("echo swapon-all /a", []),
        ("# swapon /a", []),
        ("x" * 100_000 + "; swapon /a", ["/a"]),
    ],
)
def test_what_a_command_turns_on(line: str, found: list[str]) -> None:
    assert list(turned_on(line)) == found


def test_what_a_command_makes_counts_where_it_is_asked_for() -> None:
    assert list(turned_on("mkswap -L swap -U clear -f /a && swapon -a", MAKING)) == ["/a"]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("/swapfile", "swapfile.swap"),
        ("/swap.img", "swap.img.swap"),
        ("/var//swap-1/", r"var-swap\x2d1.swap"),
        ("/.hidden", r"\x2ehidden.swap"),
        ("/ä", r"\xc3\xa4.swap"),
        ("UUID=5FDF-1BBB", r"dev-disk-by\x2duuid-5FDF\x2d1BBB.swap"),
    ],
)
def test_a_swap_unit_has_the_name_that_systemd_escape_gives(spec: str, name: str) -> None:
    assert unit_name(spec) == name


@pytest.mark.parametrize(
    ("what", "is_beside", "is_on"),
    [
        pytest.param("/mnt/resource/swapfile", True, True, id="below waagent's place of the resource disk"),
        pytest.param("/dev/disk/azure/resource-part1", True, False, id="its link"),
        pytest.param("ephemeral0.2", True, False, id="cloud-init's name of it"),
        pytest.param("/dev/zram0", True, False, id="memory"),
        pytest.param("/mntswap", False, True, id="a name that only begins so"),
        pytest.param("/mnt", False, True, id="the place itself"),
        pytest.param("/data/swap", False, True, id="another folder"),
        pytest.param("/dev/sda3", False, True, id="the OS disk"),
        pytest.param("/dev/sdb1", False, False, id="another disk"),
        pytest.param("$FILE", False, False, id="a variable"),
        pytest.param("", False, False, id="nothing"),
    ],
)
def test_where_swap_space_lies(what: str, is_beside: bool, is_on: bool) -> None:
    swap = Swap(what, "a test")
    assert (is_beside_the_disk(IMAGE, swap), is_on_the_disk(IMAGE, swap)) == (is_beside, is_on)


@given(st.binary(max_size=300))
def test_junk_turns_on_nothing_and_is_no_error(junk: bytes) -> None:
    paths = ("/etc/fstab", "/etc/crypttab", "/etc/systemd/system/x.swap", "/etc/cloud/cloud.cfg.d/99.cfg")
    image = Image(changed(BARE, files={**dict.fromkeys(paths, junk), "/usr/bin/cloud-init": "#!"}))
    for swap in swaps_of(image):
        is_beside_the_disk(image, swap)
        is_on_the_disk(image, swap)
