"""What comes through a pipe: read once, in order. Only its end tells whether it was a VHD or a raw disk.

Nothing is kept of it but the piece at hand, its first block and its last 64 KiB. Zeros are dropped at memory speed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from flight.workflows.digest import BLOCK
from flight.workflows.kit.errors import FlightError, os_errors_explained
from flight.workflows.upload.disk import has_table, is_raw, plan_raw
from flight.workflows.upload.plan import MOST, Span, data_blocks
from flight.workflows.vhd import FOOTER_BYTES, LARGEST_BYTES
from flight.workflows.vhd.acceptance import HEAD_BYTES, TAIL_BYTES, Ends, compression, foreign_format
from flight.workflows.vhd.layout import COOKIE

Piece = tuple[Span, bytes]
STANDARD_INPUT: Final = "-"
PIPE_BYTES: Final = 1 << 20
"""What the kernel holds for us while we hash; the most that anybody may ask for. Source: pipe(7), "Pipe capacity"."""


def is_pipe(path: Path) -> bool:
    """`-`, or a fifo."""
    with contextlib.suppress(OSError):
        return str(path) == STANDARD_INPUT or stat.S_ISFIFO(path.stat().st_mode)
    return False


@contextlib.contextmanager
def open_pipe(path: Path) -> Iterator[PipeSource]:
    """Standard input for `-`, else a fifo: that waits until somebody opens it for writing."""
    name = "standard input" if str(path) == STANDARD_INPUT else str(path)
    with os_errors_explained(f"read {name}"):
        fd = os.dup(0) if str(path) == STANDARD_INPUT else os.open(path, os.O_RDONLY)
    try:
        if os.isatty(fd):
            fix = "pipe a disk into it, as in `zstd -dc DISK.vhd.zst | flight upload - …`, or give a file"
            raise FlightError("there is nothing to upload", why=f"{name} is a terminal", fix=fix)
        with contextlib.suppress(OSError):  # not a pipe, or more than this user may have
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield PipeSource(fd, name=name)
    finally:
        os.close(fd)


class PipeSource:
    """A disk that comes once; a Feed. `size_bytes` is that of the blob, None until the end was read."""

    state = None

    def __init__(self, fd: int, *, name: str = "the pipe") -> None:
        self.name, self._fd = name, fd
        self.size_bytes: int | None = None
        self.taken_bytes = 0
        """As far as it was read, zeros too."""
        self._head = self._end = b""
        self._tail: tuple[Piece, ...] = ()
        self._seen: Piece | None = None
        self._fault: FlightError | None = None
        self._lock = threading.Lock()

    def look(self) -> None:
        """Read its first piece, which `take` gives later: what is no disk at all is refused before a blob is made for it."""
        with self._lock:
            self._seen = self._guarded(self._piece)

    def take(self) -> Piece | None:
        """The next piece that is not all zeros: 4 MiB, the last one less. None at the end.

        Raises FlightError where it is no disk that can be uploaded, as soon as that shows; then again for who asks again.
        """
        with self._lock:
            return self._guarded(self._next)

    def tail(self) -> tuple[Piece, ...]:
        """After the end: what the blob needs besides what was taken. A raw disk's footer; nothing for a VHD."""
        assert self.size_bytes is not None, "it has not ended"
        return self._tail

    def _guarded(self, read: Callable[[], Piece | None]) -> Piece | None:
        if self._fault:
            raise self._fault
        try:
            return read()
        except FlightError as fault:
            self._fault = fault
            raise

    def _next(self) -> Piece | None:
        while piece := self._piece():
            if any(True for _ in data_blocks(*piece)):
                return piece
        return None

    def _piece(self) -> Piece | None:
        """The next 4 MiB, zeros or not; what was looked at first."""
        if self._seen:
            seen, self._seen = self._seen, None
            return seen
        if self.size_bytes is not None:
            return None
        start, content = self.taken_bytes, self._read()
        self._remember(content)
        if len(content) < MOST:
            content = self._ended(content)
        return Span(start, start + len(content)), content

    def _read(self) -> bytes:
        """4 MiB, less at the end only."""
        parts, left = [], MOST
        with os_errors_explained(f"read {self.name}"):
            while left and (part := os.read(self._fd, min(left, PIPE_BYTES))):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    def _remember(self, content: bytes) -> None:
        if not self.taken_bytes:
            self._head = content[:BLOCK]
            self._check_head()
        self._end = content[-TAIL_BYTES:] if len(content) >= TAIL_BYTES else (self._end + content)[-TAIL_BYTES:]
        self.taken_bytes += len(content)
        if self.taken_bytes > LARGEST_BYTES + FOOTER_BYTES:
            raise self._refused(f"more than {LARGEST_BYTES} bytes came, Azure's limit")

    def _check_head(self) -> None:
        """What cannot be right is refused before any of it is sent."""
        if not self._head:
            raise FlightError(
                f"nothing came from {self.name}",
                why="it ended at once: the program that was to write to it has failed, perhaps",
                fix="see what that program says by itself; `set -o pipefail` lets a shell stop there",
            )
        if compressed := compression(self._head):
            raise FlightError(
                f"{self.name} does not give a disk that can be uploaded",
                why=f"it is compressed ({compressed[0]})",
                fix=f"pipe it through `{compressed[1]}` first",
            )
        if foreign := foreign_format(self._head):
            raise self._refused(f"it is a {foreign[0]} disk, not a fixed VHD")
        if self._head.startswith(COOKIE):
            raise self._refused("it begins as a dynamic or differencing VHD, and Azure takes fixed ones only")

    def _ended(self, content: bytes) -> bytes:
        """The last piece as the blob is to hold it; size and tail are known now."""
        size = self.taken_bytes
        if not self._is_raw(size):
            self.size_bytes = size
            return content
        shape = plan_raw(self._read_kept, size, name=self.name)
        if not has_table(self._head):
            raise self._refused("it has no partition table: it may be a VHD that was cut short, and nothing else tells")
        *moved, end = shape.patches
        if moved:
            raise self._refused("the backup of its partition table must move, and a pipe cannot be read again")
        self._tail = ((Span(end.offset, end.stop), end.content),)
        self.size_bytes = shape.size_bytes
        return content.ljust(end.offset - size + len(content), b"\0")

    def _is_raw(self, size: int) -> bool:
        try:
            return is_raw(Ends(self.name, size, self._head[:HEAD_BYTES], self._end))
        except FlightError as refused:
            raise self._refused(refused.why) from None

    def _read_kept(self, offset: int, length: int) -> bytes:
        """Of the disk, as far as its first block or its last 64 KiB have it."""
        if offset < len(self._head):
            return self._head[offset : offset + length]
        at = offset - (self.taken_bytes - len(self._end))
        return self._end[at : at + length] if at >= 0 else b""

    def _refused(self, why: str) -> FlightError:
        fix = "save it to a file, see what `flight inspect FILE` says of it, and upload that"
        return FlightError(f"{self.name} does not give a disk that can be uploaded", why=why, fix=fix)
