"""Files with holes: where their data is, and copies that keep the holes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress, Told, quiet

FICLONE = 0x4004_9409
"""ioctl: share all extents of another file. Source: linux/fs.h, ioctl_ficlone(2)."""
NO_REFLINK = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM, errno.ETXTBSY}
NO_COPY_RANGE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOSYS}
STEP = 16 << 20
"""Bytes copied between two words of progress."""


@dataclass(frozen=True)
class Extent:
    """A run of bytes of a file that are stored, not a hole; `stop` is one past the last."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of a disk file, for reading. Raises FlightError for all but regular files and links to them.

    A fifo would wait for a writer, and what a device holds, or how much, cannot be known from its file.
    """
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            raise FlightError(f"{path} is {_kind(kind)}", why="only files are read", fix=_instead(path, kind))
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        why = getattr(error, "strerror", None) or str(error)
        raise FlightError(f"{path} cannot be read", why=why, fix="give the path of a disk file") from None
    try:
        yield fd
    finally:
        os.close(fd)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFBLK: "a block device",
        stat.S_IFIFO: "a fifo",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def _instead(path: Path, mode: int) -> str:
    if stat.S_ISBLK(mode):
        return f"copy the disk to a file first: dd if={shlex.quote(str(path))} of=DISK.raw bs=4M conv=sparse"
    return "give the path of a disk file"


def extents(fd: int, start: int = 0, stop: int | None = None) -> Iterator[Extent]:
    """The data between `start` and `stop` (default: all), ascending; holes cost one system call each.

    A filesystem that does not know its holes gives one extent. Stored zeros are data.
    """
    end = os.fstat(fd).st_size if stop is None else stop
    at = start
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        if at >= end:
            return
        hole = min(os.lseek(fd, at, os.SEEK_HOLE), end)
        yield Extent(at, hole)
        at = hole


def clone(source: int, target: int) -> bool:
    """Let the empty `target` share all of the source's blocks; False where the filesystem cannot."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in NO_REFLINK:
            return False
        raise
    return True


def copy(source: int, target: int, *, told: Told = quiet, what: str = "copying") -> int:
    """Copy the data, leaving holes where the source has them; the bytes copied. The target's size is set too."""
    runs = list(extents(source))
    total, done = sum(run.size for run in runs), 0
    for run in runs:
        for at in range(run.start, run.stop, STEP):
            length = min(STEP, run.stop - at)
            _copy_range(source, target, at, length)
            done += length
            told(Progress(done, total, what))
    os.ftruncate(target, os.fstat(source).st_size)
    return total


def read_exactly(fd: int, offset: int, length: int) -> bytes:
    """`length` bytes from `offset`, fewer only at the end of the file."""
    parts = []
    while length > 0 and (part := os.pread(fd, length, offset)):
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write_all(fd: int, content: bytes, offset: int) -> None:
    """Write all of it, however many system calls it takes."""
    left = memoryview(content)
    while left:
        wrote = os.pwrite(fd, left, offset)
        offset += wrote
        left = left[wrote:]


def _copy_range(source: int, target: int, at: int, length: int) -> None:
    """Within the kernel where it can, through our memory where it cannot."""
    stop = at + length
    try:
        while at < stop:
            copied = os.copy_file_range(source, target, stop - at, at, at)
            if copied == 0:
                raise EOFError(f"the source ended at byte {at}: it was cut while it was copied")
            at += copied
    except OSError as error:
        if error.errno not in NO_COPY_RANGE:
            raise
        while at < stop:
            part = os.pread(source, min(1 << 20, stop - at), at)
            if not part:
                raise EOFError(f"the source ended at byte {at}: it was cut while it was copied") from None
            write_all(target, part, at)
            at += len(part)
