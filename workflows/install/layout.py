"""Where the partitions of a disk lie, and what identifies them: values from the plan, nothing written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from flight.workflows.install import gpt
from flight.workflows.kickstart.plan import InstallPlan, Partition
from flight.workflows.kit.errors import RecipeError

NAMESPACE = uuid.UUID("6f8b9a0e-5b0f-5d0c-9d5e-0a4f3a1c7e21")
"""Of the identifiers that derive from a recipe's name: the same for every build, so that two builds can be compared."""
MIB = 1 << 20
BIOS_MIB, ESP_MIB, LEAST_ESP_MIB = 1, 128, 34
"""FAT32 needs 65,525 clusters, 34 MiB of them at 512 bytes."""
LEAST_XFS_MIB = 300
"""mkfs.xfs 6 makes none that is smaller."""
ROOT, EFI, BIOS, SWAP = "/", "/boot/efi", "biosboot", "swap"
NEEDED = {
    ROOT: ("the system", "part / --fstype=ext4 --size=2048 --grow"),
    EFI: ("UEFI (generation 2)", "part /boot/efi --fstype=efi --size=128"),
    BIOS: ("BIOS (generation 1)", "part biosboot --fstype=biosboot --size=1"),
}
"""Partitions that every disk has: who needs each, and the line that makes it."""
FAT_NAMES = ("efi", "vfat", "fat32")
FILESYSTEMS = ("ext4", "xfs")
LONGEST_LABELS = {"ext4": 16, "xfs": 12, "vfat": 11, "efi": 11}
"""Source: mke2fs(8), mkfs.xfs(8), mkfs.fat(8)."""


@dataclass(frozen=True)
class Placed:
    """A partition with its place on the disk, `number` counted from 1."""

    wanted: Partition
    number: int
    start_mib: int
    size_mib: int
    uid: uuid.UUID
    filesystem: uuid.UUID

    @property
    def start(self) -> int:
        return self.start_mib * MIB

    @property
    def identifier(self) -> str:
        """What fstab, GRUB and blkid call the filesystem: a UUID, or a FAT volume's eight digits."""
        if self.wanted.mount == EFI:
            digits = self.filesystem.hex[:8].upper()
            return f"{digits[:4]}-{digits[4:]}"
        return str(self.filesystem)

    @property
    def kind(self) -> uuid.UUID:
        known = {BIOS: gpt.BIOS_BOOT, EFI: gpt.ESP, ROOT: gpt.LINUX_ROOT_X86_64}
        return known.get(self.wanted.mount, gpt.LINUX)


@dataclass(frozen=True)
class Layout:
    """All partitions in the order of their numbers."""

    disk: uuid.UUID
    size_mib: int
    parts: tuple[Placed, ...]

    def at(self, mount: str) -> Placed:
        return next(part for part in self.parts if part.wanted.mount == mount)

    @property
    def filesystems(self) -> tuple[Placed, ...]:
        """Those with an ext4 or XFS, a folder before what lies in it."""
        return tuple(sorted((p for p in self.parts if p.wanted.mount not in (BIOS, EFI)), key=lambda p: p.wanted.mount))


def derived(recipe: str, what: str) -> uuid.UUID:
    """An identifier that is the same in every build of a recipe."""
    return uuid.uuid5(NAMESPACE, f"{recipe} {what}")


def wanted_of(plan: InstallPlan) -> tuple[Partition, ...]:
    """The plan's partitions, or the usual three."""
    return plan.partitions or (
        Partition(BIOS, BIOS, BIOS_MIB),
        Partition(EFI, "efi", ESP_MIB),
        Partition(ROOT, "ext4", 1024, grow=True),
    )


def layout_faults(plan: InstallPlan) -> list[str]:
    """Why the disk cannot be laid out as asked, each with file and line."""
    wanted = wanted_of(plan)
    return [*_faults(wanted), *_space_faults(wanted, plan.disk_gib * 1024)]


def plan_layout(plan: InstallPlan) -> Layout:
    """Where each partition lies: from 1 MiB, in the plan's order, in whole MiB, the last MiB left to GPT's backup.

    A plan without partitions gets the usual three. Raises RecipeError with every fault at once.
    """
    if faults := layout_faults(plan):
        raise RecipeError(f"{plan.recipe}: the disk cannot be laid out as asked", why="\n       ".join(faults))
    wanted, size_mib = wanted_of(plan), plan.disk_gib * 1024
    spare = size_mib - 2 - sum(part.size_mib for part in wanted)
    growing = sum(part.grow for part in wanted)
    parts, start = [], 1
    for number, part in enumerate(wanted, 1):
        size = part.size_mib + (spare // growing if part.grow else 0)
        uid, filesystem = derived(plan.recipe, f"partition {part.mount}"), derived(plan.recipe, part.mount)
        parts.append(Placed(part, number, start, size, uid, filesystem))
        start += size
    return Layout(derived(plan.recipe, "disk"), size_mib, tuple(parts))


def _faults(wanted: tuple[Partition, ...]) -> Iterator[str]:
    mounts = [part.mount for part in wanted]
    for part in wanted:
        refused = _refusal(part)
        if refused:
            yield f"{part.where}: {refused}"
        if len(part.label) > LONGEST_LABELS.get(part.fstype, 36):
            yield f"{part.where}: a label of {part.fstype} has {LONGEST_LABELS[part.fstype]} letters at most"
        if mounts.count(part.mount) > 1:
            yield f"{part.where}: {part.mount} is there twice"
    for mount, (purpose, line) in NEEDED.items():
        if mount not in mounts:
            yield f"{wanted[0].where}: there is no partition {mount}, which {purpose} needs; add {line}"


def _refusal(part: Partition) -> str:
    """Why this partition cannot be made, or nothing."""
    if part.mount == SWAP or part.fstype == SWAP:
        return "swap on the OS disk is refused by Azure's certification; cloud-init makes one on the resource disk"
    if part.mount == BIOS:
        return "" if part.fstype in (BIOS, "") else f"biosboot holds no {part.fstype}"
    if part.mount == EFI:
        return "" if part.fstype in FAT_NAMES else f"{EFI} is FAT by UEFI's specification, not {part.fstype}"
    if part.mount == "/boot":
        return "/boot is kept on the root filesystem, where both boot loaders look for it"
    if not part.mount.startswith("/"):
        return f"'{part.mount}' is no place in the system (physical volumes and RAID are not built)"
    return "" if part.fstype in FILESYSTEMS else f"{part.fstype} is not built by this installer; give ext4 or xfs"


def _space_faults(wanted: tuple[Partition, ...], size_mib: int) -> Iterator[str]:
    for part in wanted:
        least = LEAST_ESP_MIB if part.mount == EFI else LEAST_XFS_MIB if part.fstype == "xfs" else 1
        if part.size_mib < least:
            yield f"{part.where}: {part.mount} has {part.size_mib} MiB and needs {least} or more"
    total = sum(part.size_mib for part in wanted) + 2
    if total > size_mib:
        yield f"{wanted[-1].where}: the partitions take {total} MiB with the table, the disk has {size_mib}"


def _fstab_rest(part: Partition) -> str:
    """Type, options, and when it is checked: XFS is never, it mends itself when it is mounted."""
    if part.fstype == "xfs":
        return f"xfs {part.options or 'defaults'} 0 0"
    options = part.options or ("errors=remount-ro" if part.mount == ROOT else "defaults")
    return f"ext4 {options} 0 {1 if part.mount == ROOT else 2}"


def render_fstab(layout: Layout) -> str:
    """fstab by UUID: a disk is /dev/sda on one Azure size and /dev/nvme0n1 on the next."""
    lines = ["# Filesystems are named by UUID: the disk's name differs between machines."]
    for part in sorted(layout.parts, key=lambda part: part.wanted.mount):
        mount = part.wanted.mount
        if mount == EFI:
            lines.append(f"UUID={part.identifier} {EFI} vfat {part.wanted.options or 'umask=0077'} 0 1")
        elif mount != BIOS:
            lines.append(f"UUID={part.identifier} {mount} {_fstab_rest(part.wanted)}")
    return "\n".join(lines) + "\n"
