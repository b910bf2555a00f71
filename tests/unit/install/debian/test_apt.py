"""apt's configuration, its words explained, and a cache that is not believed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from flight.workflows.install.debian import apt
from flight.workflows.install.debian.apt import Deb
from flight.workflows.kit.errors import FlightError, ProgramError, RecipeError, RemoteError, SpaceError


def test_the_configuration_reads_nothing_of_the_hosts_apt() -> None:
    text = apt.render_configuration(Path("/private"), settings=['Last "1";'])
    for name in ("parts", "main", "sourceparts", "trusted", "trustedparts", "netrcparts", "preferences"):
        assert f'Dir::Etc::{name} "/dev/null";' in text
    assert 'Dir::Etc::netrc "/private/auth.conf";' in text
    assert text.endswith('Last "1";\n')


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("E: Unable to locate package nosuch\nE: Unable to locate package nor-this", RecipeError, "nosuch, nor-this"),
        ("E: Package 'vim' has no installation candidate", RecipeError, "vim"),
        ("W: GPG error: http://a x InRelease: NO_PUBKEY 6ED0E7B82643E131", RemoteError, "not signed by a key we trust"),
        ("E: The repository 'http://a x Release' is not signed.", RemoteError, "not signed by a key we trust"),
        ("W: GPG error: http://a x: BADSIG 78DBA3BC47EF2265", RemoteError, "not signed by a key we trust"),
        ("E: Failed to fetch http://a/x  Could not resolve 'a'", RemoteError, "cannot be reached"),
        ("E: Failed to fetch http://a/x  404  Not Found", RemoteError, "cannot be reached"),
        (
            "Err:1 http://a x Release\n  404  Not Found\nE: The repository 'http://a x Release' does not have a Release file.",
            RecipeError,
            "does not have the release",
        ),
        ("E: Failed to fetch http://a/x  401  Unauthorized", RemoteError, "refused the login"),
        ("E: Failed to fetch http://a/x  Hash Sum mismatch", RemoteError, "something else than its signed index"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", SpaceError, "disk is full"),
        ("The following packages have unmet dependencies:\nE: Unable to correct problems", RecipeError, "together"),
    ],
)
def test_apts_words_become_one_error_with_a_way_out(said: str, kind: type[FlightError], words: str) -> None:
    error = apt.explained(ProgramError("could not read: apt-get ended with exit code 100", why=said))
    assert type(error) is kind
    assert words in error.what
    assert error.why == said
    assert error.fix


def test_what_is_not_known_stays_as_it_was_said() -> None:
    error = ProgramError("could not read", why="E: something new")
    assert apt.explained(error) is error


def test_a_cached_file_that_is_not_what_the_index_says_is_thrown_away(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.deb", tmp_path / "bad.deb"
    good.write_bytes(b"package")
    bad.write_bytes(b"pakcage")
    sha256 = hashlib.sha256(b"package").hexdigest()
    assert apt._is_sound(good, sha256)
    assert not apt._is_sound(bad, sha256)
    assert (good.exists(), bad.exists()) == (True, False)


def test_what_was_fetched_moves_into_the_cache_and_leaves_a_link(tmp_path: Path) -> None:
    archives, cache = tmp_path / "archives", tmp_path / "cache"
    archives.mkdir()
    cache.mkdir()
    (archives / "a.deb").write_bytes(b"12345")
    assert apt._keep(archives / "a.deb", cache / "a.deb") == 5
    assert apt._keep(archives / "a.deb", cache / "a.deb") == 0
    assert (archives / "a.deb").read_bytes() == (cache / "a.deb").read_bytes() == b"12345"
    assert os.listdir(cache) == ["a.deb"]


def test_a_deb_knows_how_dpkg_would_hold_it() -> None:
    deb = Deb("a_1_all.deb", "a", "1", "0" * 64, "Package: a\nVersion: 1\n")
    assert deb.installed == "Package: a\nVersion: 1\nStatus: install ok installed\n"
