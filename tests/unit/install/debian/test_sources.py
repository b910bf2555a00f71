"""Where packages come from and which are asked for, in apt's words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install.debian import sources
from flight.workflows.install.debian.sources import Source
from flight.workflows.kickstart.plan import InstallPlan, Packages, Repository, Where
from flight.workflows.kit.errors import ConfigError

VENDOR = Repository("vendor", "https://apt.vendor.example/debian", user_from="VENDOR_USER", password_from="VENDOR_PASS")
PLAN = InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian", repositories=(VENDOR,))
LOGIN = {"VENDOR_USER": "ada", "VENDOR_PASS": "s3cret"}


def test_a_login_comes_from_the_environment_and_goes_to_auth_conf_alone() -> None:
    found = sources.sources_of(PLAN, LOGIN)
    assert "s3cret" not in sources.render_sources(found)
    assert sources.render_logins(found) == "machine https://apt.vendor.example/debian login ada password s3cret\n"


def test_a_missing_login_names_the_repository_and_the_variable() -> None:
    with pytest.raises(ConfigError, match=r"'vendor' needs a login.*VENDOR_PASS is not set"):
        sources.sources_of(PLAN, {"VENDOR_USER": "ada"})


def test_each_line_is_bound_to_its_own_key() -> None:
    found = (Source("http://a.example/debian", "trixie"), Source("http://b.example/", "own", ("main", "extra")))
    assert sources.render_sources(found, [Path("/k/0.gpg"), Path("/k/1.asc")]) == (
        "deb [signed-by=/k/0.gpg] http://a.example/debian trixie main\n"
        "deb [signed-by=/k/1.asc] http://b.example/ own main extra\n"
    )


def test_a_missing_key_is_a_configuration_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        sources.place_key(Source("http://a.example", "x", key=tmp_path / "none.gpg"), tmp_path / "key")
    assert "none.gpg" in error.value.what
    assert error.value.fix


def test_a_key_with_another_digest_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "vendor.asc"
    key.write_bytes(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    good = hashlib.sha256(key.read_bytes()).hexdigest()
    assert sources.place_key(Source("http://a.example", "x", key=key, key_sha256=good), tmp_path / "k").suffix == ".asc"
    with pytest.raises(ConfigError, match="another one"):
        sources.place_key(Source("http://a.example", "x", key=key, key_sha256="0" * 64), tmp_path / "k")


@pytest.mark.parametrize(
    "name", ["-oDir::Etc=/x", "bash-", "bash/sid", "linux-*", "Bash", "a b", "?essential", "foo,bar", ""]
)
def test_what_apt_would_take_for_something_else_is_refused_with_its_line(name: str) -> None:
    plan = replace(PLAN, packages=Packages((name,), where=Where("small.ks", 20)))
    assert [fault for fault in sources.problems(plan) if fault.startswith("small.ks:20: ")]


@pytest.mark.parametrize(
    "name", ["bash", "g++", "libc6:amd64", "libstdc++6", "python3=3.13.5-1", "linux-image-cloud-amd64"]
)
def test_names_that_debian_has_are_taken(name: str) -> None:
    assert not list(sources.problems(replace(PLAN, packages=Packages((name,)))))


def test_a_login_within_a_url_is_refused() -> None:
    plan = replace(PLAN, repositories=(replace(VENDOR, url="https://ada:s3cret@apt.vendor.example/"),))
    (fault,) = sources.problems(plan)
    assert "s3cret" not in fault


@pytest.mark.parametrize(
    ("groups", "variant", "names"),
    [
        pytest.param((), "apt", ("bash",), id="none"),
        pytest.param(("core",), "apt", ("bash",), id="core"),
        pytest.param(("standard",), "standard", ("bash",), id="a priority"),
        pytest.param(("ssh-server",), "apt", ("task-ssh-server", "bash"), id="a task"),
    ],
)
def test_groups_become_priorities_or_tasks(groups: tuple[str, ...], variant: str, names: tuple[str, ...]) -> None:
    wanted = sources.plan_packages(replace(PLAN, packages=Packages(("bash",), groups=groups)))
    assert (wanted.variant, wanted.names) == (variant, names)


def test_exclusions_carry_apts_minus_and_win_over_names() -> None:
    wanted = sources.plan_packages(replace(PLAN, packages=Packages(("bash", "nano"), excluded=("nano", "vim"))))
    assert wanted.asked == ("bash", "apt", "passwd", "nano-", "vim-")
