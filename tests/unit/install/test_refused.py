"""What an installer cannot honour is refused, every fault with its line, before anything is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flight.workflows.install import build_disk
from flight.workflows.kickstart.plan import InstallPlan, Network, Packages, Partition, Repository, Script, Where
from flight.workflows.kit.errors import RecipeError
from flight.workflows.settings import Programs

LINE = Where("small.ks", 7)
PLAN = InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian")
EL = replace(PLAN, family="el", release="9", mirror_key="/keys/mirror.asc")
REFUSED = {
    "pre script": ({"scripts": (Script("pre", "", where=LINE),)}, "%pre runs on the machine that installs"),
    "nochroot": ({"scripts": (Script("post", "", in_chroot=False, where=LINE),)}, "run it in the system"),
    "static address": ({"network": Network(bootproto="static", where=LINE)}, "an image's address comes by DHCP"),
    "package": ({"packages": Packages(("Not A Name",), where=LINE)}, "'Not A Name' is no name of a Debian package"),
    "architecture": ({"architecture": "mips", "packages": Packages(where=LINE)}, "mips is not built here; give x86_64"),
    "login": ({"repositories": (Repository("v", "http://a:b@x/", where=LINE),)}, "'v' holds a space or a login"),
}
REFUSED_EL = {
    "release": ({"release": "6"}, "small: release = '6' is not built; the releases are "),
    "architecture": (REFUSED["architecture"][0], "small.ks:7: the architecture mips is not built here"),
    "login": (REFUSED["login"][0], "small.ks:7: http://a:b@x/: the address of a repository holds a login"),
    "no key": ({"mirror_key": ""}, "small: [sources] names no key"),
    "space": ({"mirror": "http://a/b c"}, "http://a/b c: the address of a repository holds a space or a comma"),
    "folder": ({"mirror": "file://host/x"}, "file://host/x: the address of a folder is file:///PATH"),
    "name": ({"repositories": (Repository("a b", "http://x/", where=LINE),)}, "'a b' is no name for a repository"),
    "nothing": ({"packages": Packages(where=LINE)}, "small.ks:7: no package and no group is asked for"),
    "label": (
        {"partitions": (Partition("/", "xfs", 900, label="a-long-label-", where=LINE),)},
        "small.ks:7: a label of xfs has 12 letters at most",
    ),
}


def refusal(plan: InstallPlan, folder: Path) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        build_disk(plan, folder / "tree", folder / "disk.qcow2", programs=Programs(), log_to=folder / "logs")
    assert not [*folder.iterdir()]
    return caught.value


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED)
def test_what_debians_installer_cannot_do_is_refused_with_its_line(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    error = refusal(replace(PLAN, **changes), tmp_path)
    assert error.what == "small asks for what this installer cannot do"
    assert error.why.startswith("small.ks:7: ")
    assert said in error.why


@pytest.mark.parametrize(("changes", "said"), REFUSED_EL.values(), ids=REFUSED_EL)
def test_what_enterprise_linuxs_installer_cannot_do_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(replace(EL, **changes), tmp_path).why


def test_an_installers_own_name_is_not_for_a_repository(tmp_path: Path) -> None:
    from flight.workflows.install.el.sources import BASE

    repository = Repository(BASE, "https://vendor.example/", where=LINE)
    assert "give this one another name" in refusal(replace(EL, repositories=(repository,)), tmp_path).why


def test_selinux_is_not_built_for_debian(tmp_path: Path) -> None:
    assert "selinux --enforcing is not built for Debian" in refusal(replace(PLAN, selinux="enforcing"), tmp_path).why


def test_a_family_that_nobody_builds_is_refused(tmp_path: Path) -> None:
    assert "the family 'arch' cannot be installed" in refusal(replace(PLAN, family="arch"), tmp_path).why
