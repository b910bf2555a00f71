"""What Azure finds in the last 512 bytes of a page blob: a reading of its own, apart from the one that wrote them.

Source: Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format"; Azure's conditions: "Prepare Linux
for imaging" (fixed, a whole number of MiB, at most 1023 GiB).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from flight.workflows.rehearsal import refusal
from flight.workflows.rehearsal.refusal import Refusal

FOOTER_BYTES = 512
MIB = 1 << 20
GIB = 1 << 30
MOST_GIB = 1023
COOKIE = b"conectix"
FIXED = 2
KINDS = {2: "Fixed", 3: "Dynamic", 4: "Differencing"}
_LAYOUT = struct.Struct(">8sIIQI4sI4sQQIII")
_CHECKSUM = slice(64, 68)


def judge(tail: bytes, *, length: int, uri: str) -> Refusal | None:
    """Azure's first objection to a page blob of `length` bytes whose last 512 are `tail`; None where it has none."""
    return next(_objections(tail, length, uri), None)


def size_gib(length: int) -> int:
    """The size that Azure shows of a disk: whole GiB, rounded up, the footer not counted."""
    return -(-(length - FOOTER_BYTES) // GIB)


def _objections(tail: bytes, length: int, uri: str) -> Iterator[Refusal]:
    name = uri.rsplit("/", 1)[-1]
    if len(tail) < FOOTER_BYTES or not tail.startswith(COOKIE):
        yield refusal.bad_vhd(
            f"The specified cookie value in VHD footer indicates that disk '{name}' with blob {uri} is not a supported "
            "VHD. Disk is expected to have cookie value 'conectix'."
        )
        return
    *_, current, _, kind, checksum = _LAYOUT.unpack_from(tail)
    if kind != FIXED:
        found = KINDS.get(kind, str(kind))
        yield refusal.bad_vhd(f"The VHD {uri} is of type '{found}'. Only a VHD of type 'Fixed' is supported.")
    if current % MIB:
        yield refusal.bad_vhd(
            f"The VHD {uri} has an unsupported virtual size of {current} bytes. "
            "The size must be a whole number (in MBs)."
        )
    if current + FOOTER_BYTES != length:
        yield refusal.bad_vhd(f"The VHD {uri} of {length} bytes has a footer for a virtual size of {current} bytes.")
    if checksum != _sum(tail):
        yield refusal.bad_vhd(f"The footer of the VHD {uri} is corrupt: its checksum is not that of its bytes.")
    if not MIB <= current <= MOST_GIB * GIB:
        yield refusal.size_out_of_range(-(-current // GIB), name, uri, most_gib=MOST_GIB)


def _sum(tail: bytes) -> int:
    """The ones' complement of the sum of the footer's bytes, its own field taken as zero."""
    return ~(sum(tail) - sum(tail[_CHECKSUM])) & 0xFFFFFFFF
