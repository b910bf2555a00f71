"""The disk from files alone: table, filesystems and boot code written into a sparse file."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from flight.workflows.gpt import SECTOR
from flight.workflows.install import gpt
from flight.workflows.install.inside import below, bind
from flight.workflows.install.layout import EFI, MIB, ROOT, Layout, Placed, derived
from flight.workflows.install.xfs import write_xfs
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.run import run

FAT_SERIAL, FAT_BACKUP = 67, 6
"""Where FAT32 holds the volume's serial number, and in which sector it holds its boot sector again.

Source: Microsoft FAT Specification 1.03. --invariant overrules -i; without it the label carries the clock's time.
"""
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


def write_table(disk: Path, layout: Layout) -> None:
    """Make the sparse file and write both partition tables."""
    sectors = layout.size_mib * MIB // SECTOR
    entries = [
        gpt.Entry(part.kind, part.uid, part.start // SECTOR, part.start // SECTOR + part.size_mib * 2048 - 1, name)
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
    argv: list[str | Path] = ["mkfs.ext4", "-q", "-F", "-t", "ext4", "-m", "1", "-d", tree, "-U", part.identifier]
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
    Path(image).touch()  # dumpe2fs 1.47.2 looks for a file of that name before it takes the offset off
    lines = run(["dumpe2fs", image], why="read the new filesystem").out
    Path(image).unlink()
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
        raise ProgramError(f"dumpe2fs does not say '{name}'", fix="apt-get install --reinstall e2fsprogs")
    return found[1]


def write_filesystems(
    disk: Path, layout: Layout, root: Path, *, scratch: Path, clock: Mapping[str, str], log_to: Path
) -> None:
    """Write every ext4 and XFS of the layout. What has a partition of its own is covered in `root` by an empty folder.

    The EFI partition is written elsewhere: what packages put there would lie on the root filesystem, below its mount.
    """
    _cover(_own_folder(root, layout.at(EFI)), layout.at(EFI), scratch)
    for part in reversed(layout.filesystems):
        folder = _own_folder(root, part)
        if part.wanted.fstype == "xfs":
            write_xfs(disk, part, folder, scratch=scratch, log_to=log_to)
        else:
            write_ext4(disk, part, folder, scratch=scratch, clock=clock, log_to=log_to)
            settle_times(disk, part, epoch=int(clock["SOURCE_DATE_EPOCH"]))
        if part.wanted.mount != ROOT:
            _cover(folder, part, scratch)


def _cover(folder: Path, part: Placed, scratch: Path) -> None:
    """Let the folder be an empty one, with its own owner, mode and labels."""
    empty, was = scratch / f"{part.number}-empty", folder.stat()
    empty.mkdir()
    os.chown(empty, was.st_uid, was.st_gid)
    shutil.copystat(folder, empty)
    bind(empty, folder)


def _own_folder(root: Path, part: Placed) -> Path:
    """The folder that a partition of its own is filled from. Raises RecipeError where a script put something else there."""
    mount, folder = part.wanted.mount, root / part.wanted.mount.lstrip("/")
    if below(root, mount) == folder and folder.is_dir():
        return folder
    seen = (
        "leads to another place" if below(root, mount) != folder else "is no folder" if folder.exists() else "is gone"
    )
    raise RecipeError(
        f"{part.wanted.where}: {mount} has a partition of its own, and in the finished system it {seen}",
        why="a %post script, or a package, changed it",
        fix=f"leave {mount} a folder, or take its partition out",
    )


def write_esp(
    disk: Path, part: Placed, files: Mapping[str, bytes], *, scratch: Path, clock: Mapping[str, str], log_to: Path
) -> None:
    """Write the EFI system partition: a FAT32 that holds `files`, by path."""
    mkfs = ["mkfs.vfat", "-F", "32", "-S", "512", "-s", "1", "--invariant", "--offset", str(part.start // SECTOR)]
    mkfs += ["-n", part.wanted.label] if part.wanted.label else []
    run([*mkfs, disk, str(part.size_mib * 1024)], why="write the EFI partition", log_to=log_to)
    serial = bytes.fromhex(part.identifier.replace("-", ""))[::-1]
    for sector in (0, FAT_BACKUP):
        write_at(disk, part.start + sector * SECTOR + FAT_SERIAL, serial)
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
