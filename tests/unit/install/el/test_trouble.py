"""dnf's and rpm's words, as they were heard, and what becomes of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from flight.workflows.install.el import trouble
from flight.workflows.install.el.sources import Source
from flight.workflows.kickstart.plan import InstallPlan, Packages, Where
from flight.workflows.kit.errors import FlightError, ProgramError, RecipeError, RemoteError, SpaceError

PLAN = InstallPlan("node", "1", "el", "9", "http://m.example/", packages=Packages(where=Where("node.ks.j2", 7)))
FAILED = ProgramError(
    "could not install: dnf ended with exit code 1", why="| last words\n       the whole of it: /x.log"
)


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        pytest.param("No match for argument: nosuch\nError: Unable to find a match: nosuch", RecipeError,
                     "node.ks.j2:7: no package source has nosuch", id="no such package"),
        pytest.param("Module or Group 'nogroup' is not available.\nError: Nothing to do.", RecipeError,
                     "node.ks.j2:7: no package source has nogroup", id="no such group"),
        pytest.param("Error:\n Problem: conflicting requests\n  - nothing provides libx needed by y-1-1.noarch", RecipeError,
                     "node.ks.j2:7: the packages cannot be installed together", id="a dependency that is nowhere"),
        pytest.param("Error: Transaction test error:\n  file /usr/x from install of a-1 conflicts with file from package b-1",
                     RecipeError, "node.ks.j2:7: the packages cannot be installed together", id="two packages, one file"),
        pytest.param("Package unsig-1.0-1.el9.noarch.rpm is not signed\nError: GPG check FAILED", RemoteError,
                     "a package, or its index, is not signed by the key that the recipe names", id="not signed"),
        pytest.param("Error: Failed to download metadata for repo 'base': repomd.xml GPG signature verification error: Bad",
                     RemoteError, "a package, or its index, is not signed by the key that the recipe names", id="index"),
        pytest.param("[MIRROR] x.rpm: Status code: 404 for http://m.example/x.rpm (IP: 127.0.0.1)", RemoteError,
                     "a package source cannot be reached, or does not hold what its index says", id="404"),
        pytest.param("Errors during downloading metadata:\n  - Status code: 404 for http://m.example/9/repodata/repomd.xml (IP)",
                     RecipeError, "node.ks.j2:7: there is no package source where one was looked for", id="no repository"),
        pytest.param("Errors during downloading metadata:\n  - Status code: 401 for http://m.example/repodata/repomd.xml",
                     RemoteError, "a package source refused the login", id="401"),
        pytest.param("Curl error (7): Couldn't connect to server for http://m.example/", RemoteError,
                     "a package source cannot be reached, or does not hold what its index says", id="no network"),
        pytest.param("At least 2MB more space needed on the / filesystem.", SpaceError,
                     "the disk is full where packages are downloaded to or installed", id="full before it starts"),
        pytest.param("[Errno 28] No space left on device: 'x'", SpaceError,
                     "the disk is full where packages are downloaded to or installed", id="full on the way"),
        pytest.param("Error in PREIN scriptlet in rpm package badpre\nError: Transaction failed", ProgramError,
                     "a package's own script failed: %pre of badpre", id="a script"),
        pytest.param("something else", ProgramError, "could not install: dnf ended with exit code 1", id="anything else"),
    ],
)  # fmt: skip
def test_dnfs_words_become_an_error_of_the_right_kind(said: str, kind: type[FlightError], what: str) -> None:
    error = trouble.explained(FAILED, said, PLAN, [Source("base", "http://m.example/", Path("key"))])
    assert (type(error), error.what) == (kind, what)


def test_a_package_that_is_nowhere_is_told_at_its_own_line() -> None:
    packages = Packages(where=Where("node.ks.j2", 7), entries=(("nosuch", Where("node.ks.j2", 9)),))
    error = trouble.explained(FAILED, "No match for argument: nosuch", dataclasses.replace(PLAN, packages=packages))
    assert error.what == "node.ks.j2:9: no package source has nosuch"


def test_the_words_that_matter_are_quoted_and_the_log_is_named() -> None:
    error = trouble.explained(FAILED, "base  1.2 MB/s\nNo match for argument: nosuch\n(1/2): a.rpm", PLAN)
    assert error.why == "| No match for argument: nosuch\n       the whole of it: /x.log"


def test_of_many_lines_of_a_kind_two_are_quoted() -> None:
    said = [f"Package lib{name}-error0-1.{name}.rpm is not signed" for name in range(5)]
    assert trouble.few_of_a_kind([*said, "Error: GPG check FAILED"]) == [
        *said[:2], "… and 3 more like it", "Error: GPG check FAILED",
    ]  # fmt: skip


def test_a_table_of_packages_is_not_quoted() -> None:
    table = ' libgpg-error0   x86_64   1.46-1.el9   base   80 k\nNo match for group package "firewalld"'
    error = trouble.explained(FAILED, f"{table}\nPackage a-1.rpm is not signed", PLAN)
    assert error.why.splitlines()[0] == "| Package a-1.rpm is not signed"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param("Error in POSTIN scriptlet in rpm package a", "%post of a", id="dnf's words"),
        pytest.param("warning: %post(a-1.0-1.noarch) scriptlet failed, exit status 3", "%post of a-1.0-1.noarch", id="rpm's"),
        pytest.param("warning: %transfiletriggerin(a-1.0-1.noarch) scriptlet failed, exit status 1",
                     "%transfiletriggerin of a-1.0-1.noarch", id="a file trigger"),
    ],
)  # fmt: skip
def test_a_script_that_failed_is_an_error_although_dnf_ends_well(line: str, found: str) -> None:
    with pytest.raises(ProgramError) as caught:
        trouble.check_words(["  Installing : a 1/1", "sh: no such thing", line, "Complete!"])
    assert caught.value.what == f"a package's own script failed: {found}"
    assert "sh: no such thing" in caught.value.why


def test_what_dnf_and_rpm_both_say_is_told_once() -> None:
    lines = [
        "warning: %post(a-1.0-1.noarch) scriptlet failed, exit status 3",
        "Error in POSTIN scriptlet in rpm package a",
    ]
    assert trouble.failed_scripts(lines) == ["%post of a"]


def test_an_owner_who_does_not_exist_is_an_error_although_dnf_ends_well() -> None:
    lines = ["  Installing : tool-1-1.noarch 1/1"]
    lines += [f"warning: {who} does not exist - using root" for who in ("user nobodyknows", "group others")]
    with pytest.raises(ProgramError) as caught:
        trouble.check_words(lines)
    assert (
        caught.value.what == "files of tool-1-1.noarch belong to nobody: there is no user nobodyknows, no group others"
    )


def test_what_went_well_is_no_error() -> None:
    trouble.check_words(["  Running scriptlet: a-1.0-1.noarch 1/1", "Complete!"])


def test_a_group_that_names_what_is_nowhere_is_an_error() -> None:
    with pytest.raises(RecipeError, match="names packages that no source has: notthere"):
        trouble.missing_from_groups('No match for group package "notthere"', PLAN)


@pytest.mark.parametrize(
    "packages",
    [
        pytest.param(Packages(excluded=("notthere",)), id="it is excluded by name"),
        pytest.param(Packages(excluded=("not*",)), id="it is excluded by a glob"),
        pytest.param(Packages(ignore_missing=True), id="--ignoremissing"),
    ],
)
def test_unless_the_kickstart_wants_it_so(packages: Packages) -> None:
    plan = InstallPlan("node", "1", "el", "9", "http://m.example/", packages=packages)
    trouble.missing_from_groups('No match for group package "notthere"', plan)


def test_what_is_installed_is_what_was_planned() -> None:
    planned = {"a": ("1-1.noarch",), "b": ("2-1.noarch", "3-1.noarch")}
    trouble.compare(planned, {"b": ("3-1.noarch", "2-1.noarch"), "a": ("1-1.noarch",)})
    with pytest.raises(ProgramError) as caught:
        trouble.compare(planned, {"a": ("1-1.noarch",), "c": ("1-1.noarch",)})
    assert caught.value.why == "missing: b; not planned: c"
    with pytest.raises(ProgramError, match="not the planned ones"):
        trouble.compare(planned, {"a": ("1-2.noarch",), "b": ("2-1.noarch", "3-1.noarch")})
