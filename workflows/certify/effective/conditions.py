"""Conditions of systemd's units that a disk and the kernel's command line decide.

Source: systemd.unit(5), "Conditions and Asserts".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.unitfiles import Setting, expanded
from flight.workflows.certify.tree import Tree

ON_AZURE: Final = ("1", "yes", "true", "on", "vm", "microsoft")
"""The values of ConditionVirtualization= that hold on a machine of Azure."""
OF_THE_DISK: Final = ("/etc/", "/usr/", "/var/lib/", "/opt/", "/bin/", "/sbin/", "/lib/")
"""Paths whose existence the disk decides; /run, /dev, /sys and /proc are made when a machine starts."""


def hindrance(tree: Tree, name: str, settings: tuple[Setting, ...], command_line: str) -> str:
    """The condition that keeps a unit from starting, as it stands in the file; empty where none does.

    What cannot be told from here is taken to hold. Of those with a `|` one has to hold, of the others each.
    """
    alternatives: list[tuple[str, bool]] = []
    for key, value in _conditions(name, settings):
        holds = _holds(tree, key, value.lstrip("|").strip(), command_line)
        if value.startswith("|"):
            alternatives.append((f"{key}={value}", holds))
        elif not holds:
            return f"{key}={value}"
    return alternatives[0][0] if alternatives and not any(holds for _, holds in alternatives) else ""


def _conditions(name: str, settings: tuple[Setting, ...]) -> Iterator[tuple[str, str]]:
    """All of them in order; an empty one takes back those before it, of whatever kind."""
    found: list[Setting] = []
    for setting in settings:
        if setting.section == "Unit" and setting.name.startswith(("Condition", "Assert")):
            found = [*found, setting] if setting.value else []
    return ((one.name, expanded(one.value, name)) for one in found)


def _holds(tree: Tree, key: str, value: str, command_line: str) -> bool:
    is_wanted, value = not value.startswith("!"), value.removeprefix("!").strip()
    what = key.removeprefix("Condition").removeprefix("Assert")
    if what == "Virtualization":
        return (value in ON_AZURE) is is_wanted
    if what == "KernelCommandLine":
        return any(value in (word, word.partition("=")[0]) for word in command_line.split()) is is_wanted
    if what.startswith("Path") or what in ("FileNotEmpty", "FileIsExecutable", "DirectoryNotEmpty"):
        return not value.startswith(OF_THE_DISK) or _is_so(tree, what, value) is is_wanted
    return True


def _is_so(tree: Tree, what: str, path: str) -> bool:
    if what == "PathExistsGlob":
        return bool(tree.glob(path))
    entry = tree.entry(path)
    if entry is None:
        return False
    known = {
        "PathIsDirectory": entry.kind == "d",
        "FileNotEmpty": entry.kind == "f" and entry.size > 0,
        "FileIsExecutable": entry.kind == "f" and bool(entry.mode & 0o111),
        "DirectoryNotEmpty": bool(tree.names(path)),
    }
    return known.get(what, True)
