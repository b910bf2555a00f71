from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from flight.workflows.kit.errors import ConfigError
from flight.workflows.settings import Settings, parse_settings

TOP = Path(__file__).parents[2]
BASE = Path("/somewhere")


def test_nothing_said_means_the_defaults_below_the_folder_of_luigi_cfg() -> None:
    settings = parse_settings({}, base=BASE)
    assert settings.paths.work == BASE / "work"
    assert settings.azure.cloud == "rehearsal"


@pytest.mark.parametrize(
    ("section", "key", "text", "value"),
    [
        ("libvirt", "cpus", " 4 ", 4),
        ("paths", "work", "/var/flight", Path("/var/flight")),
        ("paths", "recipes", "mine, kickstarts", (BASE / "mine", BASE / "kickstarts")),
        ("upload", "replace", "Yes", True),
        ("programs", "qemu_img", "/opt/qemu/bin/qemu-img", "/opt/qemu/bin/qemu-img"),
    ],
)
def test_a_setting_is_read_as_its_type(section: str, key: str, text: str, value: object) -> None:
    settings = parse_settings({section: {key: text}}, base=BASE)
    assert getattr(getattr(settings, section), key) == value


@pytest.mark.parametrize(
    ("section", "key", "text", "fix"),
    [
        ("libvirt", "cpus", "two", "a whole number"),
        ("libvirt", "cpus", "0", "a whole number, 1 or more"),
        ("libvirt", "memory_mib", "64", "a whole number, 256 or more"),
        ("azure", "cloud", "mooncake", "one of rehearsal, public, usgov, china"),
        ("upload", "replace", "perhaps", "true or false"),
        ("paths", "work", "", "a path"),
        ("paths", "recipes", " , ", "at least one"),
    ],
)
def test_a_wrong_value_names_section_key_value_and_what_would_do(section: str, key: str, text: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({section: {key: text}}, base=BASE)
    assert f"[{section}] {key} = {text.strip()}" in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.why


def test_a_key_misspelt_is_an_error_that_guesses_what_was_meant() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({"azure": {"resource_groop": "x"}}, base=BASE)
    assert "resource_groop" in caught.value.what
    assert caught.value.fix == "did you mean 'resource_group'?"


def test_every_setting_has_a_sentence() -> None:
    for kind in get_type_hints(Settings).values():
        for field in dataclasses.fields(kind):
            assert re.fullmatch(r"[A-Z\[a-z].*\.", field.metadata["sentence"]), f"{kind.__name__}.{field.name}"
