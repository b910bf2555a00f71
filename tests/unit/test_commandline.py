from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from luigi.cmdline_parser import CmdlineParser
from luigi.configuration import LuigiConfigParser

import flight.workflows
from flight.workflows import cli, commandline
from flight.workflows.cloud.names import THE_REHEARSALS
from flight.workflows.kit.errors import ConfigError

GOOD = {
    "recipe": "mine",
    "version": "1.0.0",
    "cloud": "public",
    "subscription": "11111111-2222-3333-4444-555555555555",
    "resource_group": "flight",
    "location": "westeurope",
    "account": "flightimages",
    "container": "images",
}


def task(**said: str) -> Any:
    return SimpleNamespace(**{**GOOD, **said})


def test_names_that_azure_takes_are_let_pass() -> None:
    commandline.check_names(task())
    commandline.check_names(task(cloud="rehearsal", subscription=THE_REHEARSALS["subscription"]))
    commandline.check_names(SimpleNamespace(recipe="x y", version="1"))


NAMES = {
    "cloud": ("mooncake", "give one of rehearsal, public"),
    "subscription": ("mine", "a UUID"),
    "resource_group": ("x.", "does not end with a dot"),
    "location": ("West Europe", "short name"),
    "account": ("Flight_Images", "lower-case letters and digits"),
    "container": ("-images", "single hyphens"),
    "recipe": ("_mine", "starts with a letter or digit"),
    "version": ("1.", "ends with one"),
}


@pytest.mark.parametrize(("name", "value", "fix"), [(name, *row) for name, row in NAMES.items()], ids=NAMES)
def test_a_name_that_azure_would_refuse_is_told_before_anything_runs(name: str, value: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        commandline.check_names(task(**{name: value}))
    assert fix in caught.value.fix


def test_a_real_cloud_wants_an_account() -> None:
    with pytest.raises(ConfigError, match="names no subscription and no account of the cloud 'public'"):
        commandline.check_names(task(**THE_REHEARSALS))


def test_a_real_cloud_wants_a_subscription() -> None:
    with pytest.raises(ConfigError, match="names no subscription of the cloud 'public'"):
        commandline.check_names(task(subscription=THE_REHEARSALS["subscription"]))


def test_without_luigi_cfg_the_defaults_are_told_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(LuigiConfigParser, "_config_paths", [])
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    commandline.check_configured(SimpleNamespace(recipe="mine", version="1"))
    assert "the defaults hold" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"there is no luigi\.cfg") as caught:
        commandline.check_configured(task())
    assert "sends what it makes" in caught.value.why


def test_settings_are_looked_at_where_luigi_imports_the_module_and_not_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong() -> None:
        raise ConfigError("this is wrong")

    monkeypatch.setattr(commandline, "load_settings", wrong)
    monkeypatch.setattr(sys, "argv", ["luigi"])
    commandline.check_as_imported()
    monkeypatch.setattr("builtins.__import__", lambda name: commandline.check_as_imported())
    with pytest.raises(SystemExit):
        CmdlineParser._attempt_load_module(SimpleNamespace(core_module="flight.workflows"))
    assert capsys.readouterr().err == "flight: this is wrong\n"


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("Boyl", "there is no task 'Boyl'", "did you mean Boil?"),
        ("Unlike", "there is no task 'Unlike'", "give one of Boil, Bake"),
        ("", "no task is named", "give one of Boil, Bake"),
    ],
)
def test_a_mistyped_task_is_refused_with_what_was_meant(name: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        commandline.check_task(name, ["Boil", "Bake"])
    assert (caught.value.what, caught.value.fix) == (what, fix)


def test_a_task_that_luigi_knows_is_let_pass() -> None:
    commandline.check_task("UploadImage", flight.workflows.__all__)


def test_a_failure_names_the_stage_and_neither_luigis_worker_nor_every_parameter() -> None:
    class Boil:
        recipe = "cup"

    def said(*args: object) -> str:
        luigis = "[pid %s] Worker %s failed    %s"
        return commandline._who_failed(logging.LogRecord("luigi-interface", 40, "", 1, luigis, args, None))

    assert said(7, "w", Boil()) == "Boil cup: failed"
    assert said(7, "w", "another task") == "[pid 7] Worker w failed    another task"


@pytest.mark.parametrize(
    "words", [["upload", "x.vhd", "--to", "a/b/c"], ["verify", "a/b/c"]], ids=lambda words: words[0]
)
def test_without_a_luigi_cfg_it_must_be_said_which_azure_is_meant(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.luigicfg, "config_path", lambda: None)
    assert cli.main(words) == 2
    assert "it is not said which Azure is meant" in capsys.readouterr().err
