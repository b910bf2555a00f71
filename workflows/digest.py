"""The identity of an image, the same everywhere: in certificate, boot report, receipt, blob and tags.

The file, its footer included, is split into grains of 4 KiB (the last one may be shorter). A grain has its SHA-256, 32
bytes, or 32 zero bytes where it is all zeros. For each block, 16 grains or 64 KiB, that is not all zeros there is a line
`offset length sha256`: where the block is, how long it is, and the SHA-256 of its grains' bytes put together; decimal,
decimal, lower-case hex, single spaces, ended by a newline; offsets ascend. The digest is `sha256:` and the SHA-256, in
hex, of all these lines. A file of zeros has no lines.

It is not the SHA-256 of the file: holes cost nothing, a hole and stored zeros are the same, and an upload that wants to
know what each 4 KiB holds reads and hashes once for both.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.vhd import Extent, extents
from flight.workflows.vhd.sparse import opened, read_exactly

GRAIN = 4 << 10
BLOCK = 64 << 10
HASH = 32
PIECE = 64 * BLOCK
"""What one worker reads at a time: 4 MiB."""
WORKERS = 4
"""Reading is what they do side by side; more than four only wait for memory."""
PREFIX = "sha256:"
_ZEROS = bytes(GRAIN)
_NO_HASH = bytes(HASH)
_NO_HASHES = bytes(BLOCK // GRAIN * HASH)
_SIP = 2047
"""From one byte more on, hashlib lets other threads run meanwhile: where it is done so often, that takes twice the time."""


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
    whole, size = sha256(), os.fstat(fd).st_size
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


def grain_hashes(content: bytes) -> bytes:
    """HASH bytes for each grain of `content`, in order; zero bytes for a grain of zeros. It begins where a grain does."""
    hashes, view, last = [], memoryview(content), len(content) // GRAIN * GRAIN
    for at in range(0, len(content), GRAIN):
        if content.startswith(_ZEROS if at < last else _ZEROS[: len(content) - last], at):
            hashes.append(_NO_HASH)
        else:
            hashing = sha256(view[at : at + _SIP])
            hashing.update(view[at + _SIP : at + 2 * _SIP])
            hashing.update(view[at + 2 * _SIP : at + GRAIN])
            hashes.append(hashing.digest())
    return b"".join(hashes)


def block_lines(hashes: bytes, offset: int, size: int) -> bytes:
    """The lines of `size` bytes at `offset`, a whole number of blocks, whose grains have these hashes."""
    lines, each = [], len(_NO_HASHES)
    for number, at in enumerate(range(0, size, BLOCK)):
        of_block = hashes[number * each : (number + 1) * each]
        if not _NO_HASHES.startswith(of_block):
            lines.append(f"{offset + at} {min(BLOCK, size - at)} {sha256(of_block).hexdigest()}\n")
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
    return block_lines(grain_hashes(content), piece.start, piece.size)


def _changed(path: Path) -> FlightError:
    return FlightError(
        f"{path} changed while its digest was taken",
        why="its size is another one now",
        fix="let the program end that writes to it, then run it again",
    )
