"""How a run of Luigi meets a person: in a folder of their own, with Luigi's real command line and a real luigid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import BIN, TOP, Home, Ran


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


def test_without_luigi_cfg_the_defaults_hold_and_one_line_says_so(home: Home) -> None:
    (home.folder / "luigi.cfg").unlink()
    ran = home.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 0
    assert ran.said.startswith("flight: there is no luigi.cfg here: the defaults hold")
    assert home.link("ks").is_file()


@pytest.mark.parametrize("task", ["UploadBlob", "UploadImage"])
def test_without_luigi_cfg_nothing_is_sent(home: Home, task: str) -> None:
    (home.folder / "luigi.cfg").unlink()
    ran = home.luigi(task, "--local-scheduler")
    assert ran.code == 35
    assert ran.said.startswith("flight: there is no luigi.cfg\n")
    assert "LUIGI_CONFIG_PATH" in ran.said
    assert not home.work.exists()


@pytest.mark.parametrize("args", [("clean",), ("rehearsal", "start"), ("scheduler", "stop")])
def test_without_luigi_cfg_nothing_is_started_stopped_or_removed(home: Home, args: tuple[str, ...]) -> None:
    (home.folder / "luigi.cfg").unlink()
    ran = home.flight(*args)
    assert ran.code == 2
    assert "there is no luigi.cfg" in ran.said
    assert "`flight init`" in ran.said
    assert not home.work.exists()


def test_a_luigi_cfg_that_is_named_and_not_there_is_an_error(home: Home) -> None:
    luigi = home.argv("RenderKickstart", "--local-scheduler")
    ran = home.run("env", "LUIGI_CONFIG_PATH=/no/such.cfg", *luigi, timeout_s=60)
    assert ran.code == 35
    assert "LUIGI_CONFIG_PATH names a file that is not there" in ran.said


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["RenderKickstrat"], "did you mean RenderKickstart?"),
        (["Cook"], "give one of BuildImage, "),
        ([], "no task is"),
    ],
    ids=["nearly", "not at all", "none"],
)
def test_a_task_that_there_is_not_is_one_message(home: Home, words: list[str], said: str) -> None:
    ran = home.run(str(BIN / "luigi"), "--module", "flight.workflows", *words, timeout_s=60)
    assert ran.code == 35
    assert said in ran.said
    assert "Traceback" not in ran.said
    assert len(ran.said.splitlines()) == 2


def test_an_option_that_there_is_not_is_luigis_own_message(home: Home) -> None:
    ran = home.luigi("RenderKickstart", "--recipee", "x", timeout_s=60)
    assert ran.code == 2
    assert "unrecognized arguments: --recipee" in ran.said


@pytest.mark.parametrize("task", ["UploadBlob", "UploadImage"])
def test_a_rehearsal_that_cannot_start_is_told_before_anything_is_built(home: Home, task: str) -> None:
    with socket.create_server(("127.0.0.1", home.compute_port)):
        ran = home.luigi(task, "--local-scheduler", timeout_s=60)
    assert ran.code == 35
    assert ran.said.startswith(f"flight: compute cannot start: port {home.compute_port} of 127.0.0.1 is taken")
    assert "[rehearsal] compute_port" in ran.said
    assert not list(home.work.glob("*/InstallPackages-*"))


def test_the_scheduler_of_another_folder_will_do_and_its_rehearsal_is_named(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other", recipe=home.recipe)
    other.configure(
        f"core.scheduler_port={home.scheduler_port}",
        f"rehearsal.blob_port={home.blob_port}",
        f"rehearsal.compute_port={home.compute_port}",
    )
    assert home.flight("scheduler", "start").code == home.flight("rehearsal", "start").code == 0
    for do in ("start", "status"):
        ran = other.flight("scheduler", do)
        assert ran.code == 0
        assert (
            f"runs already  http://127.0.0.1:{home.scheduler_port}  started for the work folder {home.work}" in ran.said
        )
    ran = other.flight("rehearsal", "start")
    assert ran.code == 2
    assert f"flight's own azurite of the work folder {home.work} listens there" in ran.said
    assert f"`flight rehearsal stop` in {home.folder}, or set other ports in [rehearsal]" in ran.said
    assert f"is taken by flight's own compute of the work folder {home.work}" in other.flight("doctor").said
    assert other.luigi("RenderKickstart").code == 0
    assert "did not run" in other.flight("scheduler", "stop").said
    assert home.flight("scheduler", "status").code == home.flight("rehearsal", "status").code == 0


def test_a_rehearsal_is_started_only_where_it_is_used(home: Home) -> None:
    home.configure("azure.cloud=public")
    assert home.flight("rehearsal", "start", "--if-used") == Ran(0, "")
    assert home.flight("rehearsal", "status").code == 1


def test_azurite_is_installed_by_one_command_from_any_folder(home: Home) -> None:
    (home.folder / "luigi.cfg").unlink()
    ran = home.flight("rehearsal", "install")
    assert ran.code == 0
    assert ran.said.startswith("Azurite was installed already: ")


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


@pytest.mark.parametrize("first", ["import luigi", "import flight.workflows.kit.arriving", "import flight.workflows"])
def test_luigi_finds_the_tasks_whatever_is_imported_first(home: Home, first: str) -> None:
    command = ["--module", "flight.workflows", "RenderKickstart", "--recipe", home.recipe, "--local-scheduler"]
    ran = home.run(
        sys.executable, "-c", f"{first}; from luigi.cmdline import luigi_run; luigi_run({command})", timeout_s=60
    )
    assert ran.code == 0, ran.said


def test_flights_own_program_does_not_wait_for_luigi_where_nothing_is_asked_of_it(home: Home, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(1 << 20))
    ran = home.run(sys.executable, "-X", "importtime", str(BIN / "flight"), "digest", str(disk), timeout_s=60)
    assert ran.code == 0, ran.said
    assert "flight.workflows.cli" in ran.said
    assert " luigi\n" not in ran.said


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
