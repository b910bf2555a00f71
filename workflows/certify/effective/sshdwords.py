"""How sshd takes a line of its configuration apart: keyword, words, quotes, times.

Source: sshd_config(5) of OpenSSH 9.2 and its observed behaviour (tests/integration/certify/test_sshd.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from flight.workflows.kit.text import quoted

BLANK: Final = " \t\r\n"
UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
TIME: Final = re.compile(r"[ \t\n\v\f\r]*\+?0*([0-9]{1,10})(?![0-9])([smhdw]?)", re.IGNORECASE | re.ASCII)
LARGEST: Final = (1 << 31) - 1

LOOPBACK: Final = re.compile(
    r"(localhost|127\.[0-9.]+|::1|\[::1\]|\[127\.[0-9.]+\])(:[0-9]+)?( rdomain .*)?", re.IGNORECASE
)


class Refused(Exception):
    """sshd would not start with this."""


def seconds_of(text: str) -> int | None:
    """A time as sshd reads it: 180, 180s, 3m, 1h30m; None for what it refuses. Source: sshd_config(5), TIME FORMATS."""
    total, place = 0, 0
    while place < len(text):
        matched = TIME.match(text, place)
        if not matched:
            return None
        total, place = total + int(matched[1]) * UNITS[matched[2].lower()], matched.end()
    return total if text and total <= LARGEST else None


def is_loopback(value: str) -> bool:
    """Whether a ListenAddress is one that no other machine reaches."""
    return LOOPBACK.fullmatch(value) is not None


def lines_of(text: str) -> Iterator[str]:
    """Lines as sshd has them: a NUL ends one, together with its line break."""
    for line in re.sub("\0[^\n]*\n?", "", text).split("\n"):
        yield line.lstrip(" \t\r").rstrip(BLANK + "\f")


def keyword_of(line: str) -> tuple[str, str]:
    """The first word, in quotes or not, and what follows the blanks and the one `=` behind it."""
    matched = re.match(r'[^ \t\r\n"=]*', line)
    word = matched[0] if matched else ""
    if line[len(word) :].startswith('"'):
        more, end, rest = line[len(word) + 1 :].partition('"')
        return (word + more, rest.lstrip(BLANK)) if end else ("", "")
    rest = line[len(word) :].lstrip(BLANK)
    return word, (rest[1:].lstrip(BLANK) if rest.startswith("=") else rest)


def arguments_of(rest: str, at: str) -> tuple[str, ...]:
    """Words with quotes and backslashes taken out; a # where a word begins ends them."""
    words: list[str] = []
    place = 0
    while place < len(rest):
        if rest[place] in " \t":
            place += 1
            continue
        if rest[place] == "#":
            break
        word, place = _word(rest, place, at)
        words.append(word)
    return tuple(words)


def _word(rest: str, place: int, at: str) -> tuple[str, int]:
    word, quote = [], ""
    while place < len(rest) and (quote or rest[place] not in " \t"):
        sign, after = rest[place], rest[place + 1 : place + 2]
        if sign == "\\" and after and (after in "'\"\\" or (after == " " and not quote)):
            word.append(after)
            place += 1
        elif not quote and sign in "'\"":
            quote = sign
        elif sign == quote:
            quote = ""
        else:
            word.append(sign)
        place += 1
    if quote:
        raise Refused(f"{quoted(at)}: a quote is not closed")
    return "".join(word), place
