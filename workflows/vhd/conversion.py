"""A raw disk becomes a fixed VHD: whole MiB, the GPT's backup at the new end, a footer; then all of it read back."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import functools
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from flight.workflows import gpt
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import FlightError, SpaceError
from flight.workflows.kit.progress import Told, human_bytes, quiet
from flight.workflows.vhd import sparse
from flight.workflows.vhd.acceptance import Ends, foreign_format, read_ends, require_uploadable
from flight.workflows.vhd.layout import EPOCH, FOOTER_BYTES, LARGEST_BYTES, footer, round_up_mib

FULL = {errno.ENOSPC, errno.EDQUOT}
SAMPLE_BYTES = 64 << 10
"""How much of each end of an extent is compared when the copy is read back."""


def convert(
    raw: Path, to: Path, *, made: dt.datetime = EPOCH, uid: uuid.UUID | None = None, told: Told = quiet
) -> dict[str, Any]:
    """Make the fixed VHD `to` of the raw disk `raw`, which is only read; what was found, sizes in bytes.

    The same disk gives the same bytes: `made` has no clock in it, and `uid` derives from the disk's GUID (or its size)
    where none is given. Nothing may be at `to`; on any error nothing is left there.
    Raises FlightError where `raw` is not a raw disk or its GPT is broken, SpaceError where the disk is full.
    """
    size = _require_raw(raw)
    virtual = round_up_mib(size)
    with _open(raw, os.O_RDONLY) as source:
        read = functools.partial(sparse.read_exactly, source)
        table = gpt.read_table(read)
        patches = gpt.plan_move(read, table, virtual) if table else ()
        uid = uid or derive_uid(table, virtual)
        end = footer(virtual, made=made, uid=uid)
        with _all_or_nothing(to), _open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL) as target:
            shared = _fill(source, target, virtual, (*patches, gpt.Patch(virtual, end)), told=told)
            _read_back(source, target, patches)
            require_uploadable(to)
            data = sum(extent.size for extent in sparse.extents(target))
    return {
        "virtual_bytes": virtual, "file_bytes": virtual + FOOTER_BYTES, "data_bytes": data,
        "added_bytes": virtual - size, "gpt": table is not None, "gpt_backup_moved": bool(patches),
        "shares_blocks": shared, "uid": str(uid),
    }  # fmt: skip


def derive_uid(table: gpt.Table | None, virtual_bytes: int) -> uuid.UUID:
    """The same for the same disk: from the GPT's disk GUID, and the size."""
    disk = table.header.disk_guid if table else uuid.NAMESPACE_OID
    return uuid.uuid5(disk, f"fixed VHD of {virtual_bytes} bytes")


def _require_raw(raw: Path) -> int:
    """The raw disk's size in bytes."""
    ends = read_ends(raw)
    why, fix = _unfit(ends)
    if why:
        raise FlightError(f"{raw} cannot become a VHD", why=why, fix=fix)
    return ends.size


def _unfit(ends: Ends) -> tuple[str, str]:
    """Why a file is no raw disk for Azure, and what would do; both empty where it is one."""
    if ends.size == 0:
        return "it is empty", "build it again"
    if foreign := foreign_format(ends.head):
        return (
            f"it is a {foreign[0]} disk, not a raw one",
            f"qemu-img convert -f {foreign[1]} -O raw {quote(ends.name)} DISK.raw",
        )
    if ends.footer:
        return "it ends with a VHD footer: it is one already", f"flight inspect {quote(ends.name)}"
    if ends.is_part_of_dynamic:
        return "it begins as a dynamic VHD that was cut short", "fetch it again, and compare the sizes"
    if ends.size > LARGEST_BYTES:
        limit = human_bytes(LARGEST_BYTES)
        return (
            f"it has {ends.size} bytes, and Azure takes {limit} at most",
            "shrink its partitions, then the disk",
        )
    return "", ""


def _fill(source: int, target: int, virtual: int, patches: Sequence[gpt.Patch], *, told: Told) -> bool:
    """The disk, its new size, and what differs from the source; whether the blocks are shared with the source."""
    shared = sparse.clone(source, target)
    if not shared:
        sparse.copy(source, target, told=told, what="copying the disk")
    os.ftruncate(target, virtual)
    for patch in patches:
        sparse.write_all(target, patch.content, patch.offset)
    return shared


def _read_back(source: int, target: int, patches: Sequence[gpt.Patch]) -> None:
    """Both ends of every extent of the source stand in the target, and a GPT's backup in the disk's last sector."""
    for extent in sparse.extents(source):
        for at in {extent.start, max(extent.start, extent.stop - SAMPLE_BYTES)}:
            length = min(SAMPLE_BYTES, extent.stop - at)
            wanted = gpt.patched(sparse.read_exactly(source, at, length), at, patches)
            if sparse.read_exactly(target, at, length) != wanted:
                raise _unlike(f"what was copied to byte {at} reads back otherwise")
    read = functools.partial(sparse.read_exactly, target)
    table = gpt.read_table(read)
    problem = gpt.backup_problem(read, table, os.fstat(target).st_size - FOOTER_BYTES) if table else ""
    if problem:
        raise _unlike(f"the backup of its partition table: {problem}")


def _unlike(why: str) -> FlightError:
    fix = "look for faults of the disk (dmesg), then run it again"
    return FlightError("the VHD is not what was written", why=why, fix=fix)


@contextlib.contextmanager
def _all_or_nothing(to: Path) -> Iterator[None]:
    """What was begun at `to` goes on any error; a full disk, or a source that was cut meanwhile, is said so."""
    if os.path.lexists(to):
        why, fix = "a VHD is never made over something else", "remove it, or give another name"
        raise FlightError(f"{to} is there already", why=why, fix=fix)
    try:
        yield
    except BaseException as error:
        remove(to)
        if explained := _explained(error, to):
            raise explained from None
        raise


def _explained(error: BaseException, to: Path) -> FlightError | None:
    """What a person can do something about, in their words; None for anything else."""
    if isinstance(error, OSError) and error.errno in FULL:
        why, fix = f"in {to.parent}: {error.strerror}", "free some space, then run it again"
        return SpaceError(f"could not make {to.name}: the disk is full", why=why, fix=fix)
    if isinstance(error, EOFError):
        fix = "let the other program end, then run it again"
        return FlightError(f"could not make {to.name}", why=str(error), fix=fix)
    return None


@contextlib.contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)
