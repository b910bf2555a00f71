"""Which units a machine starts: all that default.target pulls in, by files, links, presets and generators.

Source: bootup(7), systemd.unit(5), systemd.generator(7).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Final

from flight.workflows.certify.effective.presets import enabled_at_first_boot
from flight.workflows.certify.effective.unitfiles import UnitFiles, expanded, words
from flight.workflows.certify.tree import NotTaken

PULLS: Final = ("Wants", "Requires", "BindsTo", "Upholds")
TARGETS: Final = {
    "default.target": ("multi-user.target",),
    "graphical.target": ("multi-user.target",),
    "multi-user.target": ("basic.target",),
    "basic.target": ("sysinit.target", "sockets.target", "timers.target", "paths.target"),
    "sysinit.target": ("local-fs.target", "swap.target"),
}
"""What systemd's own targets pull in, for a tree that lacks their files."""
MOST_UNITS: Final = 20_000
"""Units that are followed. A large system starts 500."""
GENERATORS: Final = {"cloud-init-generator": ("multi-user.target", "cloud-init.target")}
"""What a generator does on a machine in the cloud: which unit pulls in which."""
GENERATOR_FOLDERS: Final = ("/etc/systemd/system-generators", "/usr/local/lib/systemd/system-generators",
                            "/usr/lib/systemd/system-generators", "/lib/systemd/system-generators")  # fmt: skip

Pulled = Mapping[str, dict[str, str]]
"""By a unit's name, what it pulls in and why: a link's path, or words."""


def started_by(files: UnitFiles) -> dict[str, str]:
    """Every unit that starts with the machine, by its own name, with what pulls it in; masked ones are not among them."""
    added = (enabled_at_first_boot(files), _generated(files))
    started, todo = {"default.target": "default.target"}, ["default.target"]
    while todo and len(started) < MOST_UNITS:
        for name, why in _pulled(files, todo.pop(), added).items():
            found = files.find(name)
            own = found.name if found else name
            if own in started or (found and found.is_masked):
                continue
            started[own] = why
            if found or own.endswith(".target"):
                todo.append(own)
    return started


def _pulled(files: UnitFiles, name: str, added: tuple[Pulled, ...]) -> dict[str, str]:
    found = files.find(name)
    own = found.name if found else name
    pulled = {own: name} if own != name else {}
    pulled |= {expanded(word, own): name for word in _asked(files, own, is_there=found is not None)}
    for each in dict.fromkeys((own, name)):
        pulled |= files.pulled(each)
        for more in added:
            pulled |= {unit: why for unit, why in more.get(each, {}).items() if unit not in pulled}
    return pulled


def _asked(files: UnitFiles, name: str, *, is_there: bool) -> tuple[str, ...]:
    """What a unit's own file asks for; nothing where that is not known."""
    if not is_there:
        return TARGETS.get(name, ())
    try:
        return tuple(word for key in PULLS for word in words(files.settings(name), "Unit", key))
    except NotTaken:
        return ()


def _generated(files: UnitFiles) -> Pulled:
    """What the generators that flight knows would add; one that is masked or cannot be run adds nothing."""
    made: dict[str, dict[str, str]] = {}
    paths: dict[str, str] = {}
    for folder in GENERATOR_FOLDERS:
        for name in files.tree.names(folder):
            paths.setdefault(name, f"{folder}/{name}")
    for path in paths.values():
        owner, unit = GENERATORS.get(posixpath.basename(path), ("", ""))
        entry = files.tree.entry(path)
        if owner and entry and entry.kind == "f" and entry.mode & 0o111:
            made.setdefault(owner, {})[unit] = path
    return made
