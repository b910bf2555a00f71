"""GRUB's `[`: the words of a test, and whether they hold. Source: GNU GRUB Manual 2.12, "test". Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

MOST_WORDS: Final = 200
DEEPEST: Final = 20
Look = Callable[[str], tuple[str, int] | None]
"""Kind (f, d, …) and size of what lies at a path, None where there is nothing."""


def holds(words: Sequence[str], look: Look) -> bool:
    """Terms joined by -a and -o, -o binding less; a ! before a term, and ( ) around some."""
    return _any(list(words[:MOST_WORDS]), look, 0)


def _any(words: list[str], look: Look, depth: int) -> bool:
    result = _all(words, look, depth)
    while words and words[0] == "-o":
        words.pop(0)
        result = _all(words, look, depth) or result
    return result


def _all(words: list[str], look: Look, depth: int) -> bool:
    result = _term(words, look, depth)
    while words and words[0] not in ("-o", ")"):
        if words[0] == "-a":
            words.pop(0)
        result = _term(words, look, depth) and result
    return result


def _term(words: list[str], look: Look, depth: int) -> bool:
    if not words:
        return False
    if len(words) >= 3 and words[1] in BINARY:
        left, sign, right = words[:3]
        del words[:3]
        return BINARY[sign](left, right)
    first = words.pop(0)
    if first == "!":
        return not _term(words, look, depth)
    if first == "(" and depth < DEEPEST:
        result = _any(words, look, depth + 1)
        if words[:1] == [")"]:
            words.pop(0)
        return result
    if first in ("-n", "-z", "-e", "-f", "-d", "-s") and words:
        return _unary(first, words.pop(0), look)
    return bool(first)


def _unary(sign: str, word: str, look: Look) -> bool:
    if sign in ("-n", "-z"):
        return bool(word) == (sign == "-n")
    found = look(word)
    if found is None or sign == "-e":
        return found is not None
    kind, size = found
    return kind == "d" if sign == "-d" else kind == "f" and (sign == "-f" or size > 0)


def _number(text: str) -> int:
    return (
        int(text) if text.lstrip("-").isdecimal() and text.isascii() and len(text) < 20 and text.count("-") < 2 else 0
    )


BINARY: Final[dict[str, Callable[[str, str], bool]]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "-eq": lambda a, b: _number(a) == _number(b),
    "-ne": lambda a, b: _number(a) != _number(b),
    "-lt": lambda a, b: _number(a) < _number(b),
    "-le": lambda a, b: _number(a) <= _number(b),
    "-gt": lambda a, b: _number(a) > _number(b),
    "-ge": lambda a, b: _number(a) >= _number(b),
}
