"""Disk files, sound and broken, made of a few runs of bytes: VHDs, raw disks, partition tables."""

from __future__ import annotations

import struct
import uuid
from dataclasses import replace
from pathlib import Path

from flight.workflows import gpt, vhd

MIB = 1 << 20
UID = uuid.UUID("5f7a1c9e-0000-4000-8000-000000000001")


def make_raw(path: Path, size: int, *runs: tuple[int, bytes]) -> Path:
    """A sparse file of `size` bytes with `content` at each offset."""
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, content in runs:
            file.seek(offset)
            file.write(content)
    return path


def make_vhd(path: Path, size: int = MIB, *runs: tuple[int, bytes]) -> Path:
    return make_raw(path, size + 512, *runs, (size, vhd.footer(size, made=vhd.EPOCH, uid=UID)))


def gpt_runs(sectors: int) -> list[tuple[int, bytes]]:
    """The table of a disk with one partition from 1 MiB to as far as it can, and data in it."""
    last = sectors - 1
    entry = gpt.ENTRY.pack(UID.bytes_le, UID.bytes_le, 2048, last - 33, 0, "root".encode("utf-16-le"))
    entries = entry.ljust(128 * 128, b"\0")
    first = gpt.Header(b"\0\0\1\0", 1, last, 34, last - 33, UID, 2, 128, 128, gpt.zlib.crc32(entries))
    other = replace(first, my_lba=last, alternate_lba=1, entries_lba=last - 32)
    mbr = mbr_sector((0, 0xEE, 1, last))
    parts = [(0, mbr), (512, gpt.pack_header(first)), (1024, entries)]
    return [*parts, (MIB, b"root" * 999), ((last - 32) * 512, entries + gpt.pack_header(other))]


def mbr_sector(*rows: tuple[int, int, int, int]) -> bytes:
    """Status, type, first sector, count of up to four partitions."""
    table = b"".join(struct.pack("<B3xB3xII", *row) for row in rows)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


TABLE = mbr_sector((0x80, 0x83, 0, 1))
"""The first sector of a raw disk: one partition, as short as it can be."""


def changed_footer(*, kind: int = 2, size: int = MIB) -> bytes:
    raw = bytearray(vhd.footer(MIB, made=vhd.EPOCH, uid=UID))
    raw[48:56], raw[60:64] = size.to_bytes(8, "big"), kind.to_bytes(4, "big")
    raw[64:68] = vhd.layout.checksum(bytes(raw)).to_bytes(4, "big")
    return bytes(raw)


FOOTER = changed_footer()
CUT_GPT = [run for run in gpt_runs(4 * 2048) if run[0] < 3 * MIB]
