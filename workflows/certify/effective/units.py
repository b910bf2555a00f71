"""Which of systemd's units a machine starts, offline: links, masks, aliases, presets, generators, scripts in rcN.d.

Source: systemd.unit(5), systemctl(1) "is-enabled", systemd.preset(5), systemd-sysv-generator(8).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

from flight.workflows.certify.effective import conditions
from flight.workflows.certify.effective.presets import INSTALLS
from flight.workflows.certify.effective.starting import started_by
from flight.workflows.certify.effective.unitfiles import (
    PULLING,
    UnitFiles,
    expanded,
    template_of,
    values,
    with_instance,
    words,
)
from flight.workflows.certify.tree import Tree

CONFIGURED: Final = "/etc/systemd/system"
"""Where `systemctl enable` makes its links."""
SYSV: Final = tuple(f"{top}/systemd/system-generators/systemd-sysv-generator" for top in ("/usr/lib", "/lib"))
"""What makes units of scripts; Enterprise Linux 10 comes without it."""
SYSV_START: Final = re.compile(r"S\d\d(.+)")
"""A script of /etc/rcN.d that is started; K stands for those that are stopped."""


class Units:
    """The units of a tree. Names are with their kind: ssh.service."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.files = tree, UnitFiles(tree)

    def is_there(self, name: str) -> bool:
        """A unit file of this name (an alias too), masked or not, or a script that stands for one."""
        return self.files.find(name) is not None or self._script(name) is not None

    def is_masked(self, name: str) -> bool:
        found = self.files.find(name)
        return found is not None and found.is_masked

    def is_enabled(self, name: str) -> bool:
        """Whether it starts with the machine: something that starts pulls it in, and it is not masked."""
        return bool(self.enabled_by(name))

    def enabled_by(self, name: str) -> str:
        """What pulls a unit in when the machine starts: a link's path, or the unit that asks; empty for nothing."""
        found = self.files.find(name)
        if found and found.is_masked:
            return ""
        if not found:
            return self._started_script(name)
        return self._started.get(found.name, "")

    def first_enabled(self, *names: str) -> str:
        """The first of these names that starts with the machine; empty for none."""
        return next((name for name in names if self.is_enabled(name)), "")

    def state(self, name: str) -> str:
        """The word of `systemctl is-enabled`: enabled, disabled, static, masked, alias, indirect, linked, not-found."""
        found = self.files.find(name)
        if not found:
            return ("enabled" if self._started_script(name) else "disabled") if self._script(name) else "not-found"
        if found.is_masked:
            return "masked"
        return "alias" if found.name != name else self._state(name, found.path)

    def _state(self, name: str, path: str) -> str:
        known = {name, *self._aliases(name), *self._default_instance(name)}
        linked = set(self._linked(name))
        if linked & known:
            return "enabled"
        if template_of(name) and any(name in self.files.pulled(owner) for owner in self._owners):
            return "static"
        if path == f"{CONFIGURED}/{name}" and self._is_link(path):
            return "linked"
        if linked:
            return "indirect"
        if any(self.install(name, key) for key in (*INSTALLS, "Alias")):
            return "disabled"
        return "indirect" if self.install(name, "Also") else "static"

    def install(self, name: str, key: str) -> tuple[str, ...]:
        """Words of a unit's [Install], its specifiers put in."""
        return tuple(expanded(word, name) for word in words(self.files.settings(name), "Install", key))

    def setting(self, name: str, section: str, key: str) -> tuple[str, ...]:
        """The values of a setting in a unit and its drop-ins, in order. Raises NotTaken."""
        return tuple(expanded(value, name) for value in values(self.files.settings(name), section, key))

    def hindrance(self, name: str, command_line: str = "") -> str:
        """A condition that keeps a unit from starting on Azure, as it stands in its file; empty where none does."""
        return conditions.hindrance(self.tree, name, self.files.settings(name), command_line)

    @cached_property
    def _started(self) -> Mapping[str, str]:
        return started_by(self.files)

    def _aliases(self, name: str) -> tuple[str, ...]:
        return self.install(name, "Alias")

    def _default_instance(self, name: str) -> tuple[str, ...]:
        return tuple(with_instance(name, word) for word in self.install(name, "DefaultInstance") if "@." in name)

    @cached_property
    def _owners(self) -> tuple[str, ...]:
        """Units that have a .wants, .requires or .upholds folder."""
        names = (name for folder in self.files.folders for name in self.tree.names(folder) if name.endswith(PULLING))
        return tuple(dict.fromkeys(name.rpartition(".")[0] for name in names))

    def _linked(self, name: str) -> Iterator[str]:
        """The names by which links of CONFIGURED call a unit."""
        folders = [each for each in self.tree.names(CONFIGURED) if each.endswith(PULLING)]
        for folder in (CONFIGURED, *(f"{CONFIGURED}/{each}" for each in folders)):
            for each in self.tree.names(folder):
                entry = self.tree.lentry(f"{folder}/{each}")
                if entry is None or entry.kind != "l" or (folder == CONFIGURED and each == name):
                    continue
                if name in (each, posixpath.basename(entry.target)):
                    yield each

    def _is_link(self, path: str) -> bool:
        entry = self.tree.lentry(path)
        return entry is not None and entry.kind == "l"

    def _script(self, name: str) -> str | None:
        """The script in /etc/init.d that stands for a service without a unit file."""
        stem, _, kind = name.rpartition(".")
        path, has_maker = f"/etc/init.d/{stem}", any(self.tree.is_file(maker) for maker in SYSV)
        entry = self.tree.entry(path) if has_maker and kind == "service" and stem and "/" not in stem else None
        return path if entry and entry.kind == "f" and entry.mode & 0o111 else None

    def _started_script(self, name: str) -> str:
        """The link in /etc/rcN.d of a level with services that starts such a script; empty for none."""
        script = self._script(name)
        for link in self.tree.glob("/etc/rc[2345].d/S[0-9][0-9]*") if script else ():
            matched = SYSV_START.fullmatch(posixpath.basename(link))
            if matched and matched[1] == name.removesuffix(".service"):
                return link
        return ""


def units_of(tree: Tree) -> Units:
    return Units(tree)
