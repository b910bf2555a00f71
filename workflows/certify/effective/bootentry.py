"""A boot loader's entry, and the choice among them, as every boot loader's reader gives them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flight.workflows.certify.effective.bootfiles import BootFiles
from flight.workflows.kit.text import quoted

KERNEL: Final = re.compile(r"(?:vmlinu[xz]|kernel|linux|Image)-(.+)")
MEMORY_TEST: Final = re.compile(r"/memtest[^/]*$", re.IGNORECASE)
RESCUE: Final = re.compile(r"rescue|recovery", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One entry. Paths are of the tree; `source` is file:line. `problem`: why it cannot start a Linux."""

    title: str = ""
    id: str = ""
    kernel: str = ""
    version: str = ""
    initrds: tuple[str, ...] = ()
    command_line: str = ""
    source: str = ""
    problem: str = ""

    @property
    def is_rescue(self) -> bool:
        """Whether it is for repairs only."""
        words = {"single", "rescue", "emergency", "systemd.unit=rescue.target", "systemd.unit=emergency.target"}
        return bool(RESCUE.search(f"{self.id} {self.title}")) or bool(words & set(self.command_line.split()))

    @property
    def is_another_system(self) -> bool:
        """A memory test, the firmware's settings: it has no Linux to judge."""
        return not self.kernel


@dataclass(frozen=True)
class Choice:
    """What a boot loader would do. `booting` is None where that could not be known; then `problem` says why.

    `waits`: why it does not go on before a person comes; empty where it does.
    """

    booting: Entry | None = None
    entries: tuple[Entry, ...] = ()
    read: tuple[str, ...] = ()
    problem: str = ""
    waits: str = ""


def entry_of(
    files: BootFiles,
    *,
    title: str,
    name: str,
    source: str,
    kernel: tuple[str, str],
    initrds: tuple[tuple[str, str], ...],
    command_line: str,
    version: str = "",
) -> Entry:
    """An entry with its files found in the tree; `kernel` and `initrds` are each a device and a path on it."""
    if MEMORY_TEST.search(kernel[1]):
        return Entry(title, name, source=source, problem=f"the entry '{quoted(title)}' starts a memory test")
    real = files.locate(*kernel)
    found = [(path, files.locate(device, path)) for device, path in initrds]
    missing = [path for path, place in ((kernel[1], real), *found) if place is None or not files.tree.is_file(place)]
    problem = f"{quoted(source)} starts {quoted(missing[0])}, which is not there" if missing else ""
    named = KERNEL.fullmatch((real or kernel[1]).rpartition("/")[2])
    return Entry(
        title,
        name,
        real or "",
        named[1] if named else version or _only_modules(files),
        tuple(path for _, path in found if path),
        command_line,
        source,
        problem,
    )


def _only_modules(files: BootFiles) -> str:
    """The release of a kernel whose file does not tell: that of the modules, where there is but one folder of them."""
    names = files.tree.names("/lib/modules")
    return names[0] if len(names) == 1 else ""
