"""A fault in what a person wrote: where it stands, what is wrong, what would do. Collected first, then told at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.kit.errors import RecipeError


@dataclass(frozen=True, order=True)
class Where:
    """A place in what a person wrote: the file's name as they know it, and a line counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


NOWHERE = Where("", 0)


@dataclass(frozen=True, order=True)
class Finding:
    """One fault; prints on one line."""

    where: Where
    what: str
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where.file else ""
        return f"{place}{self.what}" + (f" ({self.fix})" if self.fix else "")


def finding_of(line: str) -> Finding:
    """The finding that a line tells as findings do: `FILE:LINE: WHAT`, or `FILE: WHAT`."""
    found = re.fullmatch(r"(.*?)(?::(\d+))?: (.*)", line, re.DOTALL)
    return Finding(Where(found[1], int(found[2] or 0)), found[3]) if found else Finding(NOWHERE, line)


def refuse(what: str, findings: Iterable[Finding]) -> None:
    """Raise a RecipeError that lists every finding; nothing where there is none."""
    found = set(findings)
    if found:
        raise refusal(what, *found)


def refusal(what: str, *findings: Finding) -> RecipeError:
    """The error that lists every finding, in the order of their places."""
    count = "one fault" if len(findings) == 1 else f"{len(findings)} faults"
    return RecipeError(f"{what} has {count}", why="\n       ".join(map(str, sorted(findings))))


def shown(path: Path) -> str:
    """A path as a person knows it: from the folder they are in where it lies below, else whole."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
