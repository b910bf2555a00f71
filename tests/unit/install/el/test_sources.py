"""A plan's words in dnf's: repositories, configuration, what is asked for."""

from __future__ import annotations

import configparser
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install.el import sources
from flight.workflows.kickstart.plan import InstallPlan, Packages, Repository, Where
from flight.workflows.kit.errors import ConfigError

PLAN = InstallPlan(
    recipe="node",
    version="1",
    family="el",
    release="9",
    mirror="http://mirror.example/9/BaseOS/x86_64/os/",
    mirror_key="/keys/distribution",
    packages=Packages(
        names=("gcc", "make"),
        groups=("core", "nodejs:18"),
        environment="minimal-environment",
        excluded=("vim", "*-firmware"),
        where=Where("node.ks.j2", 7),
    ),
)
VENDOR = Repository(
    "vendor", "https://b.example/rpm", user_from="VENDOR_USER", password_from="VENDOR_PASSWORD", key="/keys/vendor"
)


def section(text: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    (name,) = parser.sections()
    return dict(parser[name])


def test_the_environment_comes_first_then_groups_and_streams_then_packages() -> None:
    words = sources.plan_words(PLAN)
    assert words[:3] == ["install", "--exclude=vim", "--exclude=*-firmware"]
    assert words[3:] == ["@minimal-environment", "@core", "@nodejs:18", "gcc", "make"]


def test_a_repository_is_taken_under_its_key_only() -> None:
    text = sources.render_repository(sources.Source("own", "http://b.example/rpm", Path("key")), "/etc/flight/key-0")
    found = section(text)
    assert (found["gpgcheck"], found["gpgkey"]) == ("1", "file:///etc/flight/key-0")
    assert found["repo_gpgcheck"] == "0"


def test_an_index_is_checked_where_the_recipe_says_that_it_is_signed() -> None:
    source = sources.Source("own", "http://b.example/rpm", Path("key"), signed_index=True)
    assert section(sources.render_repository(source, "/key"))["repo_gpgcheck"] == "1"


def test_what_a_repository_is_taken_for_reaches_dnf() -> None:
    source = sources.Source(
        "own", "http://b.example/rpm", Path("key"), cost=500, include=("slurm*",), exclude=("gcc", "g++")
    )
    found = section(sources.render_repository(source, "/key"))
    assert (found["cost"], found["includepkgs"], found["excludepkgs"]) == ("500", "slurm*", "gcc,g++")


def test_a_login_is_written_only_where_it_is_asked_for() -> None:
    source = sources.Source("own", "http://b.example/rpm", Path("key"), login=("ada", "n0t-t0-be-f0und"))
    assert "n0t-t0-be-f0und" not in sources.render_repository(source, "/key")
    assert section(sources.render_repository(source, "/key", login=True))["password"] == "n0t-t0-be-f0und"


def test_a_login_comes_from_the_environment() -> None:
    plan = replace(PLAN, repositories=(VENDOR,))
    _, vendor = sources.sources_of(plan, {"VENDOR_USER": "ada", "VENDOR_PASSWORD": "secret"})
    assert vendor.login == ("ada", "secret")
    with pytest.raises(ConfigError, match="VENDOR_USER is not set"):
        sources.sources_of(plan, {})


@pytest.mark.parametrize(
    ("packages", "line"),
    [
        pytest.param(Packages(), "install_weak_deps=1", id="weak dependencies come along"),
        pytest.param(Packages(recommends=False), "install_weak_deps=0", id="but for --exclude-weakdeps"),
        pytest.param(Packages(docs=False), "tsflags=nodocs", id="no documentation"),
        pytest.param(Packages(group_packages="mandatory"), "group_package_types=mandatory", id="--nodefaults"),
        pytest.param(Packages(group_packages="all"), "group_package_types=mandatory,default,optional", id="--optional"),
        pytest.param(Packages(ignore_missing=True), "strict=0", id="--ignoremissing"),
        pytest.param(Packages(), "module_platform_id=platform:el9", id="modules know the release"),
    ],
)
def test_what_the_kickstart_says_of_packages_stands_in_dnfs_configuration(packages: Packages, line: str) -> None:
    assert line in sources.render_configuration(replace(PLAN, packages=packages)).splitlines()


@pytest.mark.parametrize(
    ("release", "path", "backend"),
    [
        pytest.param("8", "/var/lib/rpm", "sqlite", id="8 is handed over later"),
        pytest.param("9.4", "/var/lib/rpm", "sqlite", id="9"),
        pytest.param("10", "/usr/lib/sysimage/rpm", "sqlite", id="10"),
    ],
)
def test_the_list_of_packages_lies_where_the_release_looks_for_it(release: str, path: str, backend: str) -> None:
    macros = sources.render_macros(replace(PLAN, release=release)).splitlines()
    assert macros[:2] == [f"%_dbpath {path}", f"%_db_backend {backend}"]


def test_languages_are_a_macro_of_rpms() -> None:
    plan = replace(PLAN, packages=Packages(languages=("en", "de_DE")))
    assert "%_install_langs en:de_DE" in sources.render_macros(plan).splitlines()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"release": "7"}, "release = '7' is not built", id="an old release"),
        pytest.param({"release": "stream"}, "release = 'stream' is not built", id="a word"),
        pytest.param({"architecture": "aarch64"}, "aarch64 is not built", id="another architecture"),
        pytest.param({"mirror_key": ""}, "names no key", id="no key"),
        pytest.param(
            {"repositories": (Repository("base", "http://b.example/"),)}, "'base' is what", id="a name that is taken"
        ),
        pytest.param({"repositories": (Repository("own", "http://a:b@b.example/"),)}, "holds a login", id="a login"),
    ],
)
def test_what_dnf_cannot_take_is_told(changes: dict[str, object], said: str) -> None:
    (problem,) = sources.problems(replace(PLAN, **changes))  # type: ignore[arg-type]
    assert said in problem


@pytest.mark.parametrize("password", ["x\nsslverify=0", "pa$basearch", " padded", '"quoted"', "tab\there"])
def test_a_login_that_dnf_would_change_is_refused(password: str) -> None:
    plan = replace(PLAN, repositories=(VENDOR,))
    with pytest.raises(ConfigError, match="cannot be told to dnf"):
        sources.sources_of(plan, {"VENDOR_USER": "ada", "VENDOR_PASSWORD": password})


@pytest.mark.parametrize("release", ["09", "9.", "9.x", "9.4.1", ""])
def test_a_release_is_a_number_with_or_without_a_minor(release: str) -> None:
    assert sources.major(replace(PLAN, release=release)) == 0
    assert (sources.major(PLAN), sources.major(replace(PLAN, release="10.1"))) == (9, 10)


@pytest.mark.parametrize(
    "url", ["http://a.example/x,y", "http://a.example/x y", "file:///srv/$releasever", "file://host/x"]
)
def test_an_address_that_dnf_would_read_as_another_is_refused(url: str) -> None:
    (problem,) = sources.problems(replace(PLAN, mirror=url))
    assert "the address of a" in problem


@pytest.mark.parametrize("names", [("main",), ("A B",), ("../x",), ("a", "a"), ("[x",)])
def test_a_repositorys_name_is_one_that_dnf_takes(names: tuple[str, ...]) -> None:
    plan = replace(PLAN, repositories=tuple(Repository(name, "http://b.example/") for name in names))
    assert len([line for line in sources.problems(plan) if "no name for a repository" in line]) == len(names)


def test_nothing_to_install_is_no_plan() -> None:
    plan = replace(PLAN, packages=Packages(excluded=("vim",)))
    assert [line for line in sources.problems(plan) if "no package and no group" in line]


def test_an_index_is_kept_for_one_key_only(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"a key")
    other.write_bytes(b"another")
    url = "http://a.example/"
    assert sources.key_of([sources.Source("own", url, one)]) != sources.key_of([sources.Source("own", url, other)])


def test_indexes_are_kept_apart_by_their_sources() -> None:
    one, other = (sources.Source("own", url, Path("key")) for url in ("http://a.example/", "http://b.example/"))
    assert sources.key_of([one]) != sources.key_of([other])
    assert sources.key_of([one]) == sources.key_of([replace(one, login=("a", "b"))])


def test_a_folder_of_this_host_is_known_as_one() -> None:
    assert sources.Source("own", "file:///srv/my%20mirror", Path("key")).folder == "/srv/my mirror"
    assert sources.Source("own", "http://b.example/srv", Path("key")).folder == ""


def test_the_key_is_the_one_that_the_recipe_knows(tmp_path: Path) -> None:
    from flight.workflows.install.trust import read_key

    key = tmp_path / "key"
    key.write_bytes(b"a key")
    assert read_key(key, sha256=hashlib.sha256(b"a key").hexdigest().upper(), named="it") == b"a key"
    with pytest.raises(ConfigError, match="is another one"):
        read_key(key, sha256="0" * 64, named="it")
    with pytest.raises(ConfigError, match="is not here"):
        read_key(tmp_path / "none", sha256="", named="it")
