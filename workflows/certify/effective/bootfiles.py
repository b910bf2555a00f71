"""Paths as a boot loader writes them, `(hd0,gpt2)/vmlinuz` or `/vmlinuz` on its $root, in the tree of the system. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from flight.workflows.certify.facts import Filesystem, Snapshot
from flight.workflows.certify.tree import Tree

ANYWHERE: Final = ""
"""The device of a path of which nothing is known: what lies there is looked for where boot files usually are."""
MOST_PARTS: Final = 20
USUAL: Final = ("", "/boot", "/boot/efi", "/efi")
DISK: Final = re.compile(r"hd0,(?:gpt|msdos)?([0-9]{1,3})")
BY_CONTENT: Final = re.compile(r"(lvmid|mduuid|cryptouuid)/")
"""GRUB's names of volumes by identifiers that a snapshot does not hold."""


@dataclass(frozen=True)
class BootFiles:
    """A device is a Filesystem's `device`, a partition in GRUB's words, or ANYWHERE."""

    tree: Tree
    filesystems: tuple[Filesystem, ...] = ()

    @cached_property
    def is_known(self) -> bool:
        """Whether filesystems can be told from each other."""
        return any(each.mounted_at for each in self.filesystems)

    def filesystem(self, device: str) -> Filesystem | None:
        found = DISK.fullmatch(device)
        for each in self.filesystems:
            if each.device == device or (found and each.partition == int(found[1])) or _lvm_name(each) == device:
                return each
        return None

    def search(self, kind: str, wanted: str) -> str | None:
        """The device that `search` finds by fs-uuid, label or file; None where there is none."""
        if not self.is_known:
            return ANYWHERE
        for each in self.filesystems:
            if kind == "file":
                is_it = bool(each.mounted_at) and self.locate(each.device, wanted) is not None
            else:
                is_it = wanted.lower() == (each.uuid if kind == "fs-uuid" else each.label).lower()
            if is_it and wanted:
                return each.device
        return None

    def locate(self, device: str, path: str) -> str | None:
        """A path on a device as one of the tree, its links followed; None where there is nothing."""
        return next((real for top, rest in self._places(device, path) if (real := self._real(top, rest))), None)

    def _places(self, device: str, path: str) -> Iterator[tuple[str, str]]:
        rest = "/" + path.strip("/")
        if not self.is_known or device == ANYWHERE or BY_CONTENT.match(device):
            yield from ((top, rest) for top in USUAL)
            return
        it = self.filesystem(device)
        if it is None or not it.mounted_at:
            return
        top = it.mounted_at.rstrip("/")
        yield top, rest
        if it.type == "btrfs":  # GRUB's paths begin at its top, which holds the subvolume that is mounted
            parts = rest.split("/")
            yield from ((top, "/" + "/".join(parts[cut:])) for cut in range(2, min(len(parts), 5)))

    def _real(self, top: str, rest: str) -> str | None:
        return self.tree.real(top + rest) or self._caseless(top, rest)

    def _caseless(self, top: str, rest: str) -> str | None:
        """On FAT a name's case does not count."""
        if self.is_known and not any(
            each.type == "vfat" and each.mounted_at.rstrip("/") == top for each in self.filesystems
        ):
            return None
        here = top
        for part in rest.strip("/").split("/")[:MOST_PARTS]:
            if here not in self._lower:
                self._lower[here] = {name.lower(): name for name in self.tree.names(here or "/")}
            name = self._lower[here].get(part.lower())
            if name is None:
                return None
            here = f"{here}/{name}"
        return self.tree.real(here)

    @cached_property
    def _lower(self) -> dict[str, dict[str, str]]:
        """Names in lower case, by folder."""
        return {}

    def efi_partitions(self) -> Iterator[tuple[str, str]]:
        """Device and place of each filesystem that may be the EFI system partition."""
        if self.is_known:
            yield from (
                (each.device, each.mounted_at) for each in self.filesystems if each.type == "vfat" and each.mounted_at
            )
        else:
            yield from ((ANYWHERE, top) for top in USUAL[1:] if self._real(top, "/EFI"))

    def device_of(self, path: str) -> str:
        """The device that a path of the tree lies on."""
        around = [each for each in self.filesystems if each.mounted_at and _is_below(path, each.mounted_at)]
        return max(around, key=lambda each: len(each.mounted_at)).device if around else ANYWHERE

    def on_device(self, path: str) -> str:
        """A path of the tree as one on its own device."""
        it = self.filesystem(self.device_of(path))
        return path.removeprefix(it.mounted_at.rstrip("/")) if it else path


def boot_files(snapshot: Snapshot) -> BootFiles:
    return BootFiles(snapshot.tree, snapshot.filesystems)


def _lvm_name(it: Filesystem) -> str:
    """`/dev/vg/lv` as GRUB has it: lvm/vg-lv, hyphens doubled."""
    group, _, volume = it.device.removeprefix("/dev/").partition("/")
    return f"lvm/{group.replace('-', '--')}-{volume.replace('-', '--')}" if volume else ""


def _is_below(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder}/")
