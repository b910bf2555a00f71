"""docs/errors.md: every error as a person reads it, with an example and what to do, by the room that it comes from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from error_table import Provoked, is_of

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
TITLES = {
    "artefact": "Work folder",
    "certify": "The certificate",
    "clean": "Cleaning up",
    "cli": "The command `flight`",
    "cloud": "Azure: names, logins, refusals",
    "commandline": "The command `luigi`",
    "digest": "Digest",
    "doctor": "`flight doctor`",
    "gpt": "Partition tables",
    "guestfs": "libguestfs",
    "hypervisor": "Guests",
    "image": "The managed image",
    "init": "`flight init`",
    "install": "Installing",
    "kickstart": "Kickstarts",
    "kit": "Programs, files, servers",
    "luigicfg": "luigi.cfg as a file",
    "pipeline": "Stages",
    "reading": "Reading a recipe",
    "recipe": "Recipes",
    "rehearsal": "The rehearsal, in Azure's words where it answers in Azure's place",
    "scheduler": "The scheduler",
    "settings": "Settings",
    "show": "`flight show`",
    "stage": "Stages",
    "telling": "Progress",
    "upload": "Upload",
    "vhd": "VHDs",
}
HEAD = """\
# Errors

What flight says when it cannot go on, and what to do. An error has up to three lines: what happened, why as far as that
is known, and the fix. Faults of recipes and kickstarts are all told at once, each with its file and line.

`flight` ends with exit code 2 after an error, and with 1 where it looked (`doctor`, `inspect`, `status`) and found a
fault. `luigi` ends with the codes in `[retcode]` of luigi.cfg. Tracebacks are defects of flight's own.

Each row is provoked by a test, and its example is what was said then; `…` stands for what differs. This page is written
by `pytest --regenerate`.
"""


def render(rows: Iterable[Provoked]) -> str:
    """The page; rooms by their titles, rows in the order of the code."""
    named = sorted(rows, key=lambda row: _title(row).replace("`", "").lower())
    sections = ("\n".join(_section(title, list(some))) for title, some in itertools.groupby(named, _title))
    return HEAD + "".join(f"\n{section}\n" for section in sections)


def _title(row: Provoked) -> str:
    return TITLES.get(row.site.room, f"`{row.site.room}`")


def _section(title: str, rows: list[Provoked]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| error | for example | what to do |"
    yield "|---|---|---|"
    for row in rows:
        if not _is_shown_by(row, rows):
            yield f"| {_cell(_words(row))} | {_cell(_example(row))} | {_cell(row.said[2])} |"


def _is_shown_by(row: Provoked, rows: list[Provoked]) -> bool:
    """Whether its words are the fix of an example that another row has too."""
    return _is_fix(row) and any(other.said == row.said and not _is_fix(other) for other in rows)


def _is_fix(row: Provoked) -> bool:
    return bool(row.site.what) and is_of(row.site.what, row.said[2]) and not is_of(row.site.what, _example(row))


def _words(row: Provoked) -> str:
    """The sentence as the code has it; where nothing of it is fixed, as the test heard it."""
    words = row.site.what or row.said[1]
    return words if re.search(r"[A-Za-z]{3}", words) else _example(row).splitlines()[0]


def _example(row: Provoked) -> str:
    what, why, _ = row.said
    return f"{what}\nwhy: {why}" if why else what


def _cell(text: str) -> str:
    """A text as one cell of a table, in which nothing but a command in backticks is taken for Markdown or HTML."""
    text = re.sub(r"([\\*<>|]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return "<br>".join(" ".join(line.split()) for line in text.splitlines())
