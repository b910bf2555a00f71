"""Paths and names of a disk as `seen` has them: a few of them, each short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flight.workflows.kit.text import quoted

MOST_NAMED: Final = 8
MOST_SIGNS: Final = 60


def named(names: Sequence[str]) -> str:
    """ "/a, /b and 3 more"."""
    shown = ", ".join(quoted(name, most=MOST_SIGNS) for name in names[:MOST_NAMED])
    left = len(names) - MOST_NAMED
    return f"{shown} and {left} more" if left > 0 else shown
