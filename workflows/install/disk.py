"""The disk from files alone: a layout from the plan, then table, filesystems and boot code written into a sparse file."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.install import gpt
from flight.workflows.install.isolation import bind
from flight.workflows.kickstart.plan import InstallPlan, Partition
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.run import run

NAMESPACE = uuid.UUID("6f8b9a0e-5b0f-5d0c-9d5e-0a4f3a1c7e21")
"""Of the identifiers that derive from a recipe's name: the same for every build, so that two builds can be compared."""
MIB = 1 << 20
BIOS_MIB, ESP_MIB, LEAST_ESP_MIB = 1, 128, 34
"""FAT32 needs 65,525 clusters, 34 MiB of them at 512 bytes."""
ROOT, EFI, BIOS, SWAP = "/", "/boot/efi", "biosboot", "swap"
FAT_NAMES = ("efi", "vfat", "fat32")
MKE2FS_CONFIG = """\
[defaults]
    base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
    default_mntopts = acl,user_xattr
    enable_periodic_fsck = 0
    blocksize = 4096
    inode_size = 256
    inode_ratio = 16384
[fs_types]
    ext4 = {
        features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
    }
"""
"""mke2fs.conf(5) of our own: a newer host's defaults hold features that an older guest's GRUB cannot read."""


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
        """Those with an ext4, a folder before what lies in it."""
        return tuple(sorted((p for p in self.parts if p.wanted.mount not in (BIOS, EFI)), key=lambda p: p.wanted.mount))


def derived(recipe: str, what: str) -> uuid.UUID:
    """An identifier that is the same in every build of a recipe."""
    return uuid.uuid5(NAMESPACE, f"{recipe} {what}")


def plan_layout(plan: InstallPlan) -> Layout:
    """Where each partition lies: from 1 MiB, in the plan's order, in whole MiB, the last MiB left to GPT's backup.

    A plan without partitions gets the usual three. Raises RecipeError with every fault at once.
    """
    wanted = plan.partitions or (
        Partition(BIOS, BIOS, BIOS_MIB),
        Partition(EFI, "efi", ESP_MIB),
        Partition(ROOT, "ext4", 1024, grow=True),
    )
    size_mib = plan.disk_gib * 1024
    faults = [*_faults(wanted), *_space_faults(wanted, size_mib)]
    if faults:
        raise RecipeError(f"{plan.recipe}: the disk cannot be laid out as asked", why="\n       ".join(faults))
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
        if mounts.count(part.mount) > 1:
            yield f"{part.where}: {part.mount} is there twice"
    for mount, purpose in ((ROOT, "the system"), (EFI, "UEFI (generation 2)"), (BIOS, "BIOS (generation 1)")):
        if mount not in mounts:
            yield f"{wanted[0].where}: there is no partition {mount}, which {purpose} needs"


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
    return "" if part.fstype == "ext4" else f"{part.fstype} is not built by this installer; give ext4"


def _space_faults(wanted: tuple[Partition, ...], size_mib: int) -> Iterator[str]:
    for part in wanted:
        least = LEAST_ESP_MIB if part.mount == EFI else 1
        if part.size_mib < least:
            yield f"{part.where}: {part.mount} has {part.size_mib} MiB and needs {least} or more"
    total = sum(part.size_mib for part in wanted) + 2
    if total > size_mib:
        yield f"{wanted[-1].where}: the partitions take {total} MiB with the table, the disk has {size_mib}"


def render_fstab(layout: Layout) -> str:
    """fstab by UUID: a disk is /dev/sda on one Azure size and /dev/nvme0n1 on the next."""
    lines = ["# Filesystems are named by UUID: the disk's name differs between machines."]
    for part in sorted(layout.parts, key=lambda part: part.wanted.mount):
        mount = part.wanted.mount
        if mount == EFI:
            lines.append(f"UUID={part.identifier} {EFI} vfat {part.wanted.options or 'umask=0077'} 0 1")
        elif mount != BIOS:
            options = part.wanted.options or ("errors=remount-ro" if mount == ROOT else "defaults")
            lines.append(f"UUID={part.identifier} {mount} ext4 {options} 0 {1 if mount == ROOT else 2}")
    return "\n".join(lines) + "\n"


def write_table(disk: Path, layout: Layout) -> None:
    """Make the sparse file and write both partition tables."""
    sectors = layout.size_mib * MIB // gpt.SECTOR
    entries = [
        gpt.Entry(
            part.kind, part.uid, part.start // gpt.SECTOR, part.start // gpt.SECTOR + part.size_mib * 2048 - 1, name
        )
        for part in layout.parts
        for name in [part.wanted.label or part.wanted.mount]
    ]
    first, last = gpt.render_table(entries, disk=layout.disk, sectors=sectors)
    with open(disk, "xb") as file:
        file.truncate(layout.size_mib * MIB)
        file.write(first)
        file.seek(layout.size_mib * MIB - len(last))
        file.write(last)


def write_ext4(disk: Path, part: Placed, tree: Path, *, scratch: Path, clock: Mapping[str, str], log_to: Path) -> None:
    """Write a filesystem that holds the folder `tree`. Raises RecipeError where the partition is too small for it."""
    config = scratch / "mke2fs.conf"
    config.write_text(MKE2FS_CONFIG)
    extended = (
        f"offset={part.start},hash_seed={derived('hash seed', part.identifier)},root_owner=0:0,"
        "lazy_itable_init=1,assume_storage_prezeroed=1,nodiscard"
    )
    argv = ["mkfs.ext4", "-q", "-F", "-t", "ext4", "-m", "1", "-d", tree, "-U", part.identifier]
    argv += ["-L", part.wanted.label] if part.wanted.label else []
    argv += ["-E", extended, disk, f"{part.size_mib * 1024}k"]
    try:
        run(
            argv,
            why=f"write the filesystem of {part.wanted.mount}",
            log_to=log_to,
            env={**clock, "MKE2FS_CONFIG": str(config)},
        )
    except ProgramError as error:
        if re.search(r"Could not allocate|free space|too big|too small", error.why, re.I):
            raise RecipeError(
                f"{part.wanted.where}: {part.wanted.mount} with {part.size_mib} MiB is too small for what it holds",
                why=error.why,
                fix="make it larger, or install less",
            ) from None
        raise


def settle_times(disk: Path, part: Placed, *, epoch: int) -> None:
    """Give every inode the same change and access time: mke2fs copies the tree's own, which nobody can set.

    Some 10,000 inodes take debugfs 0.2 s.
    """
    image = f"{disk}?offset={part.start}"
    lines = run(["dumpe2fs", image], why="read the new filesystem").out
    commands = "".join(
        f"set_inode_field <{number}> {name} @{epoch}\n" for number in used_inodes(lines) for name in ("ctime", "atime")
    )
    script = disk.with_name("times")
    script.write_text(commands)
    run(["debugfs", "-w", "-f", script, image], why="settle the times", env={"E2FSPROGS_FAKE_TIME": str(epoch)})


def used_inodes(dumped: str) -> list[int]:
    """The numbers of all inodes in use but the reserved ones, from what dumpe2fs says of each group."""
    many = int(_field("Inode count", dumped))
    first = int(_field("First inode", dumped))
    free: set[int] = set()
    for line in re.findall(r"^  Free inodes: (\S.*)$", dumped, re.M):
        for span in line.split(", "):
            start, _, stop = span.partition("-")
            free.update(range(int(start), int(stop or start) + 1))
    return [2, *(number for number in range(first, many + 1) if number not in free)]


def _field(name: str, dumped: str) -> str:
    found = re.search(rf"^{name}:\s+(\S+)", dumped, re.M)
    if found is None:
        raise ProgramError(f"dumpe2fs does not say '{name}'")
    return found[1]


def write_filesystems(
    disk: Path, layout: Layout, root: Path, *, scratch: Path, clock: Mapping[str, str], log_to: Path
) -> None:
    """Write every ext4 of the layout. What has a partition of its own is covered in `root` by an empty folder first."""
    empty = scratch / "empty"
    empty.mkdir()
    for part in reversed(layout.filesystems):
        folder = root / part.wanted.mount.lstrip("/")
        write_ext4(disk, part, folder, scratch=scratch, clock=clock, log_to=log_to)
        if clock:
            settle_times(disk, part, epoch=int(clock["SOURCE_DATE_EPOCH"]))
        if part.wanted.mount != ROOT:
            bind(empty, folder)


def write_esp(
    disk: Path, part: Placed, files: Mapping[str, bytes], *, scratch: Path, clock: Mapping[str, str], log_to: Path
) -> None:
    """Write the EFI system partition: a FAT32 that holds `files`, by path."""
    sectors = part.start // gpt.SECTOR
    serial = part.identifier.replace("-", "")
    mkfs = [
        "mkfs.vfat",
        "-F",
        "32",
        "-S",
        "512",
        "-s",
        "1",
        "-i",
        serial,
        "-n",
        "EFI",
        "--offset",
        str(sectors),
    ]
    run([*mkfs, disk, str(part.size_mib * 1024)], why="write the EFI partition", log_to=log_to, env=clock)
    image, folders = f"{disk}@@{part.start}", sorted({str(p) for path in files for p in Path(path).parents} - {"."})
    quiet = {**clock, "MTOOLS_SKIP_CHECK": "1"}
    run(
        ["mmd", "-i", image, *(f"::{folder}" for folder in folders)],
        why="make the EFI folders",
        log_to=log_to,
        env=quiet,
    )
    one = scratch / "efi-file"
    for path, raw in sorted(files.items()):
        one.write_bytes(raw)
        run(["mcopy", "-i", image, one, f"::{path}"], why=f"put {path} on the EFI partition", log_to=log_to, env=quiet)


def write_at(disk: Path, offset: int, raw: bytes) -> None:
    """Write bytes into the disk file."""
    with open(disk, "r+b") as file:
        file.seek(offset)
        file.write(raw)


def to_qcow2(disk: Path, to: Path, *, qemu_img: str, log_to: Path) -> None:
    """Make a qcow2 of the sparse disk. Uncompressed: the next stages read and change it."""
    argv = [qemu_img, "convert", "-f", "raw", "-O", "qcow2", "-W", "-m", str(min(16, 4 * (os.cpu_count() or 1)))]
    run([*argv, disk, to], why="turn the disk into a qcow2", log_to=log_to)
