"""Compressed members of an initramfs, unpacked in steps that are small in memory whatever their content.

A member is recognised by its first bytes. `unpacked` yields what is in it, and its value in the end is the offset behind
the member: another one may follow.

Source: the kernel's lib/decompress.c and lib/decompress_unlz4.c; what it reads is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, Protocol

STEP_BYTES: Final = 512
"""Handed to a decompressor at a time: zstd, which takes no bound, makes 16 MiB of as much at worst."""
CHUNK_BYTES: Final = 1 << 20
"""What the others may make at a time: bzip2 can unpack a kilobyte to a gigabyte."""
MOST_MEMORY_BYTES: Final = 256 << 20
"""What a decompressor may take for its dictionary; `xz -9` wants 65 MiB."""
LARGEST_WINDOW_BYTES: Final = 128 << 20
"""The same for zstd; the kernel refuses more too (ZSTD_WINDOWSIZE_MAX)."""
LZ4_BLOCK_BYTES: Final = 8 << 20
"""What a block of the kernel's older lz4 form holds unpacked; LZ4_LARGEST is the most that it takes compressed."""
LZ4_LARGEST: Final = LZ4_BLOCK_BYTES + LZ4_BLOCK_BYTES // 255 + 16
MOST_LZ4_BLOCKS: Final = 10_000
"""All but the last one of a file are full: 128 of them make 1 GiB."""
LZ4_MAGIC: Final = 0x184C2102
LZO_MAGIC: Final = b"\x89LZO"

Unpacking = Generator[bytes, None, int]
"""Chunks of unpacked bytes; its return value is the offset behind the member."""


class Decompressor(Protocol):
    """What those of the standard library for bzip2 and xz are like, and lz4's."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Unbounded:
    """One that makes all it can of what it is given."""

    needs_input = True

    def __init__(self, one: Any) -> None:
        self._one = one

    @property
    def eof(self) -> bool:
        return bool(self._one.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._one.unused_data)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return bytes(self._one.decompress(data))


def _gzip() -> Decompressor:
    import zlib

    return Unbounded(zlib.decompressobj(wbits=31))


def _bzip2() -> Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> Decompressor:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY_BYTES)


def _lzma() -> Decompressor:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=MOST_MEMORY_BYTES)


def _zstd() -> Decompressor:
    import zstandard

    return Unbounded(zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW_BYTES).decompressobj())


def _lz4_frame() -> Decompressor:
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor()


FORMS: Final[tuple[tuple[bytes, str, Callable[[], Decompressor] | None], ...]] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"\xfd7zXZ\0", "xz", _xz),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (LZ4_MAGIC.to_bytes(4, "little"), "lz4", None),
    (b"\x04\x22\x4d\x18", "lz4-frame", _lz4_frame),
    (b"BZh", "bzip2", _bzip2),
    (b"\x5d\0\0", "lzma", _lzma),
)
"""First bytes, name, and what unpacks it. The kernel itself reads all but lz4-frame, the form of `lz4` without -l."""


def form_at(data: bytes, at: int) -> str:
    """The name of the compression that begins there. Raises ValueError where none does, or one that cannot be read."""
    if data.startswith(LZO_MAGIC, at):
        raise ValueError("is compressed by lzo, which flight cannot read")
    for magic, name, _ in FORMS:
        if data.startswith(magic, at):
            return name
    raise ValueError(f"begins with {data[at : at + 6].hex(' ')}, which is neither cpio nor a known compression")


def unpacked(data: bytes, at: int, form: str) -> Unpacking:
    """What is in the member of this form. Raises ValueError where it is damaged; EOFError where it is cut short."""
    make = next(make for _, name, make in FORMS if name == form)
    try:
        return (yield from (_stepwise(make(), data, at) if make else _lz4_blocks(data, at)))
    except _damages() as error:
        raise ValueError(f"cannot be unpacked by {form}: {str(error).strip() or type(error).__name__}") from None


def _stepwise(decompressor: Decompressor, data: bytes, at: int) -> Unpacking:
    while not decompressor.eof:
        step = data[at : at + STEP_BYTES] if decompressor.needs_input else b""
        if decompressor.needs_input and not step:
            raise EOFError
        at += len(step)
        if chunk := decompressor.decompress(step, CHUNK_BYTES):
            yield chunk
    return at - len(decompressor.unused_data or b"")


def _lz4_blocks(data: bytes, at: int) -> Unpacking:
    """Blocks, each behind its length; another magic may stand between them, and zeros or no length of a block end them."""
    import lz4.block

    blocks = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        if length == LZ4_MAGIC:
            at += 4
            continue
        if not 0 < length <= LZ4_LARGEST:
            break
        block = data[at + 4 : at + 4 + length]
        if len(block) < length:
            raise EOFError
        blocks += 1
        if blocks > MOST_LZ4_BLOCKS:
            raise ValueError(f"more than {MOST_LZ4_BLOCKS} blocks")
        yield lz4.block.decompress(block, uncompressed_size=LZ4_BLOCK_BYTES)
        at += 4 + length
    return at


def _damages() -> tuple[type[Exception], ...]:
    """What the decompressors raise over bytes that are not theirs."""
    import lzma
    import zlib

    import lz4.block
    import zstandard

    zstd: Any = zstandard.ZstdError
    return (zlib.error, lzma.LZMAError, zstd, lz4.block.LZ4BlockError, OSError, RuntimeError, ValueError, MemoryError)
