"""What came out of a disk, made into facts: small contents are kept, large ones parsed and dropped, one at a time."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from flight.workflows.certify.compose import CannotLook, System
from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.reading import packages as package_lists
from flight.workflows.certify.reading.initramfs import Initramfs, read_initramfs
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.reading.secrets import marks_in
from flight.workflows.certify.reading.signatures import signers
from flight.workflows.certify.tree import Tree
from flight.workflows.kit.errors import FlightError

RPM_FOLDERS: Final = ("/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm")
INITRAMFS: Final = re.compile(r"/boot/(.*/)?(initrd|initramfs)[^/]*")
SPARED: Final = re.compile(r".*(rescue|kdump)[^/]*")
"""Initramfs images that no machine starts with by itself."""
SIGNED: Final = re.compile(r"(?i)/boot/vmlinu.*|/.*\.efi|/boot/[0-9a-f]{32}/.*/linux")


@dataclass
class Taken:
    """Gathers contents, and says at the end what they mean. `scratch` is for what a program must read as files."""

    system: System
    scratch: Path
    log_to: Path
    keeps: Callable[[str], bool]
    kept: dict[str, bytes] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)
    initramfs: dict[str, Initramfs] = field(default_factory=dict)
    signers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    status: list[str] = field(default_factory=list)
    lists: dict[str, str] = field(default_factory=dict)
    diversions: str = ""

    def take(self, path: str, content: bytes) -> None:
        """One file's content, by its path in the tree."""
        if self.keeps(path):
            self.kept[path] = content
        if path.startswith("/var/lib/dpkg/"):
            self._take_dpkg(path, content.decode(errors="replace"))
        elif path.rpartition("/")[0] in RPM_FOLDERS:
            folder = self.scratch / "rpmdb" / path.rpartition("/")[0].strip("/").replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / path.rpartition("/")[2].replace("\0", "")).write_bytes(content)
        elif INITRAMFS.fullmatch(path) and not SPARED.fullmatch(path):
            self._parse(path, lambda: self.initramfs.update({path: read_initramfs(content)}))
        elif SIGNED.fullmatch(path):
            self._parse(path, lambda: self.signers.update({path: signers(content)}))

    def _parse(self, path: str, parse: Callable[[], None]) -> None:
        try:
            parse()
        except ValueError as error:
            self.unreadable[path] = str(error)

    def _take_dpkg(self, path: str, text: str) -> None:
        name = path.rpartition("/")[2]
        if path.startswith("/var/lib/dpkg/info/"):
            self.lists[name.removesuffix(".list")] = text
        elif name == "diversions":
            self.diversions = text
        else:
            self.status.append(text)

    def snapshot(self, outside: Snapshot) -> Snapshot:
        """The snapshot, marks aside; every entry knows its owner."""
        kind, found, owners = self._packages()
        entries = {
            path: entry._replace(owner=package_lists.owner_of(path, owners) or "") if owners else entry
            for path, entry in self.system.tree.entries.items()
        }
        return replace(
            outside, filesystems=self.system.filesystems, tree=Tree(entries, self.kept), package_format=kind,
            packages=found, initramfs=self.initramfs, signers=self.signers, heads=self.heads,
            unreadable=self.unreadable, notes=self.system.notes,
        )  # fmt: skip

    def _packages(self) -> tuple[str, tuple[Package, ...], Mapping[str, str]]:
        if self.status:
            found = package_lists.read_dpkg("\n\n".join(self.status))
            return "dpkg", found, package_lists.read_dpkg_lists(self.lists, self.diversions)
        for folder in RPM_FOLDERS:
            database = self.scratch / "rpmdb" / folder.strip("/").replace("/", "-")
            if database.is_dir():
                try:
                    return "rpm", *package_lists.query_rpm(database, log_to=self.log_to)
                except (FlightError, ValueError) as error:
                    self.unreadable[folder] = getattr(error, "what", str(error))
        return "", (), {}


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of the regular files in a tar archive, one after the other."""
    try:
        with tarfile.open(archive, errors="surrogateescape") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield member.name, content.read()
    except (tarfile.TarError, EOFError) as error:
        raise CannotLook(f"what was read out of it came back cut short ({error})") from None


def marks_of(found: Iterator[tuple[str, bytes]]) -> dict[str, tuple[str, ...]]:
    """The marks of secrets in contents, by path; files without any are left out."""
    return {path: marks for path, content in found if (marks := marks_in(path, content))}
