"""The identity of an image, the same everywhere: in certificate, boot report, receipt, blob and tags.

The file, its footer included, is split into blocks of 64 KiB (the last one may be shorter). For each block that is not
all zeros there is a line `offset length sha256`: decimal, decimal, lower-case hex, single spaces, ended by a newline;
offsets ascend. The digest is `sha256:` and the SHA-256, in hex, of all these lines. A file of zeros has no lines.

It is not the SHA-256 of the file: holes cost nothing, and a hole and stored zeros are the same.
"""

from __future__ import annotations

import collections
import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.vhd import Extent, extents
from flight.workflows.vhd.sparse import opened, read_exactly

BLOCK = 64 << 10
PIECE = 64 * BLOCK
"""What one worker reads at a time: 4 MiB."""
WORKERS = 4
"""hashlib lets other threads run; more than four only wait for memory."""
PREFIX = "sha256:"
_ZEROS = bytes(BLOCK)


def digest(path: Path, *, told: Told = quiet) -> str:
    """The file's digest as `sha256:` and 64 hex digits. At most 36 MiB of it are in memory at once.

    Raises FlightError where the file changes its size meanwhile, or cannot be read.
    """
    with opened(path) as fd:
        try:
            return PREFIX + _digest_of(fd, told)
        except EOFError:
            raise _changed(path) from None


def _digest_of(fd: int, told: Told) -> str:
    """Its hex digits. Raises EOFError where the file changes its size meanwhile."""
    whole, size = hashlib.sha256(), os.fstat(fd).st_size
    pieces = list(plan_pieces(extents(fd), size))
    total, done = sum(piece.size for piece in pieces), 0
    for piece, lines in zip(pieces, _hashed(fd, pieces), strict=True):
        whole.update(lines)
        done += piece.size
        told(Progress(done, total, "taking the digest"))
    if os.fstat(fd).st_size != size:
        raise EOFError
    return whole.hexdigest()


def plan_pieces(data: Iterable[Extent], size: int) -> Iterator[Extent]:
    """Cover the extents with whole blocks, each block once, in runs of at most PIECE bytes."""
    covered = 0
    for extent in data:
        start = max(covered, extent.start // BLOCK * BLOCK)
        covered = max(covered, min(-(-extent.stop // BLOCK) * BLOCK, size))
        for at in range(start, covered, PIECE):
            yield Extent(at, min(at + PIECE, covered))


def block_lines(content: bytes, offset: int) -> bytes:
    """The lines of the blocks in `content`, which begins at `offset`, a whole number of blocks."""
    lines = []
    for at in range(0, len(content), BLOCK):
        block = content[at : at + BLOCK]
        if block != _ZEROS[: len(block)]:
            lines.append(f"{offset + at} {len(block)} {hashlib.sha256(block).hexdigest()}\n")
    return "".join(lines).encode()


def _hashed(fd: int, pieces: Iterable[Extent]) -> Iterator[bytes]:
    """Each piece's lines, in order; at most twice as many pieces wait as there are workers."""
    waiting: collections.deque[Future[bytes]] = collections.deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="digest") as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(_read_and_hash, fd, piece))
                if len(waiting) >= 2 * WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _read_and_hash(fd: int, piece: Extent) -> bytes:
    content = read_exactly(fd, piece.start, piece.size)
    if len(content) != piece.size:
        raise EOFError
    return block_lines(content, piece.start)


def _changed(path: Path) -> FlightError:
    return FlightError(
        f"{path} changed while its digest was taken",
        why="its size is another one now",
        fix="let the program end that writes to it, then run it again",
    )
