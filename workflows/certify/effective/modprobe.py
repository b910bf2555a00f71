"""What modprobe.d and the kernel's command line make of modules: forbidden ones, and options. Pure.

`install NAME /bin/false` runs instead of every loading, also where another module needs this one. `blacklist NAME` only
makes aliases of a module be ignored; but by aliases udev asks for drivers of devices, and the kernel for filesystems when
one is mounted (fs-udf), so it stops both; only `modprobe NAME` by a person still works. Measured with kmod 30: under
`blacklist udf`, `modprobe fs-udf` does nothing, `modprobe udf` inserts it; of two `install` lines the first holds, and
none for a module with a softdep. The kernel's own module_blacklist= stops everything.

Source: modprobe.d(5), kernel-command-line(7), the kernel's Documentation/admin-guide/kernel-parameters.rst.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from flight.workflows.certify.effective.commandline import listed
from flight.workflows.certify.tree import NotTaken, Tree
from flight.workflows.kit.text import quoted

FOLDERS: Final = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
"""A file hides those of the same name in the folders behind."""
SUFFIXES: Final = (".conf", ".alias")
WITH_PATTERNS: Final = ("install", "alias")
MOST_STATEMENTS: Final = 100_000
MOST_PATTERNS: Final = 2000
"""Far above what any system has; modules.alias, which has more, is no part of this."""
LOADING: Final = re.compile(r"\b(modprobe|insmod|kmod)\b")
"""What stands in a command that loads the module after all: `modprobe --ignore-install NAME`."""


@dataclass(frozen=True)
class Line:
    """A statement: its name or pattern with _ for -, what follows, where it stands (file:line), and as which of all."""

    name: str
    rest: tuple[str, ...]
    where: str
    number: int


@dataclass(frozen=True)
class Modprobe:
    """The statements by keyword and name, in the order in which they are read; and those whose name is a pattern."""

    lines: Mapping[tuple[str, str], tuple[Line, ...]] = field(default_factory=dict)
    patterns: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)

    def of(self, keyword: str, name: str) -> list[Line]:
        """Those about a module. Only `install` and `alias` know patterns."""
        fitting = (row for row in self.patterns.get(keyword, ()) if fnmatch.fnmatchcase(name, row.name))
        return sorted((*self.lines.get((keyword, name), ()), *fitting), key=lambda row: row.number)

    def forbids(self, name: str, command_line: str = "") -> str:
        """Why a module is not loaded when the kernel or udev asks for it; empty where it is."""
        name = plain(name)
        if found := self.stops(name, command_line):
            return found
        if name in set(map(plain, listed(command_line, "modprobe.blacklist"))):
            return f"modprobe.blacklist={name} on the command line"
        if rows := self.of("blacklist", name):
            return f"blacklist {name} ({rows[0].where})"
        return self._hides(name)

    def _hides(self, name: str) -> str:
        """What becomes of the kernel's request for a filesystem of this name: an alias of modprobe.d comes first."""
        asked = [row for row in self.of("alias", f"fs_{name}") if row.rest]
        if asked:
            found = f"alias fs-{name} {quoted(asked[0].rest[0])} ({asked[0].where})"
            return "" if any(plain(row.rest[0]) == name for row in asked) else found
        return next((_said(row) for row in self.of("install", f"fs_{name}")[:1] if _loads_nothing(row)), "")

    def stops(self, name: str, command_line: str = "") -> str:
        """Why it is not loaded whoever asks, another module that needs it included."""
        name = plain(name)
        if name in set(map(plain, listed(command_line, "module_blacklist"))):
            return f"module_blacklist={name} on the command line"
        if any(word for row in self.of("softdep", name) for word in row.rest if not word.endswith(":")):
            return ""
        return next((_said(row) for row in self.of("install", name)[:1] if _loads_nothing(row)), "")

    def option(self, module: str, name: str) -> tuple[str, str] | None:
        """An option's value, and where it stands."""
        words = [(word.partition("="), row.where) for row in self.of("options", plain(module)) for word in row.rest]
        found = [(value, where) for (key, _, value), where in words if plain(key) == plain(name)]
        return found[-1] if found else None


def modprobe_of(tree: Tree) -> Modprobe:
    """Raises NotTaken where a file's content is not known, or too much for anyone."""
    lines: dict[tuple[str, str], list[Line]] = {}
    patterns: dict[str, list[Line]] = {}
    for number, (words, where) in enumerate(_statements(tree)):
        row = Line(plain(words[1]), tuple(words[2:]), where, number)
        is_pattern = words[0] in WITH_PATTERNS and any(sign in row.name for sign in "*?[")
        rows = patterns.setdefault(words[0], []) if is_pattern else lines.setdefault((words[0], row.name), [])
        rows.append(row)
        if number >= MOST_STATEMENTS or (is_pattern and len(rows) > MOST_PATTERNS):
            raise NotTaken(where.rpartition(":")[0])
    return Modprobe(
        {key: tuple(rows) for key, rows in lines.items()}, {key: tuple(rows) for key, rows in patterns.items()}
    )


def config_files(tree: Tree) -> list[str]:
    """The files that are read, in their order: by name over all folders."""
    chosen: dict[str, str] = {}
    for folder in FOLDERS:
        for name in tree.names(folder):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                chosen.setdefault(name, f"{folder}/{name}")
    return [path for _, path in sorted(chosen.items()) if tree.is_file(path)]


def _statements(tree: Tree) -> Iterator[tuple[list[str], str]]:
    """The words of every line, those that a backslash continues put together."""
    for path in config_files(tree):
        begun = ""
        for number, line in enumerate(tree.lines(path), 1):
            if line.endswith("\\"):
                begun += line[:-1]
                continue
            words, begun = (begun + line).split(), ""
            if len(words) > 1 and not words[0].startswith("#"):
                yield words, f"{path}:{number}"


def plain(name: str) -> str:
    """A module's name as the kernel has it."""
    return name.replace("-", "_")


def _loads_nothing(row: Line) -> bool:
    return not LOADING.search(" ".join(row.rest))


def _said(row: Line) -> str:
    return f"install {quoted(row.name)} {quoted(' '.join(row.rest))} ({row.where})"
