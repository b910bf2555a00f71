"""Where a service finds a program. Source: systemd.exec(5), "$PATH"."""

from __future__ import annotations

from typing import Final

from flight.workflows.certify.tree import Tree

FOLDERS: Final = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def which(tree: Tree, *names: str) -> str:
    """The first program of these names that can be run; empty for none."""
    return next((path for name in names for path in _paths(tree, name)), "")


def _paths(tree: Tree, name: str) -> list[str]:
    entries = ((f"{folder}/{name}", tree.entry(f"{folder}/{name}")) for folder in FOLDERS)
    return [path for path, entry in entries if entry and entry.kind == "f" and entry.mode & 0o111]
