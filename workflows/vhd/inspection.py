"""What a VHD says of itself, for `flight inspect`: footer, data, partitions, and what Azure would refuse."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flight.workflows import gpt
from flight.workflows.kit.errors import FlightError, harmless
from flight.workflows.kit.progress import human_bytes
from flight.workflows.vhd import sparse
from flight.workflows.vhd.acceptance import read_ends, refusals
from flight.workflows.vhd.layout import EPOCH, FOOTER_BYTES, Footer

KNOWN_TYPES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux filesystem",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (arm64)",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
}
"""Source: UEFI Specification, and the Discoverable Partitions Specification."""

KNOWN_CREATORS = {
    "qem2": "flight, or qemu-img with force_size (qem2)",
    "qemu": "qemu-img (qemu)",
    "vpc": "Virtual PC (vpc)",
    "win": "Hyper-V (win)",
    "vs": "Virtual Server (vs)",
    "wa": "Azure (wa)",
}
"""Who writes which word as a footer's creator. Source: QEMU's block/vpc.c."""


@dataclass(frozen=True)
class Inspection:
    """Sizes in bytes. `problems` are what Azure would refuse, `partitions` are empty where there is no GPT."""

    path: Path
    file_bytes: int
    data_bytes: int
    extents: int
    footer: Footer | None
    problems: tuple[FlightError, ...]
    disk_guid: str = ""
    partitions: tuple[gpt.Partition, ...] = ()
    backup_problem: str = ""
    digest: str = ""

    def lines(self) -> Iterator[str]:
        """A table for a person."""
        yield harmless(f"{self.path}")
        for label, value in self._rows():
            yield harmless(f"  {label:<14}{value}")
        for part in self.partitions:
            yield harmless(f"  {f'partition {part.number}':<14}{_described(part)}")
        for problem in self.problems:
            yield ""
            yield from str(problem).splitlines()
        if not self.problems:
            yield "  Azure would take it: a fixed VHD, whole MiB, its footer sound."

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "path": str(self.path), "file_bytes": self.file_bytes, "data_bytes": self.data_bytes,
            "extents": self.extents, "uploadable": not self.problems,
            "problems": [{"what": it.what, "why": it.why, "fix": it.fix} for it in self.problems],
            "footer": None if self.footer is None else _footer_json(self.footer),
            "gpt": None if not self.disk_guid else {
                "disk_guid": self.disk_guid, "backup_problem": self.backup_problem,
                "partitions": [_partition_json(part) for part in self.partitions],
            },
            "digest": self.digest or None,
        }  # fmt: skip

    def _rows(self) -> Iterator[tuple[str, str]]:
        if it := self.footer:
            yield "virtual size", f"{human_bytes(it.current_bytes)} ({it.current_bytes} bytes)"
            yield "type", f"{it.type_name}, format {it.format >> 16}.{it.format & 0xFFFF}"
            yield "made", f"{it.made:%Y-%m-%d %H:%M:%S} UTC" if it.made != EPOCH else "the footer does not say when"
            if it.creator_name:
                yield "made by", KNOWN_CREATORS.get(it.creator_name, f"a program that calls itself '{it.creator_name}'")
            yield "identifier", str(it.uid)
            yield "geometry", str(it.geometry)
            yield "checksum", f"{it.checksum:08x}" + ("" if it.checksum == it.right_checksum else " (wrong)")
        yield "file", f"{human_bytes(self.file_bytes)} ({self.file_bytes} bytes)"
        yield "data", f"{human_bytes(self.data_bytes)} in {self.extents} extent{'s'[: self.extents != 1]}"
        if self.digest:
            yield "digest", self.digest
        if self.disk_guid:
            yield "GPT", self.disk_guid + (f"; its backup: {self.backup_problem}" if self.backup_problem else "")


def inspect(path: Path, *, digest: str = "") -> Inspection:
    """Look at a disk file without changing it; the caller may add its digest, which costs reading all its data.

    Raises FlightError only where the file cannot be read: what else is wrong stands in `problems`.
    """
    ends = read_ends(path)
    with sparse.opened(path) as fd:
        runs = [extent.size for extent in sparse.extents(fd)]
        seen = Inspection(path, ends.size, sum(runs), len(runs), ends.footer, tuple(refusals(ends)), digest=digest)
        return _with_partitions(seen, fd)


def _with_partitions(seen: Inspection, fd: int) -> Inspection:
    read = functools.partial(sparse.read_exactly, fd)
    try:
        table = gpt.read_table(read)
    except FlightError as error:
        return replace(seen, problems=(*seen.problems, error))
    if table is None:
        return seen
    problem = gpt.backup_problem(read, table, seen.file_bytes - (FOOTER_BYTES if seen.footer else 0))
    guid = str(table.header.disk_guid)
    return replace(seen, disk_guid=guid, partitions=table.partitions, backup_problem=problem)


def _described(part: gpt.Partition) -> str:
    kind = KNOWN_TYPES.get(str(part.type_guid), str(part.type_guid))
    size = human_bytes(part.size_bytes)
    return f"{size:>9} from sector {part.start_lba:<9} {kind}" + (f" '{part.name}'" if part.name else "")


def _footer_json(it: Footer) -> dict[str, Any]:
    return {
        "virtual_bytes": it.current_bytes, "original_bytes": it.original_bytes, "type": it.type_name,
        "creator": it.creator_name, "made": it.made.isoformat(), "uid": str(it.uid),
        "geometry": [it.geometry.cylinders, it.geometry.heads, it.geometry.sectors],
        "checksum": f"{it.checksum:08x}", "checksum_right": it.checksum == it.right_checksum,
    }  # fmt: skip


def _partition_json(part: gpt.Partition) -> dict[str, Any]:
    return {
        "number": part.number, "type": str(part.type_guid), "guid": str(part.guid), "name": part.name,
        "start_sector": part.start_lba, "last_sector": part.end_lba, "size_bytes": part.size_bytes,
        "attributes": part.attributes,
    }  # fmt: skip
