"""What the documents show as an example works as it stands there."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest
from home import TOP

from flight.workflows import kickstart


def block_after(text: str, words: str) -> str:
    """The first indented block behind some words."""
    found = re.search(r"(?m)^( {4}.*\n|\n)+", text[text.index(words) + len(words) :])
    assert found, words
    return textwrap.dedent(found[0]).strip("\n") + "\n"


def test_the_template_that_was_oz_s_is_a_recipe_that_holds(tmp_path: Path) -> None:
    page = (TOP / "docs" / "from-make-and-oz.md").read_text()
    (tmp_path / "node.toml").write_text(block_after(page, "Here it is `kickstarts/node.toml`,"))
    (tmp_path / "node.ks.j2").write_text(
        block_after(page, "which takes what every Debian image for Azure needs from the partials:")
    )
    (tmp_path / "motd").write_text("Welcome.\n")
    _, plan = kickstart.read(
        "node", version="1", mirror="http://mirror.example/debian", folders=[tmp_path, TOP / "kickstarts"], cache=None
    )
    assert "gcc" in plan.packages.names
    assert (plan.release, plan.disk_gib, plan.files[0].to) == ("trixie", 64, "/etc/motd")
    assert "/etc/built" in plan.scripts[-2].text


def test_the_line_that_the_tour_edits_is_there() -> None:
    assert re.search(r"ClientAliveInterval 180\b", (TOP / "kickstarts/partials/sshd.ks.j2").read_text())
    assert "ClientAliveInterval 180" in (TOP / "README.md").read_text()


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("name", ["bench", "nightly", "quickstart", "setup", "test"])
def test_a_script_that_is_asked_for_help_says_its_usage_and_does_nothing_else(name: str, option: str) -> None:
    done = subprocess.run(
        [TOP / "scripts" / name, option], capture_output=True, text=True, timeout=10, env={"PATH": "/usr/bin:/bin"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\nusage: scripts/{name}" in done.stdout
    assert "#!" not in done.stdout
    assert "Set-up" not in done.stdout
