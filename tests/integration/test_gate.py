"""The gate between VHD and upload: what passes, by whose word, and what does not leave the house."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from home import Home

RECIPE = "tiny.toml"


@pytest.fixture
def home(tiny: Home) -> Iterator[Home]:
    before = (tiny.recipes / RECIPE).read_text()
    yield tiny
    (tiny.recipes / RECIPE).write_text(before)


def without_overrides(home: Home) -> str:
    return (home.recipes / RECIPE).read_text().partition("[[certify.overrides]]")[0]


def test_who_let_what_pass_and_why_travels_with_the_image(home: Home) -> None:
    (override,) = home.receipt("certificate.json")["overrides"]  # type: ignore[misc]
    assert override["who"] == "the tests"
    assert "sshd-alive" in override["rules"]
    assert home.receipt("blob.json")["overrides"] == [override]
    tags = home.receipt("image.json")["tags"]
    assert tags["overridden"].split() == override["rules"]  # type: ignore[index]
    assert tags["overridden-by"] == "the tests"  # type: ignore[index]
    assert tags["overridden-why"] == override["why"]  # type: ignore[index]


def test_certificate_receipt_and_image_are_of_one_digest(home: Home) -> None:
    digests = {home.receipt(name)["digest"] for name in ("certificate.json", "blob.json", "image.json")}
    assert digests == {home.flight("digest", str(home.link("vhd"))).said.strip()}


def test_what_fails_is_not_uploaded_and_its_reasons_lie_there(home: Home) -> None:
    (home.recipes / RECIPE).write_text(without_overrides(home))
    ran = home.luigi("UploadImage", "--local-scheduler")
    assert ran.code == 30
    assert ran.made == []
    assert "the image is not certified: 7 rules stand in its way" in ran.said
    assert "sshd-enabled: " in ran.said
    page = re.search(r"fix: (\S+\.certificate\.failed\.html) says", ran.said)
    assert page
    assert "Traceback" not in ran.said
    failed = home.folder / page[1].replace(".html", ".json")
    assert json.loads(failed.read_text())["verdict"] == "not certified"
    assert not list(failed.parent.glob("*.certificate.json"))


def test_an_override_without_a_reason_or_of_no_rule_is_refused_before_anything_runs(home: Home) -> None:
    text = without_overrides(home)
    (home.recipes / RECIPE).write_text(f'{text}[[certify.overrides]]\nrules = ["sshd-alve"]\nwho = "me"\nwhy = "so"\n')
    ran = home.luigi("UploadImage", "--local-scheduler")
    assert ran.code != 0
    assert "there is no rule 'sshd-alve'" in ran.said
    assert "tiny.toml:" in ran.said
    (home.recipes / RECIPE).write_text(f'{text}[[certify.overrides]]\nrules = ["sshd-alive"]\nwho = "me"\n')
    assert "'why' is missing" in home.luigi("UploadImage", "--local-scheduler").said
