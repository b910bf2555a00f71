"""Units that systemd enables by itself, when a machine has no machine-id yet.

Source: systemd.preset(5); machine-id(5), "First Boot Semantics": presets only add links there, they take none away.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.unitfiles import PULLING, UnitFiles, expanded, with_instance, words
from flight.workflows.certify.tree import NotTaken, Tree

FOLDERS: Final = (
    "/etc/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
)
INSTALLS: Final = ("WantedBy", "RequiredBy", "UpheldBy")
UNINITIALIZED: Final = b"uninitialized"
MOST_LINES: Final = 1000
MOST_UNITS: Final = 5000
"""Where there are more of either, nothing is said to be enabled by a preset."""

Presets = tuple[tuple[str, str], ...]
"""Verb and pattern of each line, in the order in which they are asked."""


def is_first_boot(tree: Tree) -> bool:
    """Whether systemd takes the next start for the first; an empty machine-id is none of these."""
    entry = tree.entry("/etc/machine-id")
    if entry is None:
        return tree.is_folder("/etc")
    return entry.kind == "f" and entry.size < 64 and (tree.read("/etc/machine-id") or b"").strip() == UNINITIALIZED


def read_presets(tree: Tree) -> Presets:
    """All preset files by name; of two with one name that of the earlier folder."""
    paths: dict[str, str] = {}
    for folder in FOLDERS:
        for each in tree.names(folder):
            if each.endswith(".preset"):
                paths.setdefault(each, f"{folder}/{each}")
    lines = (line.split() for each in sorted(paths) for line in tree.lines(paths[each]))
    return tuple((line[0], line[1]) for line in lines if len(line) > 1 and line[0] in ("enable", "disable"))


def is_preset(presets: Presets, name: str) -> bool:
    """The first line that fits decides; what none fits is enabled."""
    return next((verb == "enable" for verb, pattern in presets if fnmatch.fnmatchcase(name, pattern)), True)


def enabled_at_first_boot(files: UnitFiles) -> dict[str, dict[str, str]]:
    """What such a boot enables: by the unit that then pulls it in, its name and a word about why."""
    made: dict[str, dict[str, str]] = {}
    try:
        presets = read_presets(files.tree) if is_first_boot(files.tree) else None
    except NotTaken:
        presets = None
    if presets is None or len(presets) > MOST_LINES:
        return made
    for name in _names(files):
        for owner, unit in _installs(files, name) if is_preset(presets, name) else ():
            made.setdefault(owner, {}).setdefault(unit, f"the presets, for {name}")
    return made


def _names(files: UnitFiles) -> Iterator[str]:
    """Every unit by its own name, masked ones left out."""
    names = sorted({each for folder in files.folders for each in files.tree.names(folder)})
    for name in names if len(names) <= MOST_UNITS else ():
        found = files.find(name) if not name.endswith((".d", *PULLING)) else None
        if found and found.name == name and not found.is_masked:
            yield name


def _installs(files: UnitFiles, name: str) -> Iterator[tuple[str, str]]:
    """The links that enabling a unit makes: whose, to what."""
    try:
        settings = files.settings(name)
    except NotTaken:
        return
    instances = words(settings, "Install", "DefaultInstance")[:1]
    unit = with_instance(name, instances[0]) if instances else name
    if "@." not in unit:
        yield from ((expanded(word, unit), unit) for key in INSTALLS for word in words(settings, "Install", key))
