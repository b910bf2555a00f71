"""What is on the partitions: one root that is found by its identifier, and no swap space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flight.workflows.certify.effective import fstab, swap
from flight.workflows.certify.effective.bootentry import Entry
from flight.workflows.certify.effective.commandline import has_word, values
from flight.workflows.certify.facts import Filesystem
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Severity, failed, judged, passed, rule, unknown
from flight.workflows.kit.text import quoted

HEAVIEST_FIRST: Final = ("blocker", "likely blocker", "warning", "info")
MOST_FAULTS: Final = 3
NOT_LOOKED: Final = "its filesystems were not looked at"
ROOT_TYPES: Final = ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "b921b045-1df0-41c3-af44-4c6f280d3fae")
"""A root partition of x86-64 and of arm64. Source: Discoverable Partitions Specification."""


class Fault(NamedTuple):
    severity: Severity
    words: str


def told(faults: list[Fault], well: str) -> Outcome:
    """The heaviest few of several faults as one outcome."""
    if not faults:
        return passed(well)
    ranked = sorted(faults, key=lambda fault: HEAVIEST_FIRST.index(fault.severity))
    more = f"; and {len(ranked) - MOST_FAULTS} more" if len(ranked) > MOST_FAULTS else ""
    return failed("; ".join(fault.words for fault in ranked[:MOST_FAULTS]) + more, severity=ranked[0].severity)


@rule(
    "os-single-root",
    "There is one root filesystem",
    severity="warning",
    required="exactly one filesystem of the disk holds /",
    fix="keep one system on the OS disk, and nothing else's root",
    source='self-test 42 ("Root Partition: 1"); security recommendations for images',
)
def os_single_root(image: Image) -> Outcome:
    if not image.snapshot.filesystems:
        return unknown(NOT_LOOKED)
    roots = [each.device for each in image.snapshot.filesystems if each.mounted_at == "/"]
    return judged(len(roots) == 1, f"on {', '.join(roots)}" if roots else "none")


@rule(
    "os-no-swap-file",
    "Nothing turns on swap space on the OS disk",
    severity="blocker",
    required="no line of /etc/fstab or /etc/crypttab, swap unit, cloud-init `swap:` or command at the start turns on swap "
    "whose place is the OS disk; swap on the resource disk (/mnt, ephemeral0, /dev/disk/cloud) is allowed. A timer, or "
    "cloud-init's `bootcmd:` and `runcmd:`, are likely to block",
    fix="take out the line (`swapoff -a` and delete the file), `systemctl disable NAME.swap`; swap on the resource disk: "
    "cloud-init's `mounts: [[ephemeral0.2, none, swap, sw]]`, or a file below /mnt that a service makes",
    source="LISA verify_no_swap_on_osdisk (P1), swap files too; self-test 41; Bitwarden's reports, 2026",
)
def os_no_swap_file(image: Image) -> Outcome:
    if image.snapshot.unseen or not image.snapshot.filesystems:
        return unknown(NOT_LOOKED)
    if problem := fstab.fstab_of(image.tree).problem:
        return unknown(problem)
    return told(list(_swapped(image)), "nothing does")


def _swapped(image: Image) -> Iterator[Fault]:
    named = set()
    for each in swap.swaps_of(image):
        named.add(image.tree.real(each.what))
        if swap.is_beside_the_disk(image, each):
            continue
        on_disk = swap.is_on_the_disk(image, each)
        where = f"{quoted(each.by, most=40)} turns on {quoted(each.what, most=50)}"
        weight: Severity = "likely blocker" if each.is_later else "blocker"
        yield Fault(weight, where) if on_disk else Fault("warning", f"{where}, which is not on this disk")
    for path in swap.swap_files(image):
        if path not in named:
            yield Fault("warning", f"{quoted(path, most=50)} is a swap file that nothing turns on")
    if by := swap.zram(image):
        yield Fault("info", f"{by} makes swap space of memory")


@rule(
    "fstab-persistent",
    "fstab names filesystems by what they are",
    severity="warning",
    required="no /dev/sd*, /dev/nvme* or other name that depends on the machine, and every identifier is of a filesystem "
    "that is there (a blocker where NVMe is claimed, and where the machine would wait for it and not start)",
    fix="write UUID=… as `blkid` shows it, or take out the line; what may be missing gets `nofail`",
    source="Microsoft's RHEL and Debian guides (2026), and its guide to NVMe",
)
def fstab_persistent(image: Image) -> Outcome:
    table = fstab.fstab_of(image.tree)
    if table.problem:
        return failed(table.problem, severity="blocker")
    if not image.snapshot.filesystems:
        return unknown(NOT_LOOKED)
    faults = [Fault("warning", f"{fstab.PATH}:{number} is no entry") for number in table.faulty]
    names = {fields[0] for _, fields in fstab.crypt_names(image.tree)}
    for line in table.lines:
        if line.spec.removeprefix("/dev/mapper/") not in names:
            faults += _unsteady(image, line)
    count = sum(fstab.is_of_the_disk(line.spec) for line in table.lines)
    return told(faults, f"{count} filesystem{'s'[: count != 1]}, all of them there")


def _unsteady(image: Image, line: fstab.Line) -> Iterator[Fault]:
    """What is wrong with the way in which a line names its filesystem."""
    spec, where = line.spec, f"{line.source} names {quoted(line.spec, most=60)}"
    missing: Severity = "blocker" if line.is_required else "warning"
    if fstab.ELSEWHERE.fullmatch(spec):
        yield Fault(missing, f"{where}, which Azure does not have")
    elif fstab.BY_NAME.fullmatch(spec) or fstab.BY_PLACE.fullmatch(spec):
        yield Fault("blocker" if "nvme" in image.claims else "warning", where)
    elif fstab.is_of_the_disk(spec) and fstab.filesystem_of(spec, image.snapshot.filesystems) is None:
        yield Fault(missing, f"{where}, which is not there")


@rule(
    "fstab-root-id",
    "Boot loader and fstab name the root that is there",
    severity="blocker",
    required="root= of what boots, and the line of / in /etc/fstab, both name the root filesystem by an identifier of its "
    "own (UUID, PARTUUID or label)",
    fix="write `root=UUID=…` as `blkid` shows it: on Debian by `update-grub`, on Enterprise Linux by `grubby "
    "--update-kernel=ALL --args=root=UUID=…`; the same UUID into /etc/fstab",
    source="LISA verify_os_partition_identifier; what is wrong here does not start",
)
def fstab_root_id(image: Image) -> Outcome:
    root = next((each for each in image.snapshot.filesystems if each.mounted_at == "/"), None)
    if root is None:
        return unknown(NOT_LOOKED)
    if image.boot.problem:
        return unknown(f"what boots is not known: {image.boot.problem}")
    table = fstab.fstab_of(image.tree)
    if table.problem:
        return failed(table.problem)
    faults = list(_twins(image, root))
    faults += [fault for entry in image.boot.booting for fault in _wrong_root(image, entry, root)]
    others = [entry for entry in image.boot.entries if entry.kernel and entry not in image.boot.booting]
    faults += [fault._replace(severity="warning") for entry in others for fault in _wrong_root(image, entry, root)]
    return told([*faults, *_wrong_line(image, table, root)], f"{quoted(image.boot.root, most=60)} in both")


def _twins(image: Image, root: Filesystem) -> Iterator[Fault]:
    """Copies of the root with its UUID: which of them is mounted is chance. The parts of one btrfs share theirs."""
    same = [each.device for each in image.snapshot.filesystems if each.uuid and each.uuid == root.uuid]
    if len(same) > 1 and root.type != "btrfs":
        yield Fault("blocker", f"{', '.join(same[:MOST_FAULTS])} all have {_identity(root)}")


def _wrong_root(image: Image, entry: Entry, root: Filesystem) -> Iterator[Fault]:
    """What is wrong with root= of an entry; of several on the line the last counts."""
    spec, at = (values(entry.command_line, "root") or [""])[-1], quoted(entry.source, most=60)
    where = f"{at} says root={quoted(spec, most=60)}"
    if not spec:
        is_typed = any(it.number == root.partition and it.type in ROOT_TYPES for it in image.snapshot.table.partitions)
        yield Fault("warning" if is_typed else "blocker", f"{at} has no root=")
    elif fstab.BY_NAME.fullmatch(spec) or fstab.BY_PLACE.fullmatch(spec):
        is_there = fstab.filesystem_of(spec, [root]) and spec.startswith("/dev/sd") and "nvme" not in image.claims
        yield Fault("warning" if is_there else "blocker", f"{where}, a name that depends on the machine")
    elif fstab.filesystem_of(spec, image.snapshot.filesystems) != root:
        yield Fault("blocker", f"{where}, and the root is {_identity(root)}")


def _wrong_line(image: Image, table: fstab.Fstab, root: Filesystem) -> Iterator[Fault]:
    """What is wrong with the line of / in fstab. Without one the root stays as the kernel mounted it."""
    lines = [line for line in table.lines if line.at == "/" and not line.is_swap]
    for line in lines:
        if fstab.filesystem_of(line.spec, image.snapshot.filesystems) != root:
            yield Fault(
                "blocker", f"{line.source} mounts {quoted(line.spec, most=60)} as /, and the root is {_identity(root)}"
            )
    if not lines:
        is_writable = has_word(image.boot.command_line, "rw")
        yield Fault("warning" if is_writable else "blocker", f"{fstab.PATH} has no line for /")


def _identity(it: Filesystem) -> str:
    return f"UUID={quoted(it.uuid, most=40)}" if it.uuid else it.device
