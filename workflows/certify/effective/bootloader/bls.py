"""Boot loader entries, /loader/entries/*.conf, and their order as Enterprise Linux's GRUB has it. Pure.

Source: the Boot Loader Specification, type 1; GRUB's blscfg as Fedora and Enterprise Linux carry it, whose order is that
of package versions in file names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Final

MOST_CHARACTERS: Final = 64 << 10
MOST_ENTRIES: Final = 500
VARIABLE: Final = re.compile(r"\$(\w+)", re.ASCII)
SEGMENT: Final = re.compile(r"[0-9]+|[A-Za-z]+|~")


@dataclass(frozen=True)
class BlsEntry:
    """A file of entries: `name` without .conf, `pairs` of key and value in their order, `line` that of `options`."""

    name: str
    path: str
    pairs: tuple[tuple[str, str], ...]
    line: int = 1

    def first(self, key: str) -> str:
        return next(iter(self.all(key)), "")

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.pairs if name == key]


def read_entry(name: str, path: str, text: str) -> BlsEntry:
    """GRUB stops reading at the first line that has a key and no value, or nothing at all."""
    pairs, at = [], 0
    for number, line in enumerate(text[:MOST_CHARACTERS].split("\n"), 1):
        key, _, value = line.lstrip(" \t").rstrip("\r").replace("\t", " ").partition(" ")
        if key.startswith("#"):
            continue
        if not value.strip():
            break
        pairs.append((key, value.strip()))
        at = at or (number if key == "options" else 0)
    return BlsEntry(name.removesuffix(".conf"), path, tuple(pairs), at or 1)


def expand(value: str, variable: Callable[[str], str]) -> str:
    """A value with its variables put in: $kernelopts, $tuned_params. Raises ValueError where it grows without end."""
    parts, at, length = [], 0, 0
    for found in VARIABLE.finditer(value):
        parts += [value[at : found.start()], variable(found[1])]
        at, length = found.end(), length + len(parts[-1])
        if length > MOST_CHARACTERS:
            raise ValueError("the variables of a boot loader entry grow without end")
    return "".join((*parts, value[at:]))


def newest_first(entries: Iterable[BlsEntry]) -> list[BlsEntry]:
    def newer(one: BlsEntry, other: BlsEntry) -> int:
        return _compare_names(other.name, one.name)

    return sorted(entries, key=cmp_to_key(newer))


def _compare_names(one: str, other: str) -> int:
    """By name, version and release as in `NAME-VERSION-RELEASE`: above 0 where the first is newer."""
    pairs = zip(_split(one), _split(other), strict=True)
    return next((result for a, b in pairs if (result := compare(a, b))), 0)


def _split(name: str) -> tuple[str, str, str]:
    head, dash, release = name.rpartition("-")
    if not dash:
        return name, "", ""
    first, dash, version = head.rpartition("-")
    return (first, version, release) if dash else (head, release, "")


def compare(one: str, other: str) -> int:
    """Two versions in rpm's way: numbers by value and above words, ~ below everything."""
    mine, theirs = SEGMENT.findall(one), SEGMENT.findall(other)
    for a, b in zip(mine, theirs, strict=False):
        if a != b and (result := _compare_segments(a, b)):
            return result
    longer, sign = (mine, 1) if len(mine) > len(theirs) else (theirs, -1)
    rest = longer[min(len(mine), len(theirs)) :]
    return 0 if not rest else -sign if rest[0] == "~" else sign


def _compare_segments(a: str, b: str) -> int:
    if "~" in (a, b):
        return -1 if a == "~" else 1
    if a.isdigit() != b.isdigit():
        return 1 if a.isdigit() else -1
    left, right = ((len(x.lstrip("0")), x.lstrip("0")) if x.isdigit() else (0, x) for x in (a, b))
    return (left > right) - (left < right)
