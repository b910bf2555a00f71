"""Enterprise Linux's own files of /etc, and what its packages must bring for them."""

from __future__ import annotations

import configparser
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install.el import family, selinux
from flight.workflows.kickstart.plan import InstallPlan, Network, Packages, Repository
from flight.workflows.kit.errors import RecipeError

PLAN = InstallPlan("node", "1", "el", "9", "http://m.example/", mirror_key="/key")


def touch(tree: Path, *paths: str, text: str = "") -> None:
    for path in paths:
        at = tree / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)


def files(plan: InstallPlan, tree: Path) -> dict[str, str]:
    return {file.path: file.content.decode() for file in family.configuration(plan, tree)}


def test_locale_keyboard_clock_and_kernel_have_files_of_their_own(tmp_path: Path) -> None:
    found = files(replace(PLAN, keyboard="de"), tmp_path)
    assert found["/etc/locale.conf"] == "LANG=C.UTF-8\n"
    assert found["/etc/vconsole.conf"] == "KEYMAP=de\n"
    assert found["/etc/adjtime"].endswith("UTC\n")
    assert found["/etc/kernel/cmdline"].startswith("root=UUID=")
    assert "DEFAULTKERNEL=kernel-core" in found["/etc/sysconfig/kernel"]


def test_a_locale_needs_its_package(tmp_path: Path) -> None:
    german = replace(PLAN, language="de_DE.UTF-8")
    with pytest.raises(RecipeError) as caught:
        files(german, tmp_path)
    assert "glibc-langpack-de" in caught.value.fix
    touch(tmp_path, "/usr/lib/locale/de_DE.utf8/LC_CTYPE")
    assert files(german, tmp_path)["/etc/locale.conf"] == "LANG=de_DE.UTF-8\n"


def test_network_manager_gets_a_connection_that_only_root_reads(tmp_path: Path) -> None:
    touch(tmp_path, family.NETWORK_MANAGER)
    (file,) = [each for each in family.configuration(PLAN, tmp_path) if "NetworkManager" in each.path]
    assert (file.path, file.mode) == ("/etc/NetworkManager/system-connections/eth0.nmconnection", 0o600)
    assert family.enabled_units(PLAN, tmp_path) == ("NetworkManager.service",)


def test_without_it_systemd_does_the_same(tmp_path: Path) -> None:
    assert "/etc/systemd/network/80-eth0.network" in files(PLAN, tmp_path)
    assert family.enabled_units(PLAN, tmp_path) == ("systemd-networkd.service",)


def test_a_connection_names_the_interface_and_no_hardware() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(family.render_connection(Network("eth0", ipv6=False), uuid.UUID(int=1)))
    assert (parser["connection"]["interface-name"], parser["ipv4"]["method"]) == ("eth0", "auto")
    assert parser["ipv6"]["method"] == "disabled"
    assert "ethernet" not in parser


def test_selinux_needs_a_policy(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="selinux --enforcing needs a policy"):
        files(replace(PLAN, selinux="enforcing"), tmp_path)
    files(replace(PLAN, selinux="disabled"), tmp_path)


def test_the_mode_is_changed_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    touch(tmp_path, "/etc/selinux/targeted/contexts/files/file_contexts")
    touch(tmp_path, selinux.CONFIG, text="# a note\nSELINUX=enforcing\nSELINUXTYPE=targeted\n")
    found = files(replace(PLAN, selinux="permissive"), tmp_path)
    assert found[selinux.CONFIG] == "# a note\nSELINUX=permissive\nSELINUXTYPE=targeted\n"
    assert selinux.set_mode("", "disabled") == "SELINUX=disabled\n"


def test_the_policys_list_is_found_by_the_policys_name(tmp_path: Path) -> None:
    touch(tmp_path, selinux.CONFIG, text="SELINUXTYPE=mls\n")
    assert selinux.contexts_of(tmp_path) is None
    touch(tmp_path, "/etc/selinux/mls/contexts/files/file_contexts")
    assert selinux.contexts_of(tmp_path) == tmp_path / "etc/selinux/mls/contexts/files/file_contexts"


def test_a_repository_that_stays_has_its_key_and_no_login(tmp_path: Path) -> None:
    key = tmp_path / "vendor.asc"
    key.write_text("a key")
    stays = Repository("vendor", "https://b.example/rpm", key=str(key), stays=True, user_from="A", password_from="B")
    found = files(replace(PLAN, repositories=(stays, Repository("gone", "https://c.example/", key=str(key)))), tmp_path)
    assert found["/etc/pki/rpm-gpg/RPM-GPG-KEY-vendor"] == "a key"
    assert "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-vendor" in found["/etc/yum.repos.d/vendor.repo"]
    assert "password" not in found["/etc/yum.repos.d/vendor.repo"]
    assert "/etc/yum.repos.d/gone.repo" not in found


def test_languages_stay_chosen_for_later_updates(tmp_path: Path) -> None:
    found = files(replace(PLAN, packages=Packages(languages=("en",))), tmp_path)
    assert found["/etc/rpm/macros.image-language-conf"] == "%_install_langs en\n"
