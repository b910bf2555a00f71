"""The configuration as text, and what is refused with its line."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install import configure, disk, system, times
from flight.workflows.install.debian import family as debian
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import (
    Bootloader,
    InstallPlan,
    Network,
    Repository,
    Script,
    SshKey,
    User,
    VendorFile,
    Where,
)
from flight.workflows.kit.errors import RecipeError

PLAN = InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian")
HERE = Where("small.ks", 7)
PASSWD = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada:/home/ada:/bin/bash\n"


def _texts(plan: InstallPlan, tree: Path) -> dict[str, str]:
    files = [*configure.shared_files(plan, plan_layout(plan)), *debian.configuration(plan, tree)]
    return {file.path: file.content.decode() for file in files}


def test_the_build_hosts_names_and_mirror_are_in_no_file(tmp_path: Path) -> None:
    texts = _texts(replace(PLAN, image_sources=("deb http://azure.example/debian trixie main",)), tmp_path)
    assert texts["/etc/hostname"] == "localhost\n"
    assert texts["/etc/apt/sources.list"] == "deb http://azure.example/debian trixie main\n"
    assert not [path for path, text in texts.items() if "mirror.example" in text]


def test_a_machine_gets_its_identity_at_boot() -> None:
    files = {file.path: file for file in configure.shared_files(PLAN, plan_layout(PLAN))}
    assert files["/etc/machine-id"].content == b""


def test_kernel_arguments_reach_grub_in_their_order_and_quoted() -> None:
    arguments = ("console=tty0", "console=ttyS1,9600n8", "module.option='a b'", "x=$HOME")
    text = configure.render_grub_defaults(replace(PLAN, bootloader=Bootloader(arguments, timeout_s=3)))
    settings = dict(line.split("=", 1) for line in text.splitlines())
    assert shlex.split(settings["GRUB_CMDLINE_LINUX"]) == [" ".join(arguments)]
    assert settings["GRUB_TIMEOUT"] == "3"
    assert settings["GRUB_SERIAL_COMMAND"] == '"serial --unit=1 --speed=9600 --word=8 --parity=no --stop=1"'


def test_the_interface_has_a_name_and_no_hardware_address(tmp_path: Path) -> None:
    text = _texts(replace(PLAN, network=Network("eth0", ipv6=False)), tmp_path)["/etc/systemd/network/80-eth0.network"]
    assert text == "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n"


def test_ifupdown_is_told_where_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/ifup").touch()
    assert _texts(PLAN, tmp_path)["/etc/network/interfaces.d/eth0"].startswith("auto eth0\niface eth0 inet dhcp\n")
    assert debian.enabled_units(PLAN, tmp_path) == ()


def test_a_repository_stays_with_its_key_and_without_its_login(tmp_path: Path) -> None:
    key = tmp_path / "vendor.asc"
    key.write_bytes(b"-----BEGIN PGP")
    kept = Repository("vendor", "https://v.example/d", key=str(key), user_from="U", password_from="P", stays=True)
    gone = Repository("other", "https://o.example/d")
    texts = _texts(replace(PLAN, repositories=(kept, gone)), tmp_path)
    assert texts["/etc/apt/keyrings/vendor.asc"] == "-----BEGIN PGP"
    line = "deb [signed-by=/etc/apt/keyrings/vendor.asc] https://v.example/d trixie main\n"
    assert texts["/etc/apt/sources.list.d/vendor.list"] == line
    assert not [path for path in texts if "other" in path]


@pytest.mark.parametrize(("language", "generated"), [("C.UTF-8", False), ("de_DE.UTF-8", True)])
def test_a_locale_is_generated_where_glibc_does_not_hold_it(language: str, generated: bool, tmp_path: Path) -> None:
    texts = _texts(replace(PLAN, language=language), tmp_path)
    assert texts["/etc/default/locale"] == f"LANG={language}\n"
    assert ("/etc/locale.gen" in texts) is generated


def test_keys_belong_to_their_user_alone() -> None:
    plan = replace(PLAN, keys=(SshKey("ada", "ssh-ed25519 AAAA"), SshKey("ada", "ssh-rsa BBBB")))
    folder, keys = configure.key_files(plan, PASSWD)
    assert (folder.path, folder.mode, folder.owner, folder.group) == ("/home/ada/.ssh/", 0o700, "1000", "1001")
    assert (keys.content, keys.mode, keys.owner) == (b"ssh-ed25519 AAAA\nssh-rsa BBBB\n", 0o600, "1000")


def test_a_key_for_nobody_names_its_line() -> None:
    with pytest.raises(RecipeError, match=r"small\.ks:7: there is no user 'eve'"):
        list(configure.key_files(replace(PLAN, keys=(SshKey("eve", "ssh-rsa B", HERE),)), PASSWD))


def test_an_account_is_made_as_the_plan_says() -> None:
    user = User("ada", ("adm", "sudo"), "Ada L", "/bin/zsh", "/srv/ada", 1500, 1600)
    assert configure.useradd(user) == [
        *("useradd", "--create-home", "--shell", "/bin/zsh", "--comment", "Ada L", "--home-dir", "/srv/ada"),
        *("--uid", "1500", "--gid", "1600", "--groups", "adm,sudo", "ada"),
    ]


def test_a_vendors_file_is_what_its_digest_says(tmp_path: Path) -> None:
    source = tmp_path / "tool.conf"
    source.write_bytes(b"x = 1\n")
    good = VendorFile(str(source), "/etc/tool.conf", hashlib.sha256(b"x = 1\n").hexdigest(), "0640")
    (file,) = configure.vendor_files(replace(PLAN, files=(good,)))
    assert (file.path, file.content, file.mode) == ("/etc/tool.conf", b"x = 1\n", 0o640)
    with pytest.raises(RecipeError, match="was changed while the build ran"):
        list(configure.vendor_files(replace(PLAN, files=(replace(good, sha256="0" * 64),))))
    source.unlink()
    with pytest.raises(RecipeError, match="cannot be read"):
        list(configure.vendor_files(replace(PLAN, files=(good,))))


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        pytest.param(replace(PLAN, scripts=(Script("pre", "x", where=HERE),)), "%pre runs on", id="%pre"),
        pytest.param(
            replace(PLAN, scripts=(Script("post", "x", in_chroot=False, where=HERE),)), "--nochroot", id="nochroot"
        ),
        pytest.param(replace(PLAN, network=Network(bootproto="static", where=HERE)), "--bootproto=static", id="static"),
    ],
)
def test_what_no_installer_here_can_do_is_refused_with_its_line(plan: InstallPlan, said: str) -> None:
    (fault,) = system.problems(plan)
    assert fault.startswith("small.ks:7: ")
    assert said in fault


def test_every_menu_entrys_arguments_are_read_from_the_boot_menu(tmp_path: Path) -> None:
    menu = (
        "\tlinux\t/boot/vmlinuz-1 root=UUID=x ro  a=1\n  linux /boot/vmlinuz-1 root=UUID=x ro  a=1\nlinux /v single\n"
    )
    (tmp_path / "boot/grub").mkdir(parents=True)
    (tmp_path / "boot/grub/grub.cfg").write_text(menu)
    assert debian.command_lines(tmp_path) == ["root=UUID=x ro a=1", "single"]


def test_only_what_the_build_made_gets_the_builds_time(tmp_path: Path) -> None:
    import os

    old, new = tmp_path / "old", tmp_path / "new"
    for path, time in ((old, 5_000), (new, 20_000)):
        path.touch()
        os.utime(path, (time, time))
    assert times.clamp(tmp_path, since=10_000, to=1_000) == 2  # the file and the folder
    assert [path.stat().st_mtime for path in (old, new, tmp_path)] == [5_000, 1_000, 1_000]


def test_the_packages_tell_the_time_where_the_plan_does_not() -> None:
    dates = ["Sat, 12 Sep 2026 07:55:41 UTC", "Sat, 21 Nov 2026 02:10:46 UTC"]
    assert times.epoch_of(PLAN, dates) == 1795227046
    assert times.epoch_of(replace(PLAN, source_date_epoch=17), dates) == 17


def test_inodes_in_use_are_all_but_the_free_ones() -> None:
    dumped = (
        "Inode count:              32\nFirst inode:              11\n"
        "Group 0: (Blocks 0-1)\n  Free inodes: 14-16\nGroup 1: (Blocks 2-3)\n  Free inodes: 18, 20-32\n"
    )
    assert disk.used_inodes(dumped) == [2, 11, 12, 13, 17, 19]
