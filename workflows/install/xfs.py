"""An XFS on the disk: made beside it, put in its place, mounted there by offset, filled.

mkfs.xfs can write neither at an offset nor, without loss, from a folder (6.1 drops attributes, hard links and times), so
the filesystem is filled by the kernel: the host must have XFS and loop devices. The loop device ends with the mount,
and the mount with this namespace, whatever happens.
"""

from __future__ import annotations

import os
from pathlib import Path

from flight.workflows.install.layout import MIB, Placed
from flight.workflows.kit.arriving import sync
from flight.workflows.kit.errors import RecipeError, SpaceError
from flight.workflows.kit.run import run

OPTIONS = """\
[metadata]
crc = 1
finobt = 1
rmapbt = 0
reflink = 1
bigtime = 1
inobtcount = 1
[inode]
sparse = 1
nrext64 = 0
"""
"""mkfs.xfs -c, of our own: a newer host's defaults hold features that an older guest's kernel and GRUB cannot read.

Source: xfsprogs, mkfs/rhel9.0.conf.
"""
KEPT = "mode,ownership,timestamps,links,xattr"
CHUNK = 8 << 20


def refusal(proc: Path = Path("/proc/filesystems"), loop: Path = Path("/dev/loop-control")) -> str:
    """Why this host cannot fill an XFS, or nothing."""
    if not any(line.split()[-1:] == ["xfs"] for line in proc.read_text().splitlines()) and not _module():
        return "this host's kernel knows no XFS (modprobe xfs)"
    return "" if loop.exists() else f"this host has no loop devices ({loop})"


def _module() -> bool:
    release = os.uname().release
    return any(Path(f"/lib/modules/{release}/kernel/fs/xfs").glob("xfs.ko*"))


def write_xfs(disk: Path, part: Placed, tree: Path, *, scratch: Path, log_to: Path) -> None:
    """Write a filesystem that holds the folder `tree`. Raises RecipeError where the partition is too small for it."""
    made, at, options = scratch / f"{part.number}.xfs", scratch / f"{part.number}-mounted", scratch / "mkfs-xfs.conf"
    options.write_text(OPTIONS)
    at.mkdir()
    with open(made, "xb") as file:
        file.truncate(part.size_mib * MIB)
    label = ["-L", part.wanted.label] if part.wanted.label else []
    why = f"write the filesystem of {part.wanted.mount}"
    uuid = f"uuid={part.identifier}"
    fix = "apt-get install xfsprogs"
    argv = ["mkfs.xfs", "-q", "-K", "-c", f"options={options.name}", "-m", uuid, *label, made.name]
    run(argv, why=why, log_to=log_to, fix=fix, cwd=scratch)  # a comma in the path would separate options
    put_at(disk, part.start, made)
    made.unlink()
    _fill(disk, part, tree, at, why=why, log_to=log_to)


def _fill(disk: Path, part: Placed, tree: Path, at: Path, *, why: str, log_to: Path) -> None:
    place = f"loop,offset={part.start},sizelimit={part.size_mib * MIB}"
    run(["mount", "-t", "xfs", "-o", place, disk, at], why="mount the new XFS", log_to=log_to)
    try:
        run(["cp", "--recursive", "--no-dereference", f"--preserve={KEPT}", f"{tree}/.", at], why=why, log_to=log_to)
        sync(at)  # what the disk below had no room for is an error here, and nowhere later
    except SpaceError as error:
        raise RecipeError(
            f"{part.wanted.where}: {part.wanted.mount} with {part.size_mib} MiB is too small for what it holds",
            why=error.why,
            fix="make it larger, or install less",
        ) from None
    finally:
        run(["umount", at], why="close the new XFS", log_to=log_to)


def put_at(disk: Path, offset: int, piece: Path) -> None:
    """Write what the sparse file `piece` holds at `offset` of the disk; holes stay holes."""
    with open(piece, "rb") as source, open(disk, "r+b") as target:
        end, at = source.seek(0, os.SEEK_END), 0
        while at < end:
            try:
                at = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: no data follows
                break
            stop = os.lseek(source.fileno(), at, os.SEEK_HOLE)
            source.seek(at)
            target.seek(offset + at)
            for start in range(at, stop, CHUNK):
                target.write(source.read(min(CHUNK, stop - start)))
            at = stop
