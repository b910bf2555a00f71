"""How a run of Luigi meets a person: in a folder of their own, with Luigi's real command line and a real luigid."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import TOP, Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path, recipe="flight-compute-debian13")
    yield home
    home.stop_servers()


def test_a_kickstart_is_rendered_under_a_scheduler_and_shown_on_its_page(home: Home) -> None:
    assert home.flight("scheduler", "start").code == 0
    ran = home.luigi("RenderKickstart")
    assert ran.code == 0, ran.said
    assert ran.made == ["RenderKickstart"]
    assert home.link("ks").read_text().startswith("# Debian 13")
    again = home.luigi("RenderKickstart")
    assert again.code == 0
    assert again.made == []


def test_without_a_scheduler_one_message_says_so_at_once(home: Home) -> None:
    ran = home.luigi("RenderKickstart", timeout_s=20)
    assert ran.code == 35
    assert f"no scheduler answers at http://127.0.0.1:{home.scheduler_port}/" in ran.said
    assert "--local-scheduler" in ran.said
    assert "Traceback" not in ran.said
    assert len(ran.said.splitlines()) == 3


def test_no_scheduler_is_needed_with_local_scheduler(home: Home) -> None:
    assert home.luigi("RenderKickstart", "--local-scheduler").code == 0


def test_without_luigi_cfg_nothing_is_guessed(home: Home) -> None:
    (home.folder / "luigi.cfg").unlink()
    ran = home.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code != 0
    assert "there is no luigi.cfg" in ran.said
    assert "LUIGI_CONFIG_PATH" in ran.said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("libvirt.cpus=many", "[libvirt] cpus = many is refused"),
        ("azure.regio=x", "[azure] has no setting 'regio'"),
        ("azure.cloud=mooncake", "one of rehearsal, public, usgov, china"),
    ],
)
def test_a_wrong_setting_is_one_message(home: Home, line: str, said: str) -> None:
    home.configure(line)
    ran = home.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 35
    assert said in ran.said
    assert "Traceback" not in ran.said


def test_an_unknown_recipe_names_those_that_are_there(home: Home) -> None:
    ran = home.luigi("RenderKickstart", "--local-scheduler", "--recipe", "flight-compute-debian14")
    assert ran.code == 35
    assert "did you mean flight-compute-debian13" in ran.said


def test_every_fault_of_a_kickstart_is_told_at_once_with_the_templates_line(home: Home) -> None:
    name = "flight-compute-debian13.ks.j2"
    home.edit(name, "\n%packages", "\nnetwrok --device=eth0\nkeyboard --xlayouts=klingon\n\n%packages")
    ran = home.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 35
    assert "netwrok" in ran.said
    assert "klingon" in ran.said
    assert ran.said.count(f"{name}:") >= 2


def test_importing_the_package_brings_no_client_along() -> None:
    heavy = "{'azure', 'libvirt', 'jinja2', 'rich', 'requests', 'pykickstart'}"
    code = f"import sys, luigi; before = set(sys.modules); import flight.workflows; print({heavy} & (set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
        cwd=TOP,
    )
    assert done.stdout.strip() == "set()"


def test_flight_says_how_to_use_it_and_what_is_wrong(home: Home) -> None:
    assert "show" in home.flight("--help").said
    assert home.flight("digest", "no-such.vhd").code == 2
