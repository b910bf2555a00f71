"""What a kickstart says, statement by statement, as pykickstart reads it: run as a program of its own (`ksread.py`).

pykickstart is not imported here: see there why. The answer is kept by the digest of all that decides it, because every
start of flight asks.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from flight.workflows.kickstart.render import Rendered
from flight.workflows.kit.arriving import write_whole
from flight.workflows.kit.finding import Finding, Where
from flight.workflows.kit.run import run
from flight.workflows.kit.text import quoted

READER = Path(__file__).parent / "ksread.py"
TIMEOUT_S = 60.0
MOST_SAID = 300
"""Characters of pykickstart's words that are repeated."""
INSTEAD = {
    "%include is not followed": "in a template write {% include 'partials/…' %}; in a plain .ks, write the lines out",
    "%ksappend is not followed": "in a template write {% include 'partials/…' %}; in a plain .ks, write the lines out",
}


class Values(dict[str, Any]):
    """What pykickstart holds of a command. Older syntaxes know fewer options: what one does not know was not given."""

    def __missing__(self, name: str) -> None:
        return None


@dataclass(frozen=True)
class Command:
    """One line of the command section: its name, and what pykickstart holds of it (passwords only as true or false)."""

    name: str
    values: Mapping[str, Any]
    where: Where


@dataclass(frozen=True)
class Entry:
    """One line of %packages, without its comment."""

    text: str
    where: Where


@dataclass(frozen=True)
class Section:
    """A section's head, or a script in full (`values` is empty for what is no script)."""

    name: str
    values: Mapping[str, Any]
    where: Where


@dataclass(frozen=True)
class Statements:
    """A whole kickstart, in the order of its lines, and the faults that pykickstart finds in it."""

    commands: tuple[Command, ...] = ()
    entries: tuple[Entry, ...] = ()
    packages: Mapping[str, Any] | None = None
    sections: tuple[Section, ...] = ()
    scripts: tuple[Section, ...] = ()
    faults: tuple[Finding, ...] = ()

    def of(self, *names: str) -> tuple[Command, ...]:
        """The commands of these names."""
        return tuple(command for command in self.commands if command.name in names)


def read_statements(rendered: Rendered, cache: Path | None = None) -> Statements:
    """The statements of a rendered kickstart. `cache` is a folder for answers; None: ask anew.

    Raises ProgramError where the reader itself fails.
    """
    asked = json.dumps({"text": rendered.text, "version": rendered.recipe.syntax})
    if cache is None:
        return statements(json.loads(_ask(asked)), rendered)
    decided = (asked, READER.read_text(), version_of("pykickstart"))
    kept = cache / f"ksread-{hashlib.sha256(json.dumps(decided).encode()).hexdigest()[:32]}.json"
    try:
        return statements(json.loads(kept.read_text()), rendered)
    except (OSError, ValueError, KeyError):
        answer = _ask(asked)
        write_whole(kept, answer)
        return statements(json.loads(answer), rendered)


def _ask(asked: str) -> str:
    return run([sys.executable, "-I", READER], why="read the kickstart", stdin=asked.encode(), timeout_s=TIMEOUT_S).out


def statements(answer: Mapping[str, Any], rendered: Rendered) -> Statements:
    """The reader's answer, each line as a place in the template."""
    where = rendered.where
    faults = tuple(_fault(each, where(each["line"])) for each in answer["faults"])
    if "commands" not in answer:
        return Statements(faults=faults)
    return Statements(
        commands=tuple(
            Command(each["name"], Values(each["values"]), where(each["line"])) for each in answer["commands"]
        ),
        entries=tuple(Entry(each["text"], where(each["line"])) for each in answer["packages"]["entries"]),
        packages=answer["packages"],
        sections=tuple(Section(each["name"], {}, where(each["line"])) for each in answer["sections"]),
        scripts=tuple(Section(f"%{each['kind']}", each, where(each["line"])) for each in answer["scripts"]),
        faults=faults,
    )


def _fault(said: Mapping[str, Any], where: Where) -> Finding:
    """A fault in pykickstart's words, with the line that it is about where they do not say it."""
    line = f" in '{quoted(said['text'])}'" if said["text"] else ""
    return Finding(
        where, f"{quoted(said['said'].rstrip('.'), most=MOST_SAID)}{line}", said["fix"] or INSTEAD.get(said["said"], "")
    )
