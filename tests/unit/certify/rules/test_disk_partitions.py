"""The partition table: a real disk's, and others with one thing wrong each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.facts import ESP, LVM, SWAP, Container, Filesystem, Partition, PartitionTable
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import rules_in
from flight.workflows.certify.rules.disk import partitions
from flight.workflows.certify.tree import Entry

LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
LOADER = "/boot/efi/EFI/BOOT/BOOTX64.EFI"
SECOND, FALLBACK = "/boot/efi/EFI/BOOT/grubx64.efi", "/boot/efi/EFI/BOOT/fbx64.efi"
ARM = {"/usr/bin/dash": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00" + bytes(44)}
BIOS, EFI, ROOT = DEBIAN.table.partitions
NO_TABLE = PartitionTable("none", problem="it has no partition table")
BROKEN = PartitionTable("gpt", problem="its header's checksum is wrong", has_boot_code=True)
DYNAMIC = {
    "container": Container("a.vhd", 4096, "VHD", bytes(512).hex()),
    "table": PartitionTable("none", problem="it is a dynamic or cut VHD"),
}
BLIND = {"filesystems": (), "unseen": "libguestfs saw nothing"}


def table(*rows: Partition, **fields: Any) -> dict[str, Any]:
    """The real disk's table with other partitions, or other words about it."""
    found = replace(DEBIAN.table, partitions=rows) if rows else DEBIAN.table
    return {"table": replace(found, **fields)}


def mbr(*rows: Partition, **fields: Any) -> dict[str, Any]:
    found = PartitionTable("mbr", rows or (Partition(1, "0x83", 2048, 4096, is_active=True),), has_boot_code=True)
    return {"table": replace(found, **fields)}


def moved(start: int, kind: str = LINUX) -> Partition:
    return Partition(4, kind, start, 4096)


def with_filesystem(*more: Filesystem, **fields: Any) -> dict[str, Any]:
    """The real disk with more filesystems; `fields` are changed of that on the EFI system partition."""
    changed = tuple(replace(each, **fields) if each.partition == EFI.number else each for each in DEBIAN.filesystems)
    return {"filesystems": (*changed, *more)}


V1 = {"generations": ("V1",)}
CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "first MiB: bios_grub in it": ("first-mib-free", table(replace(BIOS, start=34), EFI), "fail", "partition 1 at sector 34"),
    "first MiB: an MBR's partition": ("first-mib-free", mbr(Partition(1, "0x83", 63, 4096)), "fail", "sector 63"),
    "first MiB: GRUB in an MBR's gap": ("first-mib-free", mbr(gap_sectors=90, has_core=True), "pass", "2048"),
    "first MiB: something behind a GPT": (
        "first-mib-free", table(gap_sectors=7), "fail as warning", "7 sectors behind the GPT",
    ),
    "first MiB: no table": ("first-mib-free", {"table": NO_TABLE}, "unknown", "no partition table"),
    "first MiB: a broken table": ("first-mib-free", {"table": BROKEN}, "unknown", "checksum"),
    "alignment: odd": ("part-align-1mib", table(BIOS, moved(6143)), "fail", "partition 4 at sector 6143"),
    "alignment: many odd ones": (
        "part-align-1mib", table(*(Partition(n, LINUX, 4095 + n, 1) for n in range(2, 100))), "fail", "and 94 more",
    ),
    "alignment: an extended partition, as installers make it": (
        "part-align-1mib",
        mbr(Partition(1, "0x83", 2048, 4096), Partition(2, "0x05", 8190, 9000), Partition(5, "0x83", 8192, 4096)),
        "pass", "all 3",
    ),
    "GPT: a broken one, for UEFI": ("gpt-backup-ok", {"table": BROKEN}, "fail as blocker", "checksum"),
    "GPT: a broken one, for a BIOS": ("gpt-backup-ok", {"table": BROKEN, **V1}, "fail as warning", "checksum"),
    "GPT: its backup elsewhere": (
        "gpt-backup-ok", table(backup_problem="no GPT header in the last sector"), "fail", "its backup: no GPT header",
    ),
    "GPT: a partition beyond the disk": (
        "gpt-backup-ok", table(BIOS, EFI, replace(ROOT, sectors=ROOT.sectors * 2)), "fail as blocker", "3 ends beyond the disk",
    ),
    "GPT: a partition over another": (
        "gpt-backup-ok", table(replace(EFI, start=BIOS.start + 1), BIOS, ROOT), "fail as blocker", "2 begins within partition 1",
    ),
    "GPT: a partition that ends before it begins": (
        "gpt-backup-ok", table(BIOS, replace(EFI, sectors=0), ROOT), "fail as blocker", "2 ends before it begins",
    ),
    "GPT: partitions in another order": ("gpt-backup-ok", table(ROOT, EFI, BIOS), "pass", "both are"),
    "GPT: there is an MBR": ("gpt-backup-ok", mbr(), "not applicable", "no GPT"),
    "GPT: of a dynamic VHD": ("gpt-backup-ok", DYNAMIC, "unknown", "dynamic"),
    "UEFI: an MBR": ("gen2-layout", mbr(Partition(1, "0xef", 2048, 4096)), "fail", "an MBR, not a GPT"),
    "UEFI: no table": ("gen2-layout", {"table": NO_TABLE}, "fail", "no partition table"),
    "UEFI: a broken table": ("gen2-layout", {"table": BROKEN}, "fail", "checksum"),
    "UEFI: of a dynamic VHD": ("gen2-layout", DYNAMIC, "unknown", "dynamic"),
    "UEFI: no ESP": ("gen2-layout", table(BIOS, ROOT), "fail", "no EFI system partition"),
    "UEFI: an ESP without FAT": ("gen2-layout", with_filesystem(type="ext4"), "fail", "no FAT"),
    "UEFI: an ESP that was not read": ("gen2-layout", with_filesystem(problem="I/O\x1b error"), "unknown", r"I/O\x1b error"),
    "UEFI: an ESP that is mounted nowhere": ("gen2-layout", with_filesystem(mounted_at=""), "unknown", "not looked at"),
    "UEFI: nothing was seen": ("gen2-layout", BLIND, "unknown", "not looked at"),
    "UEFI: no loader": ("gen2-layout", {"without": (LOADER,)}, "fail", "no EFI/BOOT/BOOTX64.EFI"),
    "UEFI: an empty loader": ("gen2-layout", {"files": {LOADER: ""}}, "fail", "is empty"),
    "UEFI: a text for a loader": (
        "gen2-layout", {"unreadable": {LOADER: "it is no EFI program"}, "signers": {}}, "fail", "BOOTX64.EFI cannot be read",
    ),
    "UEFI: shim alone": ("gen2-layout", {"without": (SECOND,)}, "fail", "is shim, without what it starts: grubx64.efi"),
    "UEFI: shim, and an empty GRUB": ("gen2-layout", {"files": {SECOND: ""}}, "fail", "without what it starts"),
    "UEFI: shim and fallback without a list": (
        "gen2-layout", {"without": (SECOND,), "entries": {FALLBACK: Entry("f", size=9)}}, "fail", "and a CSV file",
    ),
    "UEFI: shim, fallback and its list": (
        "gen2-layout",
        {"without": (SECOND,), "entries": {FALLBACK: Entry("f", size=9), "/boot/efi/EFI/debian/BOOTX64.CSV": Entry("f", size=9)}},
        "pass", "BOOTX64",
    ),
    "UEFI: GRUB alone, without shim": ("gen2-layout", {"without": (SECOND,), "signers": {LOADER: ()}}, "pass", "BOOTX64"),
    "UEFI: a folder for a loader": ("gen2-layout", {"entries": {LOADER: Entry("d")}}, "fail", "no EFI/BOOT"),
    "UEFI: only the vendor's folder": ("gen2-layout", {"without": ("/boot/efi/EFI/BOOT",)}, "fail", "no EFI/BOOT"),
    "UEFI: names in small letters": (
        "gen2-layout",
        {"without": ("/boot/efi/EFI/BOOT",), "entries": {"/boot/efi/EFI/boot/bootx64.efi": Entry("f", size=9)}},
        "pass", "BOOTX64",
    ),
    "UEFI: the loader of another machine": (
        "gen2-layout",
        {"without": (LOADER,), "entries": {"/boot/efi/EFI/BOOT/BOOTAA64.EFI": Entry("f", size=9)}}, "fail", "BOOTX64",
    ),
    "UEFI: a machine that is not known": (
        "gen2-layout",
        {"without": (LOADER,), "heads": {}, "entries": {"/boot/efi/EFI/BOOT/BOOTAA64.EFI": Entry("f", size=9)}},
        "pass", "BOOTAA64",
    ),
    "UEFI: the second of two ESPs": (
        "gen2-layout",
        {**table(BIOS, Partition(9, ESP, 8192, 4096), EFI), **with_filesystem(Filesystem("/dev/sda9", 9, 4096))},
        "pass", "BOOTX64",
    ),
    "BIOS: an MBR with code": ("gen1-layout", {**mbr(), **V1}, "pass", "an MBR"),
    "BIOS: an MBR with GRUB in the gap": (
        "gen1-layout", {**mbr(Partition(1, "0x83", 2048, 4096), has_core=True), **V1}, "pass", "an MBR",
    ),
    "BIOS: an MBR whose code has nothing to go on with": (
        "gen1-layout", {**mbr(Partition(1, "0x83", 2048, 4096)), **V1}, "fail", "nothing in the gap",
    ),
    "BIOS: for Arm": ("gen1-layout", {"heads": ARM, **V1}, "fail", "generation 2 only"),
    "BIOS: an MBR without code": ("gen1-layout", {**mbr(has_boot_code=False), **V1}, "fail", "no boot code"),
    "BIOS: a GPT without code": ("gen1-layout", {**table(has_boot_code=False), **V1}, "fail", "no boot code"),
    "BIOS: no BIOS boot partition": ("gen1-layout", {**table(EFI, ROOT), **V1}, "fail", "without a BIOS boot"),
    "BIOS: an empty one": ("gen1-layout", {**table(has_core=False), **V1}, "fail", "is empty"),
    "BIOS: no table": ("gen1-layout", {"table": NO_TABLE, **V1}, "fail", "no partition table"),
    "BIOS: of a dynamic VHD": ("gen1-layout", {**DYNAMIC, **V1}, "unknown", "dynamic"),
    "BIOS: not asked for": ("gen1-layout", {}, "not applicable", "generation 1"),
    "LVM: a physical volume": (
        "os-no-lvm", with_filesystem(Filesystem("/dev/sda4", 4, 1, "LVM2_member")), "fail", "LVM on /dev/sda4",
    ),
    "LVM: a volume": ("os-no-lvm", with_filesystem(Filesystem("/dev/vg/root", 0, 1, "ext4")), "fail", "/dev/vg/root"),
    "LVM: a type of a GPT": ("os-no-lvm", table(BIOS, moved(8192, LVM)), "fail", "partition 4 of type LVM"),
    "LVM: a type of an MBR": ("os-no-lvm", mbr(moved(8192, "0x8e")), "fail", "partition 4 of type LVM"),
    "LVM: nothing was seen": ("os-no-lvm", BLIND, "unknown", "not looked at"),
    "swap: a type of a GPT": ("os-no-swap-part", table(BIOS, moved(8192, SWAP)), "fail", "partition 4 of type swap"),
    "swap: a type of an MBR": ("os-no-swap-part", mbr(moved(8192, "0x82")), "fail", "partition 4 of type swap"),
    "swap: its mark on a partition of another type": (
        "os-no-swap-part", with_filesystem(Filesystem("/dev/sda4", 4, 1, "swap")), "fail", "swap space on /dev/sda4",
    ),
    "swap: a system asleep in it": (
        "os-no-swap-part", with_filesystem(Filesystem("/dev/sda4", 4, 1, "swsuspend")), "fail", "/dev/sda4",
    ),
    "swap: a volume": ("os-no-swap-part", with_filesystem(Filesystem("/dev/vg/s", 0, 1, "swap")), "fail", "/dev/vg/s"),
    "swap: a type, and nothing was seen": (
        "os-no-swap-part", {**BLIND, **table(moved(8192, SWAP))}, "fail", "of type swap",
    ),
    "swap: nothing was seen": ("os-no-swap-part", BLIND, "unknown", "not looked at"),
}  # fmt: skip


@pytest.mark.parametrize(("rule_id", "change", "status", "words"), CASES.values(), ids=CASES)
def test_a_disk_with_one_thing_changed_is_judged(rule_id: str, change: dict[str, Any], status: str, words: str) -> None:
    facts = {name: value for name, value in change.items() if name != "generations"}
    outcome = ask(rule_id, changed(DEBIAN, **facts), generations=change.get("generations", ("V2",)))
    assert f"{outcome.status}{' as ' + outcome.severity if outcome.severity else ''}" == status
    assert words in outcome.seen


@pytest.mark.parametrize("rule", rules_in(partitions), ids=lambda rule: rule.id)
def test_sound_disks_pass_and_each_rule_has_one_that_fails(rule: Rule) -> None:
    for disk in (DEBIAN, el(8), el(9), el(10)):
        assert ask(rule.id, disk, generations=("V1", "V2")).status == "pass"
    assert any(status.startswith("fail") for name, _, status, _ in CASES.values() if name == rule.id)
