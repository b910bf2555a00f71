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
        ("image.version=1%0", "[image] version = 1%0 is refused"),
        ("imgae.version=1", "did you mean [image]?"),
        ("upload.replace=yes", "give true or false"),
        ("core.scheduler_port=abc", "[core] scheduler_port = abc is refused"),
        ("core.log_level=NOSUCH", "give one of CRITICAL"),
        ("paths.work=~no-such-user/x", "no such user"),
        ("paths.work=/dev/null/x", "Not a directory: /dev/null/x"),
    ],
)
def test_a_wrong_setting_is_one_message(home: Home, line: str, said: str) -> None:
    home.configure(line)
    ran = home.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 35
    assert said in ran.said
    assert "Traceback" not in ran.said


def test_an_exit_code_that_is_none_is_one_message_too(home: Home) -> None:
    home.configure("retcode.task_failed=x")
    ran = home.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 4
    assert ran.said.startswith("flight: luigi.cfg: [retcode] task_failed = x is refused")
    assert "Traceback" not in ran.said
    assert "[retcode] task_failed = x is refused" in home.flight("settings").said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("RenderKickstart", "--version", 'x"\n%end\nuser --name=evil'), "the first a letter or a digit"),
        (("UploadImage", "--container", "A_B"), "'A_B' is no name for a container in Azure"),
        (("UploadBlob", "--cloud", "mooncake"), "there is no cloud 'mooncake'"),
        (("RenderKickstart", "--workers", "many"), "an option of Luigi's is refused"),
    ],
    ids=["version", "container", "cloud", "workers"],
)
def test_a_wrong_option_is_one_message_before_anything_runs(home: Home, args: tuple[str, ...], said: str) -> None:
    ran = home.luigi(*args, "--local-scheduler")
    assert ran.code == 35
    assert said in ran.said
    assert ran.said.startswith("flight: ")
    assert "Traceback" not in ran.said


def test_flight_takes_no_version_that_luigi_would_not(home: Home) -> None:
    ran = home.flight("show", "kickstart", "--version", "1\n%end")
    assert ran.code == 2
    assert "the first a letter or a digit" in ran.said


def test_help_is_given_whatever_luigi_cfg_says(home: Home) -> None:
    home.configure("libvirt.cpus=many")
    assert "--recipe" in home.luigi("RenderKickstart", "--help").said


def test_a_current_folder_that_is_gone_is_one_message(home: Home) -> None:
    gone = home.folder / "gone"
    gone.mkdir()
    ran = home.run(
        "sh", "-c", f'cd {gone} && rmdir {gone} && exec "$0" "$@"', *home.argv("RenderKickstart", "--local-scheduler"),
        timeout_s=60,
    )  # fmt: skip
    assert ran.said.startswith("flight: the current folder has been removed")


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[image]\nversion = 1\n[image]\n", "the section [image] is there already"),
        ("[image]\nversion = 1\nversion = 2\n", "version is there already"),
        ("version = 1\n", "stands before any section"),
        ("[image]\nversion 1\n", "neither a [section] nor a name = value"),
        ("\ufeff[image]\n", "a byte order mark"),
    ],
    ids=["section-twice", "key-twice", "no-section", "no-value", "byte-order-mark"],
)
def test_a_luigi_cfg_that_is_none_is_one_message(home: Home, text: str, said: str) -> None:
    (home.folder / "luigi.cfg").write_text(text)
    ran = home.flight("settings")
    assert ran.code == 2
    assert said in ran.said
    assert "Traceback" not in ran.said


def test_a_recipe_s_name_may_stand_behind_the_options(home: Home) -> None:
    asked = home.flight("show", "walk", "--version", "2.0", "flight-compute-debian12")
    assert asked.code == 0, asked.said
    assert "never made yet" in asked.said
    assert "usage: flight show" in home.flight("show", "walk", "one", "two").said


def test_the_recipes_are_shown_by_name_and_title(home: Home) -> None:
    assert "flight-compute-debian12      Flight compute, Debian 12" in home.flight("show", "recipes").said
