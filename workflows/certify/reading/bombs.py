"""Archives that unpack to a multiple of themselves: small to carry, and fatal to what scans or unpacks them. Pure.

Nothing is unpacked whole: a zip says its sizes, of gzip and xz the first few MiB tell the ratio. An archive within an archive
is not looked into.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Callable
from typing import Final

MIB: Final = 1 << 20
LEAST_BYTES: Final = 256 * MIB
"""What a bomb unpacks to, at least."""
LEAST_RATIO: Final = 100
"""Text shrinks to a tenth, a sparse log to a hundredth; deflate reaches 1032."""
LOCAL: Final = re.compile(rb"PK\x03\x04")
CENTRAL: Final = re.compile(rb"PK\x01\x02")
TOO_LARGE: Final = 0xFFFFFFFF
MOST_EXTRAS: Final = 8
TASTE: Final = 4 * MIB
"""As much of a stream is unpacked, to see how it goes on."""


def bomb_in(content: bytes) -> str:
    """What an archive bomb would unpack to ("zip, 42 KiB → 5461 MiB"); empty for all else."""
    for kind, start, steepest, size_of in KINDS:
        if content.startswith(start) and steepest * len(content) >= LEAST_BYTES:
            total = size_of(content)
            if total >= LEAST_BYTES and total >= LEAST_RATIO * len(content):
                return f"{kind}, {-(-len(content) // 1024)} KiB → {total // MIB} MiB"
    return ""


def _zip_bytes(content: bytes) -> int:
    """What the entries of a zip say they unpack to, by their own headers or by its directory, whichever says more.

    Source: .ZIP File Format Specification 6.3, 4.3.7, 4.3.12 and 4.5.3.
    """
    return max(
        sum(_size(content, found.start(), 22, 30) for found in LOCAL.finditer(content)),
        sum(_size(content, found.start(), 24, 46) for found in CENTRAL.finditer(content)),
    )


def _size(content: bytes, start: int, at: int, header: int) -> int:
    """An entry's unpacked size; where it is too large for the four bytes at `at`, that in its extra field (ZIP64).

    The lengths of name and extra field follow at once; both stand behind the header of `header` bytes.
    """
    size = _number(content, start + at, 4)
    if size != TOO_LARGE:
        return size
    place = start + header + _number(content, start + at + 4, 2)
    for _ in range(MOST_EXTRAS):
        if _number(content, place, 2) == 1:
            return _number(content, place + 4, 8)
        place += 4 + _number(content, place + 2, 2)
    return size


def _number(content: bytes, at: int, length: int) -> int:
    return int.from_bytes(content[at : at + length], "little")


def _streamed(unpack: Callable[[bytes], tuple[int, int]]) -> Callable[[bytes], int]:
    """How much a stream unpacks to, if it goes on as it begins."""

    def size_of(content: bytes) -> int:
        taken, given = unpack(content)
        return given * len(content) // max(1, taken)

    return size_of


def _gzip(content: bytes) -> tuple[int, int]:
    stream = zlib.decompressobj(wbits=31)
    try:
        given = len(stream.decompress(content, TASTE))
    except zlib.error:
        return 1, 0
    return len(content) - len(stream.unconsumed_tail) - len(stream.unused_data), given


def _xz(content: bytes) -> tuple[int, int]:
    """Fed in small pieces: this decompressor does not say how much it took."""
    stream = lzma.LZMADecompressor(memlimit=64 * MIB)
    taken = given = 0
    while given < TASTE and taken < len(content) and not stream.eof:
        piece = content[taken : taken + 16]
        try:
            given += len(stream.decompress(piece, TASTE - given))
        except lzma.LZMAError:
            return 1, 0
        taken += len(piece)
    return taken, given


KINDS: Final = (
    ("zip", b"PK\x03\x04", LEAST_BYTES, _zip_bytes),
    ("gzip", b"\x1f\x8b", 1100, _streamed(_gzip)),
    ("xz", b"\xfd7zXZ\0", 8000, _streamed(_xz)),
)
"""A form, how it begins, how many bytes one byte of it can become at most (so that small files cost nothing)."""
