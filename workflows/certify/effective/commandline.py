"""A kernel's command line as the kernel reads it. Pure.

Source: Documentation/admin-guide/kernel-parameters.rst of the kernel, and its lib/cmdline.c (next_arg).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MOST_CHARACTERS: Final = 1 << 16
"""x86 takes 2048."""
WORD: Final = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


def arguments_of(command_line: str) -> list[tuple[str, str]]:
    """Name and value of every word before `--`; the value is empty where there is no =. Quotation marks are gone."""
    pairs = []
    for word in WORD.findall(command_line[:MOST_CHARACTERS]):
        if word == "--":
            break
        name, _, value = word.partition("=")
        pairs.append((name.strip('"'), value.replace('"', "")))
    return pairs


def values(command_line: str, name: str) -> list[str]:
    """All values of a parameter, in their order; - and _ in its name are the same."""
    wanted = name.replace("-", "_")
    return [value for key, value in arguments_of(command_line) if key.replace("-", "_") == wanted]


def has_word(command_line: str, word: str) -> bool:
    """Whether a parameter without a value stands there."""
    return any(name == word for name, _ in arguments_of(command_line))


def listed(command_line: str, name: str) -> Iterator[str]:
    """What stands in a parameter's comma lists, all of them together."""
    return (part for value in values(command_line, name) for part in value.split(",") if part)
