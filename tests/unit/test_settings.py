from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from flight.workflows.kit.errors import ConfigError
from flight.workflows.settings import SHIPPED, Settings, check_version, parse_settings

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
        ("upload", "replace", "TRUE", True),
        ("programs", "qemu_img", "/opt/qemu/bin/qemu-img", "/opt/qemu/bin/qemu-img"),
    ],
)
def test_a_setting_is_read_as_its_type(section: str, key: str, text: str, value: object) -> None:
    settings = parse_settings({section: {key: text}}, base=BASE)
    assert getattr(getattr(settings, section), key) == value


def test_what_comes_with_flight_is_searched_last_and_once(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(SHIPPED)
    assert parse_settings({}, base=BASE).paths.searched == (BASE / "kickstarts", SHIPPED)
    assert parse_settings({}, base=SHIPPED.parent).paths.searched == (SHIPPED,)
    first = parse_settings({"paths": {"recipes": f"{link}, mine"}}, base=BASE).paths
    assert first.searched == first.recipes == (link, BASE / "mine")


@pytest.mark.parametrize(
    ("section", "key", "text", "fix"),
    [
        ("libvirt", "cpus", "two", "a whole number"),
        ("libvirt", "cpus", "0", "a whole number, 1 or more"),
        ("libvirt", "memory_mib", "64", "a whole number, 256 or more"),
        ("azure", "cloud", "mooncake", "one of rehearsal, public, usgov, china"),
        ("upload", "replace", "perhaps", "true or false"),
        ("upload", "replace", "yes", "true or false"),
        ("upload", "replace", "1", "true or false"),
        ("rehearsal", "blob_port", "99999", "a whole number, 1 to 65535"),
        ("rehearsal", "compute_port", "0", "a whole number, 1 to 65535"),
        ("rehearsal", "blob_port", "--5", "a whole number"),
        ("rehearsal", "blob_port", "\u0661", "a whole number"),
        ("image", "mirror", "http://[", "http://…"),
        ("image", "mirror", "mirror.example", "http://…"),
        ("image", "version", "1 0", "up to 64 letters"),
        ("image", "version", "", "up to 64 letters"),
        ("image", "version", "-1", "up to 64 letters"),
        ("image", "version", "1" * 65, "up to 64 letters"),
        ("paths", "work", "", "a path"),
        ("paths", "work", "~no-such-user/x", "no such user"),
        ("paths", "recipes", " , ", "at least one"),
    ],
)
def test_a_wrong_value_names_section_key_value_and_what_would_do(section: str, key: str, text: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({section: {key: text}}, base=BASE)
    assert f"[{section}] {key} = {text.strip()}" in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.why


@pytest.mark.parametrize(
    ("section", "key", "text"),
    [
        ("paths", "work", "a\0b"),
        ("paths", "recipes", "a\x1bb"),
        ("image", "mirror", "http://x.example/debian\ndeb evil"),
        ("azure", "location", "a\nb"),
    ],
)
def test_a_control_character_is_refused_and_not_repeated(section: str, key: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({section: {key: text}}, base=BASE)
    assert "is refused" in caught.value.what
    assert text not in caught.value.what


def test_a_long_value_is_not_repeated_at_length() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({"rehearsal": {"blob_port": "9" * 5000}}, base=BASE)
    assert len(str(caught.value)) < 300
    assert caught.value.fix == "give a whole number"


@pytest.mark.parametrize("version", ["1", "1.0.0", "2026-01-01_b", "A" * 64])
def test_a_version_is_a_short_word(version: str) -> None:
    assert check_version(version) == version


@pytest.mark.parametrize("version", ["", ".1", "1/2", 'x"\n%end\nuser --name=evil', "1\n", "\u00e9", "A" * 65])
def test_what_is_no_version_is_refused_wherever_it_comes_from(version: str) -> None:
    with pytest.raises(ConfigError, match="the first a letter or a digit") as caught:
        check_version(version)
    assert "\n" not in caught.value.what


def test_a_key_misspelt_is_an_error_that_guesses_what_was_meant() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings({"azure": {"resource_groop": "x"}}, base=BASE)
    assert "resource_groop" in caught.value.what
    assert caught.value.fix == "did you mean 'resource_group'?"


def test_every_setting_has_a_sentence() -> None:
    for kind in get_type_hints(Settings).values():
        for field in dataclasses.fields(kind):
            assert re.fullmatch(r"[A-Z\[a-z].*\.", field.metadata["sentence"]), f"{kind.__name__}.{field.name}"
