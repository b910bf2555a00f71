"""What a disk becomes as a page blob: a fixed VHD stays as it is, a raw disk gains whole MiB and a footer on the way.

All of it is from values to values. Anything else is refused, a disk that was cut short above all: the blob would look
whole, and boot nowhere.
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from flight.workflows import gpt
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import human_bytes
from flight.workflows.vhd import EPOCH, FOOTER_BYTES, LARGEST_BYTES, footer, round_up_mib
from flight.workflows.vhd.acceptance import Ends, compression, foreign_format, refusals
from flight.workflows.vhd.layout import COOKIE, SECTOR

MBR_ENTRY = struct.Struct("<B3xB3xII")
"""Status, type, first sector, sectors. Source: UEFI Specification 2.10, 5.2.1 "Legacy Master Boot Record"."""
MBR_STATUSES = {0x00, 0x80}
LATEST_S = (1 << 32) - 1
"""Seconds after the epoch; a footer holds no more."""


@dataclass(frozen=True)
class Shape:
    """What a blob holds: `size_bytes` in all, zeros after the disk's own end, and the patches over both."""

    size_bytes: int
    patches: tuple[gpt.Patch, ...] = ()

    def applied(self, content: bytes, start: int, stop: int) -> bytes:
        """What the blob holds from `start` to `stop`, where the disk has `content` there and then perhaps ends."""
        whole = content.ljust(stop - start, b"\0")
        is_near = any(patch.offset < stop and start < patch.stop for patch in self.patches)
        return gpt.patched(whole, start, self.patches) if is_near else whole


def is_raw(ends: Ends) -> bool:
    """A raw disk, or a fixed VHD that Azure takes? Raises FlightError for all else: the first thing wrong with it.

    What calls itself a VHD and has no footer lost its end.
    """
    is_foreign = foreign_format(ends.head) or compression(ends.head)
    is_neither = not ends.size or is_foreign or ends.head.startswith(COOKIE) or COOKIE in ends.tail
    if not is_neither and not ends.name.lower().endswith(".vhd"):
        return True
    for refusal in refusals(ends):
        raise refusal
    return False


def plan_raw(read: gpt.Read, size_bytes: int, *, name: str, changed_ns: int = 0) -> Shape:
    """What a raw disk of `size_bytes` becomes: the backup of its GPT at the new end, and a footer.

    The same disk, last changed at the same time, becomes the same: the footer's time and identifier are of `changed_ns`
    (nanoseconds since 1970) and the size. Raises FlightError where it is no whole disk, or too large.
    """
    _require_whole(read, size_bytes, name=name)
    virtual = round_up_mib(size_bytes)
    table = gpt.read_table(read)
    moved = gpt.plan_move(read, table, virtual) if table else ()
    seconds = changed_ns // 10**9 - int(EPOCH.timestamp())
    made = EPOCH + dt.timedelta(seconds=min(max(seconds, 0), LATEST_S))
    uid = uuid5(NAMESPACE_OID, f"raw disk of {size_bytes} bytes, changed at {changed_ns}")
    end = footer(virtual, made=made, uid=uid)
    return Shape(virtual + FOOTER_BYTES, (*moved, gpt.Patch(virtual, end)))


def _require_whole(read: gpt.Read, size_bytes: int, *, name: str) -> None:
    """A disk has whole sectors, and all that its MBR tells of; a GPT is judged by who moves it."""
    if size_bytes % SECTOR:
        raise _refused(
            name, f"its {size_bytes} bytes are no whole sectors of {SECTOR}: it is no disk, or was cut short"
        )
    if size_bytes > LARGEST_BYTES:
        why = f"it has {size_bytes} bytes, and Azure takes {human_bytes(LARGEST_BYTES)} at most"
        raise _refused(name, why, "shrink its filesystems and partitions, then the disk")
    end = mbr_end(read(0, SECTOR))
    if end > size_bytes:
        raise _refused(name, f"it was cut short: a partition ends at byte {end}, and only {size_bytes} bytes are there")


def mbr_end(sector: bytes) -> int:
    """Where the last partition of an MBR ends, in bytes; 0 where there is none, or the table is a GPT's protection."""
    rows = _mbr_rows(sector)
    return max((stop * SECTOR for kind, stop in rows if kind != gpt.PROTECTIVE), default=0)


def has_table(head: bytes) -> bool:
    """Whether a disk that begins so says which partitions it has. A GPT has an MBR for its protection."""
    return bool(_mbr_rows(head[:SECTOR]))


def _mbr_rows(sector: bytes) -> list[tuple[int, int]]:
    """The partitions of an MBR: type, and the sector after its last; none where it is no MBR."""
    if sector[510:512] != b"\x55\xaa":
        return []
    rows = [MBR_ENTRY.unpack_from(sector, gpt.MBR_ENTRIES + 16 * number) for number in range(4)]
    if any(status not in MBR_STATUSES for status, *_ in rows):  # a filesystem's boot sector: code stands there
        return []
    return [(kind, first + count) for _, kind, first, count in rows if kind]


def _refused(name: str, why: str, fix: str = "make or fetch it again, and compare the sizes") -> FlightError:
    return FlightError(f"{name} is not a disk that can be uploaded", why=why, fix=fix)
