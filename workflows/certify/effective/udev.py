"""udev's rules: their lines in the order of reading. Source: udev(7); systemd.device(5) on SYSTEMD_WANTS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective.networkd import files_in
from flight.workflows.certify.tree import Tree

FOLDERS: Final = ("/etc/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")


def rules(tree: Tree, folders: tuple[str, ...] = FOLDERS) -> Iterator[tuple[str, str]]:
    """(path, rule), comments left out; of two files with one name that of the first folder."""
    for path in files_in(tree, folders, ".rules"):
        for line in (tree.text(path) or "").replace("\\\n", " ").split("\n"):
            if line.strip() and not line.lstrip().startswith("#"):
                yield path, line


def starter_of(tree: Tree, unit: str) -> str:
    """The file whose rule starts a unit when a device appears; empty for none."""
    wanted = re.compile(rf'ENV\{{SYSTEMD_WANTS\}}\+?:?="([^"]* )?{re.escape(unit)}[ "]')
    return next((path for path, rule in rules(tree) if "SYSTEMD_WANTS" in rule and wanted.search(rule)), "")
