"""What /etc/fstab mounts, and which filesystem of the disk each of its lines means. Pure.

Sources: fstab(5), systemd.mount(5) on nofail and noauto, systemd-fstab-generator(8), udev's links below /dev/disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from flight.workflows.certify.compose import find_device
from flight.workflows.certify.facts import Filesystem
from flight.workflows.certify.tree import Tree

PATH: Final = "/etc/fstab"
MOST_LINES: Final = 1000
WORD: Final = re.compile(r"[^ \t]+")
OCTAL: Final = re.compile(r"\\([0-3][0-7]{2})")
HEX: Final = re.compile(r"\\x([0-9a-f]{2})")
BY_NAME: Final = re.compile(r"/dev/(?:(?:sd|vd|xvd|hd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?)")
"""Names that the kernel gives in the order in which it finds disks."""
ELSEWHERE: Final = re.compile(r"/dev/(?:vd|xvd|hd|mmcblk).*")
"""Of those, what no machine on Azure has."""
BY_PLACE: Final = re.compile(r"/dev/disk/by-(?:id|path|diskseq)/.*")
"""Links that tell the slot or the disk, which is another in every machine."""
RESOURCE: Final = re.compile(r"/dev/disk/(?:azure|cloud)/.*|ephemeral\d.*")
"""Azure's links to disks beside the OS disk. Source: azure-vm-utils, WALinuxAgent and cloud-init's udev rules."""
LINKS: Final = {
    "/dev/disk/by-uuid/": "UUID",
    "/dev/disk/by-label/": "LABEL",
    "/dev/disk/by-partuuid/": "PARTUUID",
    "/dev/disk/by-partlabel/": "PARTLABEL",
}


@dataclass(frozen=True)
class Line:
    """A line of fstab, its escapes undone. `at` is where it is mounted: none or swap for swap space."""

    number: int
    spec: str
    at: str
    kind: str
    options: tuple[str, ...] = ("defaults",)

    @property
    def source(self) -> str:
        return f"{PATH}:{self.number}"

    @property
    def is_swap(self) -> bool:
        return self.kind == "swap"

    @property
    def is_automatic(self) -> bool:
        return "noauto" not in self.options

    @property
    def is_required(self) -> bool:
        """Whether a machine that starts waits for it, and ends in emergency mode where it does not come."""
        lazy = {"nofail", "noauto", "x-systemd.automount"}
        return not self.is_swap and self.kind != "ignore" and not lazy & set(self.options)


@dataclass(frozen=True)
class Fstab:
    """`faulty` are the numbers of lines that are no entries; `problem`: why it cannot be read at all."""

    lines: tuple[Line, ...] = ()
    faulty: tuple[int, ...] = ()
    problem: str = ""


def fstab_of(tree: Tree) -> Fstab:
    """Raises NotTaken."""
    entry = tree.lentry(PATH)
    if entry is None:
        return Fstab()
    text = tree.text(PATH)
    if text is None:
        return Fstab(problem=f"{PATH} is no file" if entry.kind != "l" else f"{PATH} is a link that leads to no file")
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        return Fstab(problem=f"{PATH} has {len(lines)} lines")
    return parse(lines)


def parse(lines: Iterable[str]) -> Fstab:
    """Entries of three fields and more; a line with fewer counts as faulty."""
    found, faulty = list[Line](), list[int]()
    for number, line in enumerate(lines, 1):
        fields = [OCTAL.sub(lambda it: chr(int(it[1], 8)), word) for word in WORD.findall(line)]
        if not fields or fields[0].startswith("#"):
            continue
        if len(fields) < 3 or "\0" in line:
            faulty.append(number)
            continue
        at = fields[1] if fields[1] == "/" else fields[1].rstrip("/") or "/"
        options = tuple(fields[3].split(",")) if len(fields) > 3 else ("defaults",)
        found.append(Line(number, fields[0], at, fields[2], options))
    return Fstab(tuple(found), tuple(faulty))


def identifier(spec: str) -> tuple[str, str] | None:
    """UUID, LABEL, PARTUUID or PARTLABEL and its value, from either spelling; None for a spec of another kind."""
    for folder, name in LINKS.items():
        if spec.startswith(folder):
            return name, HEX.sub(lambda it: chr(int(it[1], 16)), spec.removeprefix(folder))
    name, sign, value = spec.partition("=")
    return (name, value.strip("\"'")) if sign and name in LINKS.values() else None


def is_of_the_disk(spec: str) -> bool:
    """Whether it is an identifier, or names a volume (/dev/mapper/NAME, /dev/GROUP/NAME): the disk must have it."""
    return identifier(spec) is not None or (spec.startswith("/dev/") and spec.count("/") == 3)


def filesystem_of(spec: str, filesystems: Iterable[Filesystem]) -> Filesystem | None:
    """The filesystem of the disk that a spec of fstab, or of root=, names; labels to the letter."""
    known = identifier(spec)
    found = find_device(f"{known[0]}={known[1]}" if known else spec, list(filesystems))
    labels = {"LABEL": found.label, "PARTLABEL": found.partlabel} if found else {}
    return None if known and known[1] != labels.get(known[0], known[1]) else found


def crypt_names(tree: Tree) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line of /etc/crypttab: name, device, key, options. Raises NotTaken."""
    for number, line in enumerate(tree.lines("/etc/crypttab"), 1):
        fields = line.split()
        if len(fields) >= 2 and not line.lstrip().startswith("#"):
            yield number, fields
