from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from luigi.cmdline_parser import CmdlineParser

from flight.workflows import commandline
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
