"""Where the partitions of a disk lie, what identifies them, and what is refused with the line it stands in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.install.layout import derived, plan_layout, render_fstab
from flight.workflows.kickstart.plan import InstallPlan, Partition, Where
from flight.workflows.kit.errors import RecipeError

BIOS = Partition("biosboot", "biosboot", 1, where=Where("small.ks", 10))
ESP = Partition("/boot/efi", "efi", 128, where=Where("small.ks", 11))
ROOT = Partition("/", "ext4", 2048, grow=True, where=Where("small.ks", 12))
PLAN = InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian", partitions=(BIOS, ESP, ROOT))


def test_nothing_lies_before_1_mib_and_the_root_takes_what_is_left() -> None:
    layout = plan_layout(PLAN)
    assert [(p.number, p.start_mib, p.size_mib) for p in layout.parts] == [(1, 1, 1), (2, 2, 128), (3, 130, 32637)]
    assert layout.at("/").start_mib + layout.at("/").size_mib == 32 * 1024 - 1


def test_a_plan_without_partitions_gets_a_hybrid_disk() -> None:
    assert [p.wanted.mount for p in plan_layout(replace(PLAN, partitions=())).parts] == ["biosboot", "/boot/efi", "/"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        pytest.param(Partition("/srv", "btrfs", 2048), "btrfs is not built", id="btrfs"),
        pytest.param(Partition("/srv", "xfs", 200), "needs 300 or more", id="small xfs"),
        pytest.param(Partition("swap", "swap", 512), "swap on the OS disk", id="swap"),
        pytest.param(Partition("pv.01", "lvmpv", 512), "no place in the system", id="lvm"),
        pytest.param(Partition("/boot", "ext4", 512), "kept on the root filesystem", id="boot"),
        pytest.param(Partition("/home", "ext4", 40000), "the disk has 32768", id="too large"),
        pytest.param(Partition("/", "ext4", 100), "/ is there twice", id="twice"),
        pytest.param(Partition("/srv", "ext4", 0), "needs 1 or more", id="empty"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_line(part: Partition, said: str) -> None:
    refused = replace(PLAN, partitions=(BIOS, ESP, ROOT, replace(part, where=Where("small.ks", 13))))
    with pytest.raises(RecipeError) as error:
        plan_layout(refused)
    assert said in error.value.why
    assert "small.ks:1" in error.value.why


def test_every_fault_is_named_at_once() -> None:
    wrong = (replace(ESP, size_mib=10), replace(ROOT, fstype="btrfs"))
    with pytest.raises(RecipeError) as error:
        plan_layout(replace(PLAN, partitions=wrong))
    assert len(error.value.why.splitlines()) == 3  # too small, btrfs, no biosboot


@settings(deadline=None)
@given(st.lists(st.integers(1, 3000), max_size=6), st.integers(32, 100))
def test_partitions_never_overlap_and_stay_on_the_disk(sizes: list[int], disk_gib: int) -> None:
    more = tuple(Partition(f"/data{n}", "ext4", size) for n, size in enumerate(sizes))
    layout = plan_layout(replace(PLAN, disk_gib=disk_gib, partitions=(BIOS, ESP, ROOT, *more)))
    ends = [part.start_mib + part.size_mib for part in layout.parts]
    assert [part.start_mib for part in layout.parts][1:] == ends[:-1]
    assert ends[-1] <= disk_gib * 1024 - 1


def test_identifiers_come_from_recipe_and_mount_point_alone() -> None:
    one, other = plan_layout(PLAN), plan_layout(replace(PLAN, version="2", disk_gib=64))
    assert [p.identifier for p in one.parts] == [p.identifier for p in other.parts]
    assert plan_layout(replace(PLAN, recipe="large")).at("/").identifier != one.at("/").identifier
    assert derived("small", "/") != derived("small", "/home")


def test_fstab_names_filesystems_by_uuid_and_holds_no_swap() -> None:
    layout = plan_layout(PLAN)
    rows = [line.split() for line in render_fstab(layout).splitlines() if not line.startswith("#")]
    assert rows == [
        [f"UUID={layout.at('/').identifier}", "/", "ext4", "errors=remount-ro", "0", "1"],
        [f"UUID={layout.at('/boot/efi').identifier}", "/boot/efi", "vfat", "umask=0077", "0", "1"],
    ]
    assert len(layout.at("/boot/efi").identifier) == len("ABCD-1234")
