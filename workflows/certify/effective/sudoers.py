"""The Defaults of sudo, from sudoers and what it includes, in the order in which sudo reads them.

Source: sudoers(5), "Including other files from within sudoers" and "SUDOERS OPTIONS".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flight.workflows.certify.tree import Tree

MAIN: Final = ("/etc/sudoers", "/usr/etc/sudoers")
"""The second is read where the first is not there (SUSE)."""
MOST_FILES: Final = 128
"""Source: sudoers(5), which stops at as many nested ones."""
INCLUDE: Final = re.compile(r"[#@](include|includedir)\s+(\S.*)")
DEFAULTS: Final = re.compile(r"Defaults(?P<scope>\s*[@:!>]\s*[^\s,]+(?:\s*,\s*[^\s,]+)*)?\s+(?P<settings>.+)")
SETTING: Final = re.compile(r"""((?:"(?:[^"\\]|\\.)*"|[^,"])+)""")


@dataclass(frozen=True)
class Default:
    """One setting: `is_on` unless a ! stands before it; `is_for_all` unless it is for a host, user or command."""

    name: str
    is_on: bool
    is_for_all: bool
    where: str


def defaults_of(tree: Tree) -> tuple[Default, ...]:
    """Every setting of every Defaults line, the later one last."""
    main = next((path for path in MAIN if tree.is_file(path)), "")
    return tuple(_defaults(tree, main, {main})) if main else ()


def _defaults(tree: Tree, path: str, seen: set[str]) -> Iterator[Default]:
    for number, line in _lines(tree, path):
        if include := INCLUDE.fullmatch(line):
            for other in _included(tree, path, include[1], include[2].strip('" ')):
                if other not in seen and len(seen) < MOST_FILES:
                    seen.add(other)
                    yield from _defaults(tree, other, seen)
        elif found := DEFAULTS.fullmatch(re.sub(r"\s#.*", "", line)):
            for setting in SETTING.findall(found["settings"]):
                name = setting.partition("=")[0].strip().rstrip("+-").strip()
                yield Default(name.lstrip("! "), not name.startswith("!"), not found["scope"], f"{path}:{number}")


def _lines(tree: Tree, path: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that a backslash ends joined with the next; with their numbers."""
    held: list[str] = []
    for number, line in enumerate(tree.lines(path), 1):
        held.append(line.removesuffix("\\"))
        if line.endswith("\\"):
            continue
        if (text := "".join(held).strip()) and (not text.startswith("#") or INCLUDE.fullmatch(text)):
            yield number, text
        held = []


def _included(tree: Tree, path: str, kind: str, name: str) -> list[str]:
    """The files that a line includes; of a folder those without a dot, and not ending in ~."""
    at = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    if kind == "include":
        return [at] if tree.is_file(at) else []
    return [f"{at}/{each}" for each in tree.names(at) if "." not in each and not each.endswith("~")]
