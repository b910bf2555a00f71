"""`flight certify` over kept snapshots: exit codes, shapes, words that are not known."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from trees import DEBIAN, changed

from flight.workflows import cli
from flight.workflows.certify import saved
from flight.workflows.certify.rules import RULES


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    saved.save(DEBIAN, tmp_path / "seen")
    return tmp_path / "seen"


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    saved.save(changed(DEBIAN, files={"/root/.bash_history": "ls\n"}), tmp_path / "refused")
    return tmp_path / "refused"


def flight(*words: object) -> int:
    return cli.main(["certify", *map(str, words)])


def test_a_kept_snapshot_is_judged_again(seen: Path, refused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flight("--snapshot", seen, "--generation", "V2") == 0
    assert "is certified" in capsys.readouterr().out
    assert flight("--snapshot", refused, "--generation", "V2") == 1
    said = capsys.readouterr().out
    assert "not certified" in said
    assert "/root/.bash_history" in said


def test_each_shape_is_what_it_says(refused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--json", "--selftest-json"):
        assert flight("--snapshot", refused, option) == 1
        json.loads(capsys.readouterr().out)
    assert flight("--snapshot", refused, "--junit") == 1
    assert ElementTree.fromstring(capsys.readouterr().out).tag in ("testsuites", "testsuite")
    assert flight("--snapshot", refused, "--html") == 1
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_every_rule_is_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert flight("--list") == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {rule.id for rule in RULES}
    for rule in RULES:
        assert flight("--explain", rule.id) == 0
    assert rule.fix in capsys.readouterr().out


def test_a_rule_that_is_not_there_names_the_ones_that_come_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert flight("--explain", "sshd-alve") == 2
    assert "did you mean sshd-alive" in capsys.readouterr().err
    assert flight("--explain", "qqq") == 2
    assert "--list" in capsys.readouterr().err


def test_nothing_to_certify_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert flight() == 2
    assert "nothing to certify" in capsys.readouterr().err


def test_a_folder_that_is_no_snapshot_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flight("--snapshot", tmp_path) == 2
    assert "no snapshot" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--claim", "everything"), ("--without", "rules"), ("--json", "--html")])
def test_a_word_that_is_not_known_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        flight("a.vhd", *words)
    assert caught.value.code == 2


def test_the_list_of_packages_is_written_where_it_is_asked_for(seen: Path, tmp_path: Path) -> None:
    assert flight("--snapshot", seen, "--sbom", tmp_path / "a.cdx.json") == 0
    assert json.loads((tmp_path / "a.cdx.json").read_text())["bomFormat"] == "CycloneDX"


def test_a_snapshot_has_no_digest_that_a_statement_could_be_about(
    seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flight("--snapshot", seen, "--provenance", tmp_path / "a.json") == 2
    assert "give the disk itself" in capsys.readouterr().err


def test_a_cache_that_may_not_be_written_is_named_before_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(cli.luigicfg, "config_path", lambda: None)
    assert flight(tmp_path / "a.vhd") == 2
    said = capsys.readouterr().err
    assert "cannot write to" in said
    assert "XDG_CACHE_HOME" in said


def test_who_closed_stdout_is_not_told_a_verdict(seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert flight("--snapshot", seen) == 2
