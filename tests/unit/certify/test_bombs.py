"""Archive bombs, made here and small; what merely shrinks well is none."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import struct
import zipfile

import pytest

from flight.workflows.certify.reading.bombs import bomb_in

MIB = 1 << 20


def zipped(sizes: list[int], *, force_zip64: bool = False) -> bytes:
    """A zip of zeros, of these sizes in MiB."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number, size in enumerate(sizes):
            with archive.open(f"{number}", "w", force_zip64=force_zip64) as entry:
                for _ in range(size):
                    entry.write(bytes(MIB))
    return to.getvalue()


def overlapping(count: int) -> bytes:
    """A zip whose directory names the same 32 MiB of zeros often."""
    content = zipped([32])
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entries = content[start:end] * count
    return content[:start] + entries + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(entries), start, 0)


def quick_gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1)


def quick_xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=0)


def text(mib: int) -> bytes:
    draw = random.Random(1)
    words = [bytes(draw.choices(b"abcdefghij", k=6)) for _ in range(200)]
    return b" ".join(draw.choices(words, k=mib * MIB // 7))


def test_a_zip_of_zeros_is_one_and_its_sizes_add_up() -> None:
    content = zipped([100, 160])
    assert bomb_in(content) == f"zip, {-(-len(content) // 1024)} KiB → 260 MiB"


def test_entries_that_overlap_count_each() -> None:
    assert bomb_in(overlapping(100)).endswith("→ 3200 MiB")


def test_a_size_of_more_than_four_bytes_is_read() -> None:
    content = bytearray(zipped([1]))
    start = content.index(b"PK\1\2")
    content[start + 24 : start + 28] = b"\xff" * 4
    content[start + 30 : start + 32] = struct.pack("<H", 12)
    content[start + 47 : start + 47] = struct.pack("<HHQ", 1, 8, 5 << 40)
    assert bomb_in(bytes(content)).endswith(f"→ {5 << 20} MiB")


def test_small_entries_that_are_told_in_long_numbers_are_none() -> None:
    assert bomb_in(zipped([1, 1, 1], force_zip64=True)) == ""


@pytest.mark.parametrize(("kind", "compress"), [("gzip", quick_gzip), ("xz", quick_xz)])
def test_a_stream_of_zeros_is_one(kind: str, compress: object) -> None:
    """Twenty in a row unpack as one (RFC 1952, 2.2; .xz File Format, 2), and take less time to make."""
    assert callable(compress)
    assert bomb_in(compress(bytes(20 * MIB)) * 20).startswith(f"{kind}, ")


@pytest.mark.parametrize("compress", [quick_gzip, quick_xz, lambda content: zipped([8])])
def test_what_shrinks_well_is_none(compress: object) -> None:
    assert callable(compress)
    assert bomb_in(compress(text(2))) == ""


@pytest.mark.parametrize("start", [b"PK\3\4", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"\xfd7zXZ\0", b""])
@pytest.mark.parametrize("rest", [b"", b"\xff" * MIB, b"\0" * MIB, b"PK\1\2" * (MIB // 4)])
def test_garbage_is_none(start: bytes, rest: bytes) -> None:
    assert bomb_in(start + rest) == "" or start == b"PK\3\4"


def test_a_stream_that_is_cut_or_broken_is_judged_by_what_there_is() -> None:
    content = quick_gzip(bytes(20 * MIB)) * 30
    assert bomb_in(content[: len(content) // 2]).startswith("gzip")
    assert bomb_in(content[:20] + b"\xff" * MIB) == ""
