"""What GRUB's menu is made of: its lines, what each of them loads, and an environment block. Pure.

Source: GNU GRUB Manual 2.12, "Commands" and "The GRUB environment block".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flight.workflows.certify.effective.bootloader.bls import BlsEntry, expand
from flight.workflows.certify.effective.bootloader.script import Statement

BLOCK: Final = "# GRUB Environment Block\n"
MOST_CHARACTERS: Final = 1 << 16
"""Of an environment block; it has 1024."""


class TooMuch(Exception):
    """The configuration would keep GRUB busy for ever, or fill its memory."""


class Shown(Exception):
    """A menu was put onto the screen: what stands behind `configfile` is never reached."""


@dataclass
class Item:
    """A line of a menu. A submenu has `children`; `path` and `line` say where it stands.

    `is_restricted`: where there are superusers, it is opened with their password only.
    """

    title: str
    id: str
    path: str
    line: int
    body: tuple[Statement, ...] = ()
    arguments: tuple[str, ...] = ()
    is_submenu: bool = False
    children: list[Item] = field(default_factory=list)
    is_restricted: bool = False


@dataclass(frozen=True)
class Loaded:
    """What an item loads. Paths are GRUB's, each with the device it is looked for on; `where` is file:line."""

    kernel: tuple[str, str] | None = None
    initrds: tuple[tuple[str, str], ...] = ()
    arguments: str = ""
    where: str = ""
    chained: str = ""


MENU_OPTIONS: Final = ("--class", "--users", "--hotkey", "--id", "--source")
"""Options of menuentry and submenu that take a word."""


def split_options(arguments: Sequence[str], with_word: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Options with their values, and the other words; `with_word` take the next word where there is no = in them."""
    options, words, rest = dict[str, str](), list[str](), iter(arguments)
    for word in rest:
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, sign, value = word.partition("=")
        options[name] = value if sign or name not in with_word else next(rest, "")
    return options, words


def read_block(text: str) -> dict[str, str]:
    """The variables of an environment block. Source: GRUB's manual, "The GRUB environment block"."""
    if not text.startswith(BLOCK):
        return {}
    lines = re.split(r"(?<!\\)\n", text[:MOST_CHARACTERS])
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for name, _, value in pairs}


def render_entry(entry: BlsEntry, env: Mapping[str, str]) -> str:
    """The commands that GRUB makes of a boot loader entry. Raises ValueError where its variables grow without end."""

    def put_in(text: str) -> str:
        return expand(text, lambda name: env.get(name, ""))

    options = put_in(entry.first("options") or env.get("default_kernelopts", ""))
    initrds = [put_in(path) for path in entry.all("initrd")]
    folder = (initrds or [entry.first("linux")])[0].rpartition("/")[0]
    early = [f"{folder}/{name}" for name in env.get("early_initrd", "").split()]
    line = " ".join((*early, *initrds))
    return f"linux {entry.first('linux')} {options}\n" + (f"initrd {line}\n" if line else "")
