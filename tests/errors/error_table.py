"""The list of all errors: for each site the test that provokes it, and what a person then reads.

`provoked.json` holds it, `docs/errors.md` shows it. `pytest --regenerate` writes both anew: what is gone from the code
goes, what is new comes from the tests of that run, the rest stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from error_sites import GAP, Site, all_sites, room_of

TABLE = Path(__file__).parent / "provoked.json"
TOP = Path(__file__).parents[2]
UNIT = "tests/unit/"
ROUGHLY = re.compile(r"\d+|[0-9a-f]{8,}")
"""What differs from run to run: counts, ports, keys."""
MINE = (
    (re.compile(r"/\S*?/pytest-of-\w+/pytest-\d+/[\w.-]+?(?=[/\s:,;)'`]|$)"), "/home/ada"),
    (re.compile(re.escape(str(TOP))), "/home/ada/flight"),
    (re.compile(r"/\S+/site-packages"), ".venv/lib/python3/site-packages"),
)
"""Folders of the machine that ran the tests, and what stands for them in an example."""


@dataclass(frozen=True)
class Heard:
    """An error that was made: in which test, by which functions (the innermost first), and its what, why and fix."""

    test: str
    makers: tuple[tuple[str, str], ...]
    said: tuple[str, str, str]


@dataclass(frozen=True)
class Provoked:
    """A row: a site, the test that provokes it, and what was said then."""

    site: Site
    test: str
    said: tuple[str, str, str]


def read_heard(path: Path) -> Iterator[Heard]:
    """All that `error_recorder` noted."""
    for line in path.read_text().splitlines() if path.exists() else ():
        one = json.loads(line)
        yield Heard(one["test"], tuple(map(tuple, one["makers"])), tuple(one["said"]))


def provoked_by(heard: Heard, sites: Mapping[Site, bool]) -> set[Site]:
    """The sites that an error comes from.

    One that no function of ours made has come from another process, and is known by its words alone, if it has enough
    of them; a sentence of few words is looked for in what its own room makes.
    """
    makers = [site for site, is_sentence in sites.items() if not is_sentence]
    said = [site for site in makers if _reads(site, heard.said)]
    made = {site for site in said if (site.module, site.function) in heard.makers}
    made = made or {site for site in said if is_whole(site)}
    rooms = {room_of(module) for module, _ in heard.makers}
    sentences = (site for site, is_sentence in sites.items() if is_sentence)
    near = (site for site in sentences if site.room in rooms or not rooms or is_whole(site))
    return made | {site for site in near if _holds(site, heard.said)}


def is_whole(site: Site) -> bool:
    """Whether its words are enough to tell it from all others."""
    return sum(char.isalpha() for char in site.what + site.fix) >= 12


def _reads(site: Site, said: tuple[str, str, str]) -> bool:
    """Whether the message is of the site's template."""
    return all(is_of(text, part) for text, part in zip((site.what, site.why, site.fix), said, strict=True))


def _holds(site: Site, said: tuple[str, str, str]) -> bool:
    """Whether the message has its words somewhere: one error's `what` is another one's `why`."""
    return any(is_of(site.what, part) for part in said) and is_of(site.fix, said[2])


def is_of(template: str, text: str) -> bool:
    """Whether a text holds a template's words in their order; its gaps may hold anything."""
    at = 0
    for part in template.split(GAP):
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def plain(text: str) -> str:
    """A message without the names of the machine that ran the test."""
    for found, instead in MINE:
        text = found.sub(instead, text)
    return text


def load() -> list[Provoked]:
    rows = json.loads(TABLE.read_text()) if TABLE.exists() else []
    return [Provoked(Site(*row["site"]), row["test"], tuple(row["said"])) for row in rows]


def save(rows: Iterable[Provoked]) -> None:
    """One row a line."""
    lines = (
        json.dumps({"site": astuple(row.site), "test": row.test, "said": row.said}, ensure_ascii=False) for row in rows
    )
    TABLE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def renewed(old: Iterable[Provoked], sites: Iterable[Site], heard: Mapping[Site, Iterable[Heard]]) -> list[Provoked]:
    """A row for each site that has one or was provoked, in the order of `sites`."""
    known = {row.site: row for row in old}
    rows = (_renewed(site, known.get(site), sorted(heard.get(site, ()), key=_nicest)) for site in dict.fromkeys(sites))
    return [row for row in rows if row is not None]


def _nicest(one: Heard) -> tuple[bool, bool, str]:
    """A test of a unit before others; one whose folder's name does not stand in the message before others."""
    return not one.test.startswith(UNIT), "test_" in plain("\n".join(one.said)), one.test


def _renewed(site: Site, old: Provoked | None, heard: list[Heard]) -> Provoked | None:
    """The same test as before where it still provokes it; what it said is kept where that differs by numbers only."""
    if not heard:
        return old
    one = next((each for each in heard if old and each.test == old.test), heard[0])
    said = (plain(one.said[0]), plain(one.said[1]), plain(one.said[2]))
    if old and old.test == one.test and roughly(old.said) == roughly(said):
        return old
    return Provoked(site, one.test, said)


def roughly(said: tuple[str, str, str]) -> str:
    return ROUGHLY.sub("0", "\n".join(said))


def by_site(heard: Iterable[Heard]) -> dict[Site, list[Heard]]:
    """What was heard of each site of the package."""
    found: dict[Site, list[Heard]] = {}
    sites = all_sites()
    for one in heard:
        for site in provoked_by(one, sites):
            found.setdefault(site, []).append(one)
    return found
