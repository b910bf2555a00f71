"""Groups and environments, read from comps files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from flight.workflows.install.el import comps
from flight.workflows.kickstart.plan import Packages

BASE = b"""<?xml version="1.0"?><comps>
<group><id>core</id><packagelist>
<packagereq type="mandatory">bash</packagereq><packagereq type="default">chrony</packagereq>
<packagereq type="optional">sudo</packagereq><packagereq type="conditional" requires="x">y</packagereq>
</packagelist></group>
<environment><id>minimal</id><grouplist><groupid>core</groupid><groupid>extra</groupid></grouplist>
<optionlist><groupid>desktop</groupid></optionlist></environment></comps>"""
MORE = b"""<comps><group><id>extra</id><packagelist><packagereq type="mandatory">less</packagereq></packagelist></group>
<group><id>core</id><packagelist><packagereq type="mandatory">setup</packagereq></packagelist></group></comps>"""


@pytest.mark.parametrize(
    ("choice", "packages"),
    [
        pytest.param("", ("bash", "setup", "chrony"), id="as the group says"),
        pytest.param("mandatory", ("bash", "setup"), id="--nodefaults"),
        pytest.param("all", ("bash", "setup", "chrony", "sudo"), id="--optional"),
    ],
)
def test_a_group_brings_what_the_kickstart_chooses(choice: str, packages: tuple[str, ...]) -> None:
    assert comps.parse_comps([BASE, MORE]).packages_of("core", choice) == packages


def test_an_environment_brings_its_groups_and_none_of_its_options() -> None:
    found = comps.parse_comps([BASE, MORE])
    assert found.packages_of("minimal", "mandatory") == ("bash", "setup", "less")


def test_only_groups_that_are_known_are_replaced() -> None:
    words = ["install", "--exclude=vim", "@core", "@nodejs:18", "@nowhere", "bash"]
    found = comps.expanded(words, comps.parse_comps([BASE]), Packages())
    assert found == ["install", "--exclude=vim", "bash", "chrony", "@nodejs:18", "@nowhere"]


def test_what_the_kickstart_excludes_is_not_among_them() -> None:
    found = comps.expanded(["install", "@core"], comps.parse_comps([BASE]), Packages(excluded=("chr*",)))
    assert found == ["install", "bash"]


def test_it_is_read_as_it_was_packed(tmp_path: Path) -> None:
    for name, raw in (("a-1/repodata/1-comps.xml.gz", gzip.compress(BASE)), ("b-2/repodata/2-comps-b.xml", MORE)):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(raw)
    (tmp_path / "a-1/repodata/1-primary.xml.gz").write_bytes(b"not read")
    assert comps.read_comps(tmp_path).knows("extra")
