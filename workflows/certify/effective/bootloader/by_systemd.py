"""What systemd-boot boots: loader.conf, and the entries beside it. Pure.

Source: the Boot Loader Specification (order of entries), loader.conf(5). Unified kernel images hold their command line
inside themselves, where nobody looks: where one of them could be the default, that is said.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from functools import cmp_to_key
from typing import Final

from flight.workflows.certify.effective.bootentry import Choice, Entry, entry_of
from flight.workflows.certify.effective.bootfiles import BootFiles
from flight.workflows.certify.effective.bootloader import bls
from flight.workflows.kit.text import quoted

LOADERS: Final = ("/EFI/systemd/systemd-bootx64.efi", "/EFI/systemd/systemd-bootaa64.efi")


def is_systemd_boot(files: BootFiles) -> bool:
    return any(files.locate(device, path) for device, _ in files.efi_partitions() for path in LOADERS)


def unified_images(files: BootFiles) -> list[str]:
    """Paths of all of them."""
    folders = [folder for device in _devices(files) if (folder := files.locate(device, "/EFI/Linux"))]
    return [
        f"{folder}/{name}" for folder in folders for name in files.tree.names(folder) if name.lower().endswith(".efi")
    ]


def boot_by_systemd(files: BootFiles) -> Choice:
    """Raises NotTaken where a file's content is not known."""
    pattern, settings = _default(files)
    found = sorted(_entries(files), key=cmp_to_key(_compare))
    entries = [_entry(files, device, entry) for device, entry in found]
    read = (*settings, *(entry.path for _, entry in found))
    unified = unified_images(files)
    named = [it for it in entries if pattern and fnmatch.fnmatchcase(f"{it.id}.conf".lower(), pattern.lower())]
    if unified and not named:
        return Choice(
            None, tuple(entries), read, f"{quoted(unified[0])} is a unified kernel image: its command line is not read"
        )
    if not entries:
        return Choice(read=read, problem="systemd-boot finds no entry in /loader/entries")
    it = (named or entries)[0]
    return Choice(it, tuple(entries), read, it.problem)


def _devices(files: BootFiles) -> list[str]:
    """Where it looks: its own partition, and the one at /boot."""
    return list(dict.fromkeys([*(device for device, _ in files.efi_partitions()), files.device_of("/boot/loader")]))


def _default(files: BootFiles) -> tuple[str, tuple[str, ...]]:
    """The pattern of `default`, and the file it stands in."""
    for device, _ in files.efi_partitions():
        path = files.locate(device, "/loader/loader.conf")
        rows = (line.split(None, 1) for line in (files.tree.lines(path) if path else ()))
        if path:
            words = [row[1].strip() for row in rows if len(row) == 2 and row[0] == "default"]
            return (words[-1] if words and not words[-1].startswith("@") else ""), (path,)
    return "", ()


def _entries(files: BootFiles) -> Iterator[tuple[str, bls.BlsEntry]]:
    for device in _devices(files):
        folder = files.locate(device, "/loader/entries")
        names = [name for name in files.tree.names(folder) if name.endswith(".conf")] if folder else []
        for name in names[: bls.MOST_ENTRIES]:
            entry = bls.read_entry(name, f"{folder}/{name}", files.tree.text(f"{folder}/{name}") or "")
            if entry.first("linux"):
                yield device, entry


def _compare(one: tuple[str, bls.BlsEntry], other: tuple[str, bls.BlsEntry]) -> int:
    """Below 0 where the first stands further up: by sort-key, then newest first; those without a key at the end."""
    a, b = one[1], other[1]
    keys = (not a.first("sort-key"), a.first("sort-key")), (not b.first("sort-key"), b.first("sort-key"))
    if keys[0] != keys[1]:
        return -1 if keys[0] < keys[1] else 1
    if a.first("sort-key") and (result := bls.compare(b.first("version"), a.first("version"))):
        return result
    return bls.compare(b.name, a.name)


def _entry(files: BootFiles, device: str, entry: bls.BlsEntry) -> Entry:
    return entry_of(
        files, title=entry.first("title"), name=entry.name, source=f"{entry.path}:{entry.line}",
        kernel=(device, entry.first("linux")), initrds=tuple((device, path) for path in entry.all("initrd")),
        command_line=" ".join(entry.all("options")), version=entry.first("version"),
    )  # fmt: skip
