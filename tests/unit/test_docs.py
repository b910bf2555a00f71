"""What README, HACKING and docs/ tell a stranger to type or to open is there: commands, options, tasks, files."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from luigi.cmdline_parser import CmdlineParser

import flight.workflows
from flight.workflows import cli

TOP = Path(__file__).parents[2]
PAGES = sorted([TOP / "README.md", TOP / "HACKING.md", *(TOP / "docs").glob("*.md")])
PLACES = ("workflows", "tests", "scripts", "docs", "kickstarts")


def codes(text: str) -> Iterator[str]:
    """What stands in backticks, and each line of an indented block, without its comment."""
    yield from re.findall(r"`([^`\n]+)`", text)
    for line in re.findall(r"(?m)^ {4,}(\S.*)$", text):
        yield re.split(r"\s{2,}|\s+#", line)[0]


def typed(word: str) -> list[list[str]]:
    """Every command `word …` on any page, split as a shell does; `…` and what follows a ; or | are not typed."""
    found = []
    for page in PAGES:
        for code in codes(page.read_text()):
            for part in re.split(r";|&&|(?<=\s)\|(?=\s)", code):
                if part.split()[:1] != [word]:  # what is no command need not be split as one
                    continue
                words = [each for each in shlex.split(part, comments=True) if "…" not in each]
                if len(words) > 1:
                    found.append(words[1:])
    return found


FLIGHT = typed("flight")
LUIGI = typed("luigi")


def test_the_pages_name_commands_at_all() -> None:
    assert len(FLIGHT) > 30
    assert len(LUIGI) > 10


@pytest.mark.parametrize("words", FLIGHT, ids=" ".join)
def test_what_flight_is_told_to_do_it_knows(words: list[str]) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            cli.parse(alternatives_taken(words))
        except SystemExit as ended:
            # a mention of a verb alone is no command, and lacks what it needs
            missing = "the following arguments are required" in said.getvalue()
            assert ended.code == 0 or missing, said.getvalue()


def alternatives_taken(words: list[str]) -> list[str]:
    """`start|stop|status` as its first word, `WHAT` as one of them; `[RECIPE]` as nothing."""
    first = [word.split("|")[0] for word in words if not word.startswith("[")]
    return ["walk" if word == "WHAT" else word for word in first]


@pytest.mark.parametrize("words", LUIGI, ids=" ".join)
def test_what_luigi_is_told_to_do_it_knows(words: list[str]) -> None:
    assert words[:2] == ["--module", "flight.workflows"]
    task, *options = words[2:]
    if task == "TASK":
        return
    assert task in flight.workflows.__all__
    getattr(flight.workflows, task)  # Luigi knows it from then on
    parser = CmdlineParser._build_parser(root_task=task)
    known = {option for action in parser._actions for option in action.option_strings}
    assert {option.split("=")[0] for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(rf"(?<![\w./-])((?:{'|'.join(PLACES)})/[\w./-]*\w)", page.read_text())
    gone = {name for name in named if not (TOP / name).exists() and not re.search("NAME|node|my-", name)}
    assert gone == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"(?m)^#+ (.*)$", text)}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        assert not path or path.startswith("http") or (page.parent / path).exists(), target
        assert path or anchor in anchors, target


def test_every_page_is_named_where_a_stranger_begins() -> None:
    begun = (TOP / "README.md").read_text()
    assert {page.name for page in PAGES if page.parent.name == "docs" and page.name not in begun} == set()
