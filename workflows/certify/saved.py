"""A snapshot in a folder: written whole, read again in a fraction of a second. It holds secrets where the disk does."""

from __future__ import annotations

import base64
import gzip
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from flight.workflows.certify.facts import Container, Filesystem, Partition, PartitionTable, Snapshot
from flight.workflows.certify.reading.index import Pending
from flight.workflows.certify.reading.initramfs import Initramfs
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.tree import Entry, Tree
from flight.workflows.kit.arriving import arriving
from flight.workflows.kit.errors import FlightError, said_by

FILE: Final = "snapshot.json.gz"
FORMAT: Final = 1
"""Raised when older snapshots cannot be read any more."""
MOST_BYTES: Final = 512 << 20
"""The largest snapshot, unpacked; that of a million files has some 150 MiB."""
PLAIN: Final = ("digest", "looked_at", "unseen", "package_format", "notes", "unreadable", "signers", "marks")


def save(snapshot: Snapshot, folder: Path) -> Path:
    """Write the snapshot into a folder, which is made; only its owner may read it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / FILE
    with arriving(path) as to:
        text = json.dumps(to_json(snapshot), separators=(",", ":"))
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            packed.write(text.encode())
    return path


def load(folder: Path) -> Snapshot:
    """The snapshot in a folder. Raises FlightError where there is none, or it is none."""
    path = folder / FILE
    try:
        with gzip.open(path) as packed:
            text = packed.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError
        return from_json(json.loads(text))
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        is_gone = isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile)
        raise FlightError(
            f"there is no snapshot in {folder}",
            why=said_by(error) if is_gone else f"{FILE} is damaged, or of another version",
            fix="make one: `flight certify disk.vhd --snapshot FOLDER`",
        ) from None


def to_json(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as JSON values."""
    return {
        "format": FORMAT,
        "container": _named(snapshot.container),
        "table": {**_named(snapshot.table), "partitions": [_named(each) for each in snapshot.table.partitions]},
        "filesystems": [_named(each) for each in snapshot.filesystems],
        "entries": [[path, *entry] for path, entry in snapshot.tree.entries.items()],
        "contents": {path: _text(content) for path, content in snapshot.tree.contents.items()},
        "packages": [asdict(each) for each in snapshot.packages],
        "initramfs": {path: asdict(each) for path, each in snapshot.initramfs.items()},
        "heads": {path: _text(content) for path, content in snapshot.heads.items()},
        "pending": asdict(snapshot.pending) if snapshot.pending else None,
        **{name: getattr(snapshot, name) for name in PLAIN},
    }


def from_json(found: Mapping[str, Any]) -> Snapshot:
    """The same way back. Raises KeyError, TypeError or ValueError where it is no snapshot."""
    if found["format"] != FORMAT:
        raise ValueError(found["format"])
    entries = {path: Entry._make(rest) for path, *rest in found["entries"]}
    table = {**found["table"], "partitions": tuple(Partition(**each) for each in found["table"]["partitions"])}
    return Snapshot(
        container=Container(**found["container"]),
        table=PartitionTable(**table),
        filesystems=tuple(Filesystem(**each) for each in found["filesystems"]),
        tree=Tree(entries, {path: _bytes(content) for path, content in found["contents"].items()}),
        packages=tuple(Package(**_tuples(each)) for each in found["packages"]),
        initramfs={path: Initramfs(**_tuples(each)) for path, each in found["initramfs"].items()},
        heads={path: _bytes(content) for path, content in found["heads"].items()},
        pending=Pending(**_tuples(pending)) if (pending := found.get("pending")) else None,
        unseen=found["unseen"],
        digest=found.get("digest", ""),
        looked_at=found.get("looked_at", ""),
        package_format=found["package_format"],
        notes=tuple(found["notes"]),
        unreadable=found["unreadable"],
        signers={path: tuple(names) for path, names in found["signers"].items()},
        marks={path: tuple(marks) for path, marks in found["marks"].items()},
    )


def _named(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _text(content: bytes) -> str | list[str]:
    """Text as text, anything else as a list with its base64."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return [base64.b64encode(content).decode()]


def _bytes(found: str | list[str]) -> bytes:
    return found.encode() if isinstance(found, str) else base64.b64decode(found[0])
