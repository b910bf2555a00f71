"""Every error that the package can make is listed, with a test that provokes it; docs/errors.md shows the list.

Runs last, and looks back on the tests that ran before it. After a new error, or new words of one, run its test together
with this file under --regenerate, then read what docs/errors.md says as somebody who knows nothing of the code.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import error_recorder
import pytest
from error_page import PAGE, render
from error_sites import Site, all_sites
from error_table import TOP, Heard, Provoked, by_site, load, provoked_by, read_heard, renewed, save

UNREACHED = {
    ("vhd/layout.py", "a VHD footer cannot hold … or … bytes"): "a defect of its caller's, which no person meets",
    ("gpt.py", "the primary header says that it is in sector …, and the last is …"): "a row of `flight inspect`",
    ("gpt.py", "it differs from the primary"): "a row of `flight inspect`",
}
"""What is no error that a person meets, by module and words, and why; unit tests of its room have its words."""

SOURCE = """
class OurError(FlightError): pass
def refuse(name, error):
    why = "it is torn" if error else ""
    raise OurError(f"there is no '{name}'", why=why, fix="give another")
def problems(plan):
    yield f"{plan.where}: it is too small"
def fine():
    what = "no error's"
    raise KeyError("nor this")
"""


@pytest.fixture(scope="module")
def heard() -> dict[Site, list[Heard]]:
    """What was heard of each site in this run."""
    return by_site(read_heard(Path(os.environ[error_recorder.FILE])))


@pytest.fixture(scope="module")
def rows(heard: dict[Site, list[Heard]], request: pytest.FixtureRequest) -> list[Provoked]:
    """The list; written anew first where that was asked for."""
    if request.config.getoption("--regenerate"):
        rows = renewed(load(), all_sites(), heard)
        save(rows)
        PAGE.write_text(render(rows))
    return load()


def test_the_code_is_read_for_errors_and_for_the_sentences_in_them(tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text(SOURCE)
    assert all_sites(tmp_path) == {
        Site("room.py", "refuse", "there is no '…'", "…", "give another"): False,
        Site("room.py", "refuse", "it is torn"): True,
        Site("room.py", "problems", "…: it is too small"): True,
    }


def test_an_error_is_known_by_its_function_and_its_words(tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text(SOURCE)
    error, torn, small = sites = all_sites(tmp_path)
    here = (("room.py", "refuse"), ("room.py", "main"))
    said = ("there is no 'x'", "it is torn", "give another")
    assert provoked_by(Heard("a test", here, said), sites) == {error, torn}
    assert provoked_by(Heard("a test", here, ("there is no 'x'", "", "give another")), sites) == {error}
    assert provoked_by(Heard("a test", here, ("something else", "", "give another")), sites) == set()
    assert provoked_by(Heard("a test", (("room.py", "main"),), ("no", "a.ks:7: it is too small", "")), sites) == {small}


def test_what_a_site_said_stays_until_it_says_something_else() -> None:
    site = Site("room.py", "refuse", "… bytes")
    old = Provoked(site, "tests/unit/a.py::one", ("12 bytes", "", ""))
    same, other = (Heard(old.test, (), (said, "", "")) for said in ("13 bytes", "no bytes"))
    assert renewed([old], [site], {}) == renewed([old], [site], {site: [same]}) == [old]
    assert renewed([old], [site], {site: [other]}) == [Provoked(site, old.test, other.said)]
    assert renewed([old], [], {site: [other]}) == []


def test_every_error_in_the_code_has_a_test_that_provokes_it(rows: list[Provoked]) -> None:
    listed = {row.site for row in rows}
    missing = [site for site in all_sites() if site not in listed and (site.module, site.what) not in UNREACHED]
    assert not [str(site) for site in missing], "no test provokes these; see the top of this file"


def test_nothing_is_listed_that_the_code_no_longer_says(rows: list[Provoked]) -> None:
    said = all_sites()
    assert not [str(row.site) for row in rows if row.site not in said]


def test_what_is_said_to_be_no_error_is_there_and_not_provoked(rows: list[Provoked]) -> None:
    assert UNREACHED.keys() <= {(site.module, site.what) for site in all_sites()}
    assert not UNREACHED.keys() & {(row.site.module, row.site.what) for row in rows}


def test_each_listed_test_is_there(rows: list[Provoked]) -> None:
    for path, name in {tuple(row.test.split("[")[0].split("::")) for row in rows}:
        assert f"def {name}(" in (TOP / path).read_text(), f"{path} has no {name}"


def test_each_listed_test_still_provokes_its_error(rows: list[Provoked], heard: dict[Site, list[Heard]]) -> None:
    silent = [f"{row.test}: {row.site}" for row in rows if row.test in error_recorder.passed and row.site not in heard]
    assert not silent


def test_the_page_shows_the_list(rows: list[Provoked]) -> None:
    assert PAGE.read_text() == render(rows), "run pytest --regenerate"


def test_every_row_of_the_page_says_something(rows: list[Provoked]) -> None:
    errors = [line.split(" | ")[0].lstrip("| ") for line in render(rows).splitlines() if line.startswith("| ")]
    assert not [error for error in errors if not re.search(r"[A-Za-z]{3}", error)]
