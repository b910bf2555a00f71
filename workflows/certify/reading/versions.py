"""Which of two versions is newer, as dpkg and as rpm see it: keys to sort by. Any text has one.

    debian_key("2:1.48.6-2") < debian_key("2:1.48.6-2+deb12u1")
    rpm_key("5.14.0-427.el9") < rpm_key("5.14.0-503.el9")

Source: Debian Policy 5.6.12; rpm-version(7).
"""

from __future__ import annotations

import re
from typing import Any, Final

Key = tuple[Any, ...]
Number = tuple[int, str]
"""The count of digits, and the digits, without zeros before them: of any length, and compared without arithmetic."""

TILDE, END = -1, 0
"""A tilde sorts before the end of a part, and that before everything else."""
DEBIAN_END: Final[tuple[tuple[int, ...], Number]] = ((END,), (0, ""))
RPM_RANKS: Final = {"~": (0,), "": (1,), "^": (2,)}
RPM_LETTERS, RPM_DIGITS = 3, 4


def debian_key(version: str) -> Key:
    """Epoch, upstream version, revision; a version without a revision equals the one with revision 0."""
    epoch, rest = _split_epoch(version)
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, _debian_part(upstream if dash else rest), _debian_part(revision if dash else ""))


def rpm_key(version: str) -> Key:
    """Epoch, version, release; one without a release is older than any with one."""
    epoch, rest = _split_epoch(version)
    upstream, dash, release = rest.rpartition("-")
    return (epoch, _rpm_part(upstream if dash else rest), (1, _rpm_part(release)) if dash else (0,))


def compare_versions(left: str, right: str, *, package_format: str) -> int:
    """-1, 0 or 1: the left is older, equal, newer. The format is dpkg or rpm."""
    key = {"dpkg": debian_key, "rpm": rpm_key}[package_format]
    older, newer = key(left) < key(right), key(left) > key(right)
    return newer - older


def upstream_version(version: str) -> str:
    """What the authors of a program call it: `2:1.48.6-2` is 1.48.6; what a distribution adds to it stays (+dfsg)."""
    rest = re.sub(r"^\d+:", "", version)
    upstream, dash, _ = rest.rpartition("-")
    return upstream if dash else rest


def _split_epoch(version: str) -> tuple[Number, str]:
    match = re.match(r"(\d+):", version, re.ASCII)
    return (_number(match[1]), version[match.end() :]) if match else (_number(""), version)


def _number(digits: str) -> Number:
    digits = digits.lstrip("0")
    return len(digits), digits


def _debian_part(text: str) -> Key:
    """Turns of other signs and digits, as long as they matter; each with how it sorts beside the end of a part."""
    turns = [((*map(_weight, signs), END), _number(digits)) for signs, digits in re.findall(r"([^0-9]*)([0-9]*)", text)]
    while turns and turns[-1] == DEBIAN_END:
        turns.pop()
    return (*((_ranks_from(turns, at), turn) for at, turn in enumerate(turns)), (0,))


def _ranks_from(turns: list[Any], at: int) -> int:
    """-1 or 1: whether what follows sorts before or after a part that ends here; `0~` is older than `0`."""
    decisive = next(turn for turn in turns[at:] if turn != DEBIAN_END)
    return 1 if decisive > DEBIAN_END else -1


def _weight(sign: str) -> int:
    """Letters before other signs, a tilde before all."""
    if sign == "~":
        return TILDE
    return ord(sign) if sign.isascii() and sign.isalpha() else ord(sign) + 256


def _rpm_part(text: str) -> Key:
    """Runs of digits, of letters, tildes and carets; what separates them does not matter."""
    parts = re.findall(r"~|\^|[0-9]+|[A-Za-z]+", text)
    return tuple(_rpm_rank(part) for part in (*parts, ""))


def _rpm_rank(part: str) -> Key:
    if part in RPM_RANKS:
        return RPM_RANKS[part]
    return (RPM_DIGITS, *_number(part)) if part[0].isdigit() else (RPM_LETTERS, part)
