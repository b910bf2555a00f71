"""mmdebstrap's command line, and what dpkg's status says afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install.debian import bootstrap, sources
from flight.workflows.install.debian import family as debian
from flight.workflows.kickstart.plan import InstallPlan, Packages, Where
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.progress import Progress

PLAN = InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian", packages=Packages(("bash", "gcc")))


def test_mmdebstrap_updates_nothing_and_cleans_no_cache() -> None:
    argv = bootstrap.render_arguments(PLAN, sources.plan_packages(PLAN))
    assert "--skip=check/empty,update,cleanup/apt" in argv
    assert "--include=bash,gcc,apt,passwd" in argv
    assert argv[-3:] == ["trixie", "/target", "/etc/flight.list"]


@pytest.mark.parametrize(("wants", "word"), [(True, "true"), (False, "false")])
def test_recommends_are_as_the_plan_says_in_both_phases(wants: bool, word: str) -> None:
    plan = replace(PLAN, packages=Packages(recommends=wants))
    assert f'APT::Install-Recommends "{word}";' in bootstrap.settings_of(plan)


def test_documentation_and_languages_are_left_out_by_dpkg_itself() -> None:
    plan = replace(PLAN, packages=Packages(docs=False, languages=("de_DE.UTF-8",)))
    lines = bootstrap.render_dpkg_options(plan)
    assert "path-exclude=/usr/share/man/*" in lines
    assert "path-include=/usr/share/doc/*/copyright" in lines
    assert "path-include=/usr/share/locale/de/*" in lines
    assert not [line for line in bootstrap.render_dpkg_options(PLAN) if line.startswith("path-")]


def _tree(folder: Path, status: str) -> Path:
    (folder / "var/lib/dpkg").mkdir(parents=True)
    (folder / "var/lib/dpkg/status").write_text(status)
    return folder


def test_installed_packages_come_with_their_versions(tmp_path: Path) -> None:
    status = (
        "Package: b\nStatus: install ok installed\nVersion: 2:1-1\n\n"
        "Package: a\nStatus: install ok installed\nVersion: 1\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    assert bootstrap.installed(_tree(tmp_path, status)) == {"a": "1", "b": "2:1-1"}


def test_a_package_that_is_half_installed_is_an_error(tmp_path: Path) -> None:
    tree = _tree(tmp_path, "Package: b\nStatus: install ok half-configured\nVersion: 1\n")
    with pytest.raises(ProgramError, match="b is left 'install ok half-configured'"):
        bootstrap.installed(tree)


def test_an_excluded_package_that_came_in_is_an_error_with_its_line() -> None:
    plan = replace(PLAN, packages=Packages(excluded=("dash",), where=Where("small.ks", 9)))
    wanted = sources.plan_packages(plan)
    debian.check_installed(plan, wanted, {"bash": "1"})
    with pytest.raises(RecipeError, match=r"small\.ks:9: excluded, and installed nevertheless: dash"):
        debian.check_installed(plan, wanted, {"bash": "1", "dash": "1"})


def test_dpkgs_words_become_progress() -> None:
    told: list[Progress] = []
    heard = bootstrap._counting(2, told.append)
    for line in ("Unpacking a (1) ...", "noise", "Unpacking b (1) ...", "Setting up a (1) ...", "Setting up b (1) ..."):
        heard(line)
    assert [progress.percent for progress in told] == [25, 50, 75, 100]


def test_a_tree_loses_what_only_the_installation_needed(tmp_path: Path) -> None:
    for name in (
        "etc/apt/apt.conf.d/99mmdebstrap",
        "etc/resolv.conf",
        "etc/ssh/ssh_host_rsa_key",
        "etc/ssh/sshd_config",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "var/lib/apt/lists/mirror.example_Packages").mkdir(parents=True)
    bootstrap.tidy(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["etc/ssh/sshd_config"]
    assert list((tmp_path / "var/lib/apt/lists").iterdir()) == [tmp_path / "var/lib/apt/lists/partial"]
