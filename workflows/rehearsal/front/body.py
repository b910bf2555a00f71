"""The body of a request, taken whole before anything of it is passed on: what is small in memory, the rest in a file."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO

BUFFER_BYTES = 256 << 10
IN_MEMORY_BYTES = 4 << 20
"""What one Put Page brings: eight in flight take 32 MiB."""
MOST_LINE_BYTES = 4 << 10


class CutOff(ConnectionError):
    """The client went away in the middle of it."""


class BadFraming(ValueError):
    """What came is no body as HTTP knows it."""


class Full(Exception):
    """There is no room for the file that it would go to."""


@dataclass(frozen=True)
class Body:
    """`content` where it is small, else `file`, which has no name and is gone when closed."""

    size_bytes: int = 0
    content: bytes | bytearray = b""
    file: IO[bytes] | None = None

    def pieces(self) -> Iterator[bytes | bytearray]:
        """All of it, from the start, and again when asked again."""
        if self.content:
            yield self.content
        if self.file:
            self.file.seek(0)
            while piece := self.file.read(BUFFER_BYTES):
                yield piece

    def md5(self) -> bytes:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            digest.update(piece)
        return digest.digest()

    def close(self) -> None:
        if self.file:
            self.file.close()


def read_sized(source: BufferedIOBase, size: int, *, folder: Path) -> Body:
    """A body of `size` bytes. Raises CutOff where they do not come, Full where there is no room for them."""
    if size <= IN_MEMORY_BYTES:
        content = bytearray(size)
        if source.readinto(content) != size:
            raise CutOff
        return Body(size, content)
    file = _file(folder)
    try:
        _pour(source, size, into=file)
    except BaseException:
        file.close()
        raise
    return Body(size, file=file)


def read_chunked(source: BufferedIOBase, *, folder: Path) -> Body:
    """A body that comes in chunks, to the end of its trailers. Raises CutOff, BadFraming or Full."""
    file, whole = _file(folder), 0
    try:
        while size := _chunk_size(_line(source)):
            _pour(source, size, into=file)
            whole += size
            if _line(source):
                raise BadFraming("a chunk is longer than was told")
        while _line(source):  # trailers: nobody asks for them
            pass
    except BaseException:
        file.close()
        raise
    return Body(whole, file=file)


def _file(folder: Path) -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(folder))


def _pour(source: BufferedIOBase, size: int, *, into: IO[bytes]) -> None:
    while size:
        piece = source.read(min(size, BUFFER_BYTES))
        if not piece:
            raise CutOff
        try:
            into.write(piece)
        except OSError as error:
            raise Full(error.strerror) from error
        size -= len(piece)


def _line(source: BufferedIOBase) -> bytes:
    line = source.readline(MOST_LINE_BYTES)
    if not line:
        raise CutOff
    if not line.endswith(b"\n"):
        raise BadFraming("a line is too long")
    return line.strip()


def _chunk_size(line: bytes) -> int:
    word = line.partition(b";")[0].strip()
    if not word or not all(digit in b"0123456789abcdefABCDEF" for digit in word) or len(word) > 15:
        raise BadFraming("a chunk has no length")
    return int(word, 16)
