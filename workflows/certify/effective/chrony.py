"""chrony's configuration as chronyd reads it, with what it includes.

Source: chrony.conf(5), "include", "confdir", "makestep", "refclock"; chrony's conf.c: no more than ten files deep.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final, NamedTuple

from flight.workflows.certify.effective.programs import which
from flight.workflows.certify.tree import Tree

CONFS: Final = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
"""Debian and Ubuntu, the others."""
UNITS: Final = ("chrony.service", "chronyd.service")
COMMENTS: Final = ("!", ";", "#", "%")
DEEPEST: Final = 10
MOST_FILES: Final = 200


class Directive(NamedTuple):
    """A line: its words, the first in lower case, and where it stands."""

    words: tuple[str, ...]
    where: str


def conf_of(tree: Tree) -> str:
    """The main file; empty for none."""
    return next((path for path in CONFS if tree.is_file(path)), "")


def is_there(tree: Tree) -> bool:
    return bool(which(tree, "chronyd"))


def directives(tree: Tree) -> tuple[Directive, ...]:
    """Every line that counts, in the order of reading. Raises NotTaken."""
    left = [MOST_FILES]
    return tuple(_read(tree, conf_of(tree), DEEPEST, left))


def last(found: tuple[Directive, ...], name: str) -> Directive | None:
    """The last line of a directive of which only one counts."""
    return next((each for each in reversed(found) if each.words[0] == name), None)


def _read(tree: Tree, path: str, depth: int, left: list[int]) -> Iterator[Directive]:
    left[0] -= 1
    if not path or not depth or left[0] < 0:
        return
    for number, line in enumerate(tree.lines(path), 1):
        words = line.split()
        if not words or words[0].startswith(COMMENTS):
            continue
        name = words[0].lower()
        yield Directive((name, *words[1:]), f"{path}:{number}")
        for other in _included(tree, name, words[1:]):
            yield from _read(tree, other, depth - 1, left)


def _included(tree: Tree, name: str, words: list[str]) -> list[str]:
    if name == "include" and words:
        return [path for path in tree.glob(words[0]) if tree.is_file(path)]
    found: dict[str, str] = {}
    for folder in words if name == "confdir" else ():
        for each in tree.names(folder):
            if each.endswith(".conf") and tree.is_file(f"{folder}/{each}"):
                found.setdefault(each, posixpath.join(folder, each))
    return [found[each] for each in sorted(found)]
