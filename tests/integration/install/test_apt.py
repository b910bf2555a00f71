"""Real apt against a repository of our own: signatures, logins, caches, and each way in which they fail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install.debian.apt import Apt
from flight.workflows.install.debian.sources import Source
from flight.workflows.kit.errors import ConfigError, FlightError, RecipeError, RemoteError
from flight.workflows.kit.progress import quiet

from .conftest import PASSWORD, USER, PrivateRepository, sign_repository

ASKED = ("install", "vendor-tool")


@pytest.fixture
def source(private_repository: PrivateRepository) -> Iterator[Source]:
    yield Source(private_repository.url, "own", key=private_repository.key, login=(USER, PASSWORD))


def _apt(folder: Path, *sources: Source) -> Apt:
    folder.mkdir()
    return Apt(folder / "private", sources, scratch=folder / "scratch", settings=[])


def _refusal(folder: Path, source: Source) -> FlightError:
    with pytest.raises(FlightError) as error:
        _apt(folder / "apt", source).update(folder / "kept", log_to=folder / "log")
    assert PASSWORD not in str(error.value)
    assert error.value.fix
    return error.value


def test_a_signed_index_with_a_login_is_read(source: Source, tmp_path: Path) -> None:
    fetcher = _apt(tmp_path / "apt", source)
    fetcher.update(tmp_path / "kept", log_to=tmp_path / "log")
    (deb,) = fetcher.would_install(*ASKED, log_to=tmp_path / "log")
    assert (deb.package, deb.version, len(deb.sha256)) == ("vendor-tool", "1.0", 64)
    assert [index["suite"] for index in fetcher.indexes()] == ["own"]
    assert PASSWORD not in (tmp_path / "log").read_text()


def test_a_foreign_signature_is_refused(source: Source, tmp_path: Path) -> None:
    error = _refusal(tmp_path, replace(source, key=Path("/usr/share/keyrings/debian-archive-keyring.gpg")))
    assert isinstance(error, RemoteError)
    assert "not signed by a key we trust" in error.what


def test_a_changed_index_is_refused(
    source: Source, private_repository: PrivateRepository, signing_home: Path, tmp_path: Path
) -> None:
    release = private_repository.folder / "dists/own/InRelease"
    kept = release.read_bytes()
    release.write_bytes(kept.replace(b"Origin: Vendor", b"Origin: Mallory"))
    try:
        assert "not signed by a key we trust" in _refusal(tmp_path, source).what
    finally:
        release.write_bytes(kept)


def test_a_wrong_password_is_told_apart(source: Source, tmp_path: Path) -> None:
    assert "refused the login" in _refusal(tmp_path, replace(source, login=(USER, "wrong"))).what


def test_a_release_that_is_not_there_is_told_apart(source: Source, tmp_path: Path) -> None:
    assert "does not have the release" in _refusal(tmp_path, replace(source, suite="trxie")).what


def test_a_mirror_that_does_not_answer_is_named(source: Source, tmp_path: Path) -> None:
    error = _refusal(tmp_path, replace(source, url="http://127.0.0.1:9/debian"))
    assert "cannot be reached" in error.what
    assert "127.0.0.1:9" in error.fix


def test_a_missing_key_is_a_configuration_error(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="key of"):
        _apt(tmp_path / "apt", replace(source, key=tmp_path / "none.asc"))


def test_an_unknown_package_is_named(source: Source, tmp_path: Path) -> None:
    fetcher = _apt(tmp_path / "apt", source)
    fetcher.update(tmp_path / "kept", log_to=tmp_path / "log")
    with pytest.raises(RecipeError, match="no package source has nosuch"):
        fetcher.would_install("install", "nosuch", log_to=tmp_path / "log")


def _fetched(folder: Path, source: Source, cache: Path) -> int:
    fetcher = _apt(folder, source)
    fetcher.update(folder / "kept", log_to=folder / "log")
    debs = fetcher.would_install(*ASKED, log_to=folder / "log")
    return fetcher.fetch([(ASKED, debs)], cache, log_to=folder / "log", told=quiet)


def test_a_package_is_fetched_once_and_a_spoilt_one_again(source: Source, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    size = _fetched(tmp_path / "first", source, cache)
    (deb,) = cache.iterdir()
    good = deb.read_bytes()
    assert size == len(good)
    assert _fetched(tmp_path / "second", source, cache) == 0
    deb.write_bytes(bytes(len(good)))  # as long as before: apt itself looks at nothing else
    assert _fetched(tmp_path / "third", source, cache) == size
    assert deb.read_bytes() == good


def test_a_file_that_is_not_what_the_index_signed_is_refused(
    source: Source, private_repository: PrivateRepository, tmp_path: Path
) -> None:
    deb = next(private_repository.folder.glob("*.deb"))
    kept = deb.read_bytes()
    deb.write_bytes(bytes(len(kept)))
    try:
        with pytest.raises(RemoteError, match="something else than its signed index"):
            _fetched(tmp_path / "apt", source, tmp_path / "cache")
        assert not list((tmp_path / "cache").glob("*.deb"))
    finally:
        deb.write_bytes(kept)


def test_a_kept_index_gives_way_to_a_newer_one(
    source: Source, private_repository: PrivateRepository, signing_home: Path, tmp_path: Path
) -> None:
    def versions(name: str) -> list[str]:
        fetcher = _apt(tmp_path / name, source)
        fetcher.update(tmp_path / "kept", log_to=tmp_path / "log")
        return [deb.version for deb in fetcher.would_install(*ASKED, log_to=tmp_path / "log")]

    dists, copy = private_repository.folder / "dists", tmp_path / "dists"
    shutil.copytree(dists, copy)
    text = (dists / "own/main/binary-amd64/Packages").read_text()
    try:
        assert versions("first") == ["1.0"]
        sign_repository(private_repository.folder, signing_home, text.replace("Version: 1.0", "Version: 2.0"))
        assert versions("second") == ["2.0"]
    finally:
        shutil.rmtree(dists)
        shutil.copytree(copy, dists)
