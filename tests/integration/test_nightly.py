"""scripts/nightly as cron runs it: quiet when all is well, and an exit code that tells the truth."""

from __future__ import annotations

import fcntl

import pytest
from home import TOP, Home, Ran


@pytest.fixture
def home(tiny: Home) -> Home:
    return tiny


def night(home: Home, *words: str) -> Ran:
    """As cron does it: another folder, hardly any environment."""
    configured = f"LUIGI_CONFIG_PATH={home.folder}/luigi.cfg"
    script = str(TOP / "scripts" / "nightly")
    return home.run("env", "-i", "-C", "/", "HOME=/root", configured, script, *words, timeout_s=900)


def test_a_night_whose_version_is_there_says_nothing_and_does_nothing(home: Home) -> None:
    assert home.luigi("UploadImage", "--local-scheduler").code == 0
    assert night(home, "1.0.0") == Ran(0, "")
    log = (home.work / "logs" / "nightly-1.0.0.log").read_text()
    assert Ran(0, log).made == []


def test_a_night_that_fails_tells_why_and_ends_with_luigis_code(home: Home) -> None:
    ran = night(home, "2.0.0", "--recipe", "no-such-recipe")
    assert ran.code == 35
    assert "there is no recipe 'no-such-recipe'" in ran.said
    assert "nightly-2.0.0.log" in ran.said


def test_a_second_night_beside_the_first_leaves_at_once(home: Home) -> None:
    with open(home.work / ".nightly.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = night(home, "1.0.0")
    assert ran.code == 10
    assert "still running" in ran.said


@pytest.mark.parametrize("words", [(), ("--recipe", "tiny")], ids=["none", "an option"])
def test_a_night_without_a_version_says_how_it_is_used(home: Home, words: tuple[str, ...]) -> None:
    ran = night(home, *words)
    assert ran.code == 2
    assert "usage: scripts/nightly VERSION" in ran.said
