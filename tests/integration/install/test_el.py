"""Enterprise Linux without a virtual machine, on a distribution in its manner (../rpm), looked at by readers of other makes."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import pickle
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flight.workflows.hypervisor.boot import Expected, boot_to_login
from flight.workflows.hypervisor.domain import Firmware
from flight.workflows.install import build_disk, install_packages
from flight.workflows.install.isolation import Bind, Machine, Volatile
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import (
    Bootloader,
    InstallPlan,
    Module,
    Packages,
    Partition,
    Repository,
    Script,
    Services,
    SshKey,
    User,
    VendorFile,
    Where,
)
from flight.workflows.kit.arriving import MARK
from flight.workflows.kit.errors import FlightError, ProgramError, RecipeError, RemoteError, SpaceError
from flight.workflows.settings import Programs, parse_settings
from rpm.distribution import NEWER, Distribution, build, newer_kernel

MIB = 1 << 20
BOOTABLE = (
    "authselect",
    "e2fsprogs",
    "firewalld",
    "grub2-efi-x64",
    "grub2-pc",
    "grub2-pc-modules",
    "grub2-tools",
    "kernel",
    "policycoreutils",
    "rpm",
    "selinux-policy-targeted",
    "shim-x64",
    "sudo",
    "xfsprogs",
)
CONSOLE = ("console=tty0", "console=ttyS0,115200n8")
LOOK = """\
set -e
cat /etc/kernel/cmdline > /root/looked
rpm -qa --qf '%{NAME}\n' | sort > /root/rpm-qa
cat <(echo through a pipe with a name)
"""


def said(*argv: str | Path) -> str:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True).stdout


def disk_of(root: str) -> tuple[Partition, ...]:
    return (
        Partition("biosboot", "biosboot", 1),
        Partition("/boot/efi", "vfat", 64, label="EFI"),
        Partition("/", root, 1500, grow=True, label="root", where=Where("el.ks", 11)),
    )


@pytest.fixture(scope="session")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The distribution; its packages are built once and kept."""
    return build(tmp_path_factory.mktemp("testlinux") / "mirror")


@pytest.fixture(scope="session")
def mirror(linux: Distribution) -> Iterator[str]:
    """Its address on loopback."""
    handler = functools.partial(Silent, directory=linux.folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *args: Any) -> None:
        """Stays silent."""


@pytest.fixture(scope="session")
def plan(linux: Distribution, mirror: str) -> InstallPlan:
    """The least that boots both ways."""
    return InstallPlan(
        recipe="el",
        version="1",
        family="el",
        release="9",
        mirror=linux.url("BaseOS", base=mirror),
        mirror_key=str(linux.key),
        mirror_signs_index=True,
        disk_gib=4,
        partitions=disk_of("ext4"),
        packages=Packages(BOOTABLE, ("core",), recommends=False, where=Where("el.ks", 5)),
        repositories=(Repository("appstream", linux.url("AppStream", base=mirror), key=str(linux.key)),),
        selinux="permissive",
        authselect="select minimal --force",
        firewall="enabled",
        bootloader=Bootloader(CONSOLE, timeout_s=1),
        users=(User("grace", ("wheel",), "Grace"),),
        keys=(SshKey("grace", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 grace"),),
        services=Services(("sshd",), (), Where("el.ks", 6)),
        scripts=(Script("post", LOOK, interpreter="/bin/bash", log="/root/post.log", where=Where("el.ks", 20)),),
    )


@dataclass(frozen=True)
class Made:
    """Where everything lies."""

    plan: InstallPlan
    work: Path
    tree_facts: dict[str, Any]
    disk_facts: dict[str, Any]

    @property
    def tree(self) -> Path:
        return self.work / "el.tree"

    @property
    def disk(self) -> Path:
        return self.work / "el.qcow2"


@pytest.fixture(scope="session")
def made(plan: InstallPlan, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The tree and the disk, built once."""
    work = tmp_path_factory.mktemp("el")
    tree_facts = install(plan, work / "el.tree", cache=work / "cache")
    disk_facts = build_disk(plan, work / "el.tree", work / "el.qcow2", programs=Programs(), log_to=work / "logs")
    return Made(plan, work, tree_facts, disk_facts)


def install(plan: InstallPlan, to: Path, *, cache: Path) -> dict[str, Any]:
    return install_packages(plan, to, cache=cache, programs=Programs(), log_to=to.parent / "logs")


class Disk:
    """A disk's root filesystem, read by debugfs."""

    def __init__(self, disk: Path, plan: InstallPlan) -> None:
        self.raw = disk.with_suffix(".raw")
        said("qemu-img", "convert", "-O", "raw", disk, self.raw)
        self.image = f"{self.raw}?offset={plan_layout(plan).at('/').start}"

    def text(self, path: str) -> str:
        return said("debugfs", "-R", f"cat {path}", self.image)

    def names(self, path: str) -> set[str]:
        listed = said("debugfs", "-R", f"ls -p {path}", self.image)
        return set(re.findall(r"/([^/]+)/\d*/$", listed, re.M)) - {".", ".."}

    def label(self, path: str) -> str:
        found = re.search(r'"([^"\\]*)', said("debugfs", "-R", f"ea_get {path} security.selinux", self.image))
        return found[1] if found else ""


@pytest.fixture(scope="module")
def disk(made: Made) -> Disk:
    return Disk(made.disk, made.plan)


def test_the_facts_name_packages_and_the_indexes_they_came_from(made: Made) -> None:
    packages = made.tree_facts["packages"]
    assert set(BOOTABLE) <= set(packages)
    assert packages["bash"].endswith(".el9.x86_64")
    assert [index["suite"] for index in made.tree_facts["indexes"]] == ["base 9", "appstream 9"]
    assert all(len(index["sha256"]) == 64 and index["date"] for index in made.tree_facts["indexes"])


def test_the_systems_own_rpm_has_the_same_packages_on_its_list(made: Made, disk: Disk) -> None:
    assert set(disk.text("/root/rpm-qa").split()) - {"gpg-pubkey"} == set(made.tree_facts["packages"])


def test_the_groups_are_known_to_later_updates(made: Made, tmp_path: Path) -> None:
    history = shutil.copytree(made.tree / "var/lib/dnf", tmp_path / "dnf") / "history.sqlite"
    with contextlib.closing(sqlite3.connect(history)) as known:
        groups = known.execute("select groupid from comps_group").fetchall()
    found_none = "is not available" in (made.work / "logs/dnf.log").read_text()  # Debian 13's dnf: see el/comps.py
    assert found_none != (("core",) in groups)


def test_nothing_of_the_build_stays_in_the_tree(made: Made) -> None:
    for gone in ("etc/kernel/cmdline", "etc/kernel/install.d/50-dracut.install", "etc/flight", "var/cache/flight"):
        assert not (made.tree / gone).exists()
    assert not list(made.tree.glob("boot/loader/entries/*"))
    assert not list(made.tree.rglob("*.rpm"))
    assert not list(made.tree.glob("var/cache/dnf/*"))
    assert (made.tree / "etc/machine-id").read_bytes() == b""
    assert not list(made.tree.rglob(".rpmdb"))


def test_nothing_half_made_stays_beside_it(made: Made) -> None:
    assert not [path for path in made.work.rglob(f"{MARK}*")]
    assert str(made.work) not in Path("/proc/self/mounts").read_text()


def test_the_kernels_command_line_is_the_recipes_and_not_the_build_hosts(made: Made, disk: Disk) -> None:
    uuid = plan_layout(made.plan).at("/").identifier
    wanted = f"root=UUID={uuid} ro {' '.join(CONSOLE)}"
    assert made.disk_facts["command_lines"] == [wanted]
    assert disk.text("/etc/kernel/cmdline") == f"{wanted}\n"
    assert disk.text("/root/looked") == f"{wanted}\n"  # %post and the packages it installs find it there already
    assert wanted in disk.text("/boot/grub2/grub.cfg")


def test_grubs_environment_names_the_entry_that_boots(made: Made, disk: Disk) -> None:
    (entry,) = disk.names("/boot/loader/entries")
    assert f"saved_entry={entry.removesuffix('.conf')}\n" in disk.text("/boot/grub2/grubenv")
    assert len(disk.text("/boot/grub2/grubenv")) == 1024
    kernel = made.disk_facts["kernels"][-1]
    assert f"initrd /boot/initramfs-{kernel}.img" in disk.text(f"/boot/loader/entries/{entry}")
    assert {f"vmlinuz-{kernel}", f"initramfs-{kernel}.img"} <= disk.names("/boot")


def test_the_initramfs_has_hyper_vs_drivers_and_is_for_any_machine(made: Made, disk: Disk, tmp_path: Path) -> None:
    kernel = made.disk_facts["kernels"][-1]
    initramfs = tmp_path / "initramfs.img"
    said("debugfs", "-R", f"dump /boot/initramfs-{kernel}.img {initramfs}", disk.image)
    machine = Machine(made.tree, mounts=(Volatile("/tmp"), Volatile("/run"), Bind(str(initramfs), "/tmp/initramfs")))
    listed = machine.run(["lsinitrd", "/tmp/initramfs"], why="look into the initramfs").out
    for driver in ("hv_vmbus", "hv_storvsc", "hv_netvsc", "virtio_blk"):
        assert f"/{driver}.ko" in listed


def test_the_efi_partition_holds_what_the_packages_put_there_and_the_root_holds_it_no_longer(
    made: Made, disk: Disk
) -> None:
    image = f"{disk.raw}@@{plan_layout(made.plan).at('/boot/efi').start}"
    listed = said("mdir", "-/", "-b", "-i", image)
    for name in (
        "BOOT/BOOTX64.EFI",
        "BOOT/grubx64.efi",
        "BOOT/grub.cfg",
        "testlinux/shimx64.efi",
        "testlinux/grub.cfg",
    ):
        assert f"::/EFI/{name}" in listed
    assert "fbx64.efi" not in listed
    shim = subprocess.run(["mtype", "-i", image, "::/EFI/BOOT/BOOTX64.EFI"], check=True, capture_output=True).stdout
    assert shim == (made.tree / "boot/efi/EFI/testlinux/shimx64.efi").read_bytes()
    assert disk.names("/boot/efi") == set()


def test_every_kind_of_file_has_its_label(disk: Disk) -> None:
    for path, kind in {
        "/etc/shadow": "shadow_t",
        "/usr/sbin/sshd": "sshd_exec_t",
        "/home/grace/.ssh/authorized_keys": "ssh_home_t",
        "/root/looked": "user_home_t",
        "/etc/machine-id": "etc(_runtime)?_t",
        "/boot/efi": "boot_t",
    }.items():
        assert re.search(f":{kind}:", disk.label(path)), path


def test_the_filesystem_is_clean_and_the_disk_too(disk: Disk) -> None:
    said("e2fsck", "-fn", disk.image)
    assert "No errors detected" in said("sfdisk", "--verify", disk.raw)


def test_accounts_services_firewall_and_lookups_are_as_the_plan_says(disk: Disk) -> None:
    accounts = dict(line.split(":", 2)[:2] for line in disk.text("/etc/shadow").splitlines())
    assert accounts["grace"].startswith("!")
    assert accounts["root"].startswith(("!", "*"))
    assert "grace" in disk.text("/home/grace/.ssh/authorized_keys")
    wanted = disk.names("/etc/systemd/system/multi-user.target.wants")
    assert {"sshd.service", "firewalld.service", "NetworkManager.service"} <= wanted
    assert disk.text("/etc/authselect/authselect.conf").splitlines()[0] == "minimal"
    assert "SELINUX=permissive" in disk.text("/etc/selinux/config").splitlines()
    assert disk.names("/etc/NetworkManager/system-connections") == {"eth0.nmconnection"}


def test_the_image_has_no_identity_yet(disk: Disk) -> None:
    assert disk.text("/etc/machine-id") == ""
    assert disk.text("/etc/hostname") == "localhost\n"


def test_a_script_may_name_a_pipe(disk: Disk) -> None:
    assert "through a pipe with a name" in disk.text("/root/post.log")


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_the_disk_boots_to_its_login(made: Made, tmp_path: Path, firmware: Firmware) -> None:
    assert "login:" in boot(made.disk, made.plan, tmp_path, firmware)


def boot(disk: Path, plan: InstallPlan, to: Path, firmware: Firmware) -> str:
    expected = Expected(root_uuid=plan_layout(plan).at("/").identifier, hostname="localhost")
    settings = parse_settings({}, base=to)
    return boot_to_login(disk, settings=settings, work=to, firmware=firmware, expected=expected).reached


def test_on_xfs_it_holds_the_same_and_boots(made: Made, tmp_path: Path) -> None:
    plan = replace(made.plan, partitions=disk_of("xfs"))
    disk, at = tmp_path / "xfs.qcow2", tmp_path / "mounted"
    build_disk(plan, made.tree, disk, programs=Programs(), log_to=tmp_path / "logs")
    raw = disk.with_suffix(".raw")
    said("qemu-img", "convert", "-O", "raw", disk, raw)
    at.mkdir()
    part = plan_layout(plan).at("/")
    look = f"""
        set -e
        mount -t xfs -o ro,norecovery,loop,offset={part.start},sizelimit={part.size_mib << 20} {raw} {at}
        cat {at}/etc/fstab
        {sys.executable} -c "import os; print(os.getxattr('{at}/etc/shadow', 'security.selinux'))"
        stat -c '%a %U' {at}/usr/bin/sudo {at}/etc/shadow
        diff -r --no-dereference -q {made.tree}/usr {at}/usr
    """
    seen = said("unshare", "--mount", "sh", "-c", look)
    assert f"UUID={part.identifier} / xfs defaults 0 0" in seen
    assert "shadow_t" in seen
    assert "4755 root" in seen
    assert "login:" in boot(disk, plan, tmp_path, "bios")


LEADS_OUT = """\
ln -s {ours}/secret /boot/efi/EFI/testlinux/leak.txt
ln -s {ours} /boot/efi/EFI/AAA
ln -s {ours}/secret /boot/loader/entries/x.conf
"""
OWN_MKIMAGE = """\
printf '#!/bin/sh\\nln -s {ours}/secret /tmp/made/core.img\\n' > /usr/bin/grub2-mkimage
"""


def planted(made: Made, tmp_path: Path, text: str) -> Path:
    """A disk whose %post left traps that lead to a folder of this machine."""
    ours = tmp_path / "ours"
    ours.mkdir()
    for name in ("secret", "shimx64.efi"):
        (ours / name).write_text("options precious")
    plan = replace(made.plan, scripts=(Script("post", text.format(ours=ours), where=Where("el.ks", 77)),))
    build_disk(plan, made.tree, tmp_path / "x.qcow2", programs=Programs(), log_to=tmp_path / "logs")
    return tmp_path / "x.qcow2"


def test_no_link_in_the_boot_folders_brings_a_file_of_this_machine(made: Made, tmp_path: Path) -> None:
    disk = Disk(planted(made, tmp_path, LEADS_OUT), made.plan)
    image = f"{disk.raw}@@{plan_layout(made.plan).at('/boot/efi').start}"
    assert not re.search("AAA|leak", said("mdir", "-/", "-b", "-i", image))
    assert "x.conf" not in disk.names("/boot/loader/entries")


def test_a_grub_image_that_is_none_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="grub2-mkimage made no GRUB image"):
        planted(made, tmp_path, OWN_MKIMAGE)


def test_a_policy_that_a_script_took_away_is_missed(made: Made, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="needs a policy, and none is installed"):
        planted(made, tmp_path, "rm -rf /etc/selinux/targeted")


def test_what_is_no_file_in_the_cache_is_neither_read_nor_written(made: Made, tmp_path: Path) -> None:
    plan, cache = small(made.plan, "bash"), tmp_path / "cache"
    install(plan, tmp_path / "a.tree", cache=cache)
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for path, trap in zip(sorted((cache / "rpms").glob("*.rpm"))[:3], ("link", "pipe", "loop"), strict=True):
        path.unlink()
        if trap == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(precious if trap == "link" else path)
    install(plan, tmp_path / "b.tree", cache=cache)
    assert precious.read_text() == "precious"


def test_a_newer_kernel_is_the_one_that_boots(made: Made, linux: Distribution, tmp_path: Path) -> None:
    packages = newer_kernel(linux, tmp_path / "kernel")
    update = "set -e\nrpm -i /root/*.rpm\nrm /root/*.rpm\nls /boot/loader/entries > /root/entries\n"
    plan = replace(
        made.plan,
        files=tuple(vendor_file(path) for path in packages),
        scripts=(Script("post", update, where=Where("el.ks", 30)),),
    )
    facts = build_disk(plan, made.tree, tmp_path / "new.qcow2", programs=Programs(), log_to=tmp_path / "logs")
    assert facts["kernels"][-1] == NEWER
    disk = Disk(tmp_path / "new.qcow2", plan)
    assert NEWER in disk.text("/boot/grub2/grubenv")
    first = re.search(r"^\s*linux\s+(\S+)", disk.text("/boot/grub2/grub.cfg"), re.M)
    assert first
    assert first[1] == f"/boot/vmlinuz-{NEWER}"
    assert len(disk.names("/boot/loader/entries")) == 2


def vendor_file(path: Path) -> VendorFile:
    return VendorFile(str(path), f"/root/{path.name}")


def small(plan: InstallPlan, *names: str, **changes: Any) -> InstallPlan:
    """A plan of few packages."""
    return replace(plan, packages=replace(Packages(names, recommends=False, where=Where("el.ks", 5)), **changes))


@pytest.mark.parametrize(
    ("names", "kind", "what"),
    [
        pytest.param(["nosuch"], RecipeError, "el.ks:5: no package source has nosuch", id="no such package"),
        pytest.param(["needs-missing"], RecipeError, "cannot be installed together", id="a dependency that is nowhere"),
        pytest.param(["conflict-a", "conflict-b"], RecipeError, "cannot be installed together", id="one file twice"),
        pytest.param(
            ["explicit-conflict-a", "explicit-conflict-b"], RecipeError, "installed together", id="a conflict"
        ),
        pytest.param(["unsigned"], RemoteError, "is not signed by the key", id="unsigned"),
        pytest.param(["foreign-signed"], RemoteError, "is not signed by the key", id="signed by somebody else"),
        pytest.param(["bad-checksum"], RemoteError, "does not hold what its index says", id="altered"),
        pytest.param(["missing-file"], RemoteError, "does not hold what its index says", id="404"),
        pytest.param(["bad-pretrans"], ProgramError, "own script failed: %pretrans of bad-pretrans", id="%pretrans"),
        pytest.param(["bad-pre"], ProgramError, "own script failed: %pre of bad-pre", id="%pre"),
        pytest.param(["bad-post"], ProgramError, "own script failed: %post of bad-post", id="%post"),
        pytest.param(
            ["bad-posttrans"], ProgramError, "own script failed: %posttrans of bad-posttrans", id="%posttrans"
        ),
        pytest.param(["bad-trigger"], ProgramError, "own script failed", id="a file trigger"),
        pytest.param(["wrong-owner"], ProgramError, "there is no user nobody-knows", id="an owner nobody knows"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_nothing(
    made: Made, tmp_path: Path, names: list[str], kind: type[FlightError], what: str
) -> None:
    with pytest.raises(kind) as caught:
        install(small(made.plan, "bash", "coreutils", *names), tmp_path / "t.tree", cache=made.work / "cache")
    assert what in caught.value.what
    assert caught.value.fix
    assert any(name in f"{caught.value.what} {caught.value.why}" for name in names)
    assert not list(tmp_path.glob(f"{MARK}*"))


def test_a_group_that_names_what_is_nowhere_is_no_success(made: Made, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="source has"):
        install(small(made.plan, groups=("broken",)), tmp_path / "t.tree", cache=made.work / "cache")


def test_names_that_are_nowhere_are_left_out_where_the_kickstart_says_so(made: Made, tmp_path: Path) -> None:
    plan = small(made.plan, "bash", "nosuch", ignore_missing=True)
    assert "bash" in install(plan, tmp_path / "t.tree", cache=made.work / "cache")["packages"]


@pytest.mark.parametrize(
    "module", [Module("modtool", "9", Where("el.ks", 4)), Module("nosuch", "1", Where("el.ks", 4))]
)
def test_a_stream_that_is_nowhere_is_told_at_its_line(made: Made, tmp_path: Path, module: Module) -> None:
    with pytest.raises(RecipeError, match=f"el.ks:4: no package source has the stream '{module.stream}'"):
        install(small(made.plan, "bash", modules=(module,)), tmp_path / "t.tree", cache=made.work / "cache")


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_modules_stream_decides_the_version(made: Made, tmp_path: Path, stream: str) -> None:
    facts = install(
        small(made.plan, "modtool", modules=(Module("modtool", stream),)),
        tmp_path / "t.tree",
        cache=made.work / "cache",
    )
    assert facts["packages"]["modtool"].startswith(f"{stream}-")


@pytest.mark.parametrize(
    ("choice", "has_default", "has_optional"),
    [
        pytest.param("", True, False, id="as the group says"),
        pytest.param("mandatory", False, False, id="--nodefaults"),
        pytest.param("all", True, True, id="--optional"),
    ],
)
def test_the_kickstart_chooses_what_of_a_group_comes_along(
    made: Made, tmp_path: Path, choice: str, has_default: bool, has_optional: bool
) -> None:
    plan = small(made.plan, environment="minimal-environment", group_packages=choice)
    packages = install(plan, tmp_path / "t.tree", cache=made.work / "cache")["packages"]
    assert "systemd" in packages
    assert ("chrony" in packages, "sudo" in packages) == (has_default, has_optional)


def test_a_package_that_is_excluded_stays_away(made: Made, tmp_path: Path) -> None:
    plan = small(made.plan, groups=("core",), excluded=("chrony",))
    assert "chrony" not in install(plan, tmp_path / "t.tree", cache=made.work / "cache")["packages"]


def test_a_second_time_nothing_is_fetched_and_a_damaged_file_is_fetched_again(made: Made, tmp_path: Path) -> None:
    plan, cache = small(made.plan, "bash"), made.work / "cache"
    first = install(plan, tmp_path / "a.tree", cache=cache)
    assert first["downloaded_bytes"] == 0
    (cached,) = (cache / "rpms").glob("bash-*.rpm")
    size = cached.stat().st_size
    with open(cached, "r+b") as file:
        file.seek(size // 2)
        file.write(b"damaged")
    second = install(plan, tmp_path / "b.tree", cache=cache)
    assert second["downloaded_bytes"] == size
    assert second["packages"] == first["packages"]


def test_the_script_of_a_package_reaches_neither_network_nor_host(made: Made, tmp_path: Path) -> None:
    install(small(made.plan, "bash", "coreutils", "nosy"), tmp_path / "t.tree", cache=made.work / "cache")
    text = (tmp_path / "t.tree/var/lib/nosy.txt").read_text()
    assert not re.findall(r"^(?:did|reached) .*$|command not found", text, re.M)
    found = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    assert {*found["interfaces"].split()} <= {"lo"}
    assert found["hostname"] == "localhost"
    assert not {"VENDOR_PASSWORD", "SSH_AUTH_SOCK"} & {*found["environment"].split()}


def test_a_source_that_does_not_answer_is_named(made: Made, tmp_path: Path) -> None:
    plan = replace(small(made.plan, "bash"), mirror="http://127.0.0.1:9/9/BaseOS/x86_64/os/")
    with pytest.raises(RemoteError) as caught:
        install(plan, tmp_path / "t.tree", cache=tmp_path / "cache")
    assert "127.0.0.1:9" in caught.value.fix


def test_an_index_that_somebody_else_signed_is_refused(made: Made, linux: Distribution, tmp_path: Path) -> None:
    plan = replace(small(made.plan, "bash"), mirror_key=str(linux.foreign_key))
    with pytest.raises(RemoteError, match="is not signed by the key"):
        install(plan, tmp_path / "t.tree", cache=tmp_path / "cache")


@pytest.mark.parametrize("size", ["20m", "90m"], ids=["while fetching", "while installing"])
def test_a_full_disk_is_said_so_and_nothing_stays(made: Made, tmp_path: Path, size: str) -> None:
    order = {"names": ["bash", "coreutils", "big"], "to": str(tmp_path / "full/t.tree")}
    (tmp_path / "full").mkdir()
    script = f"mount -t tmpfs -o size={size} none {tmp_path}/full && exec python3 -c '{FILL}'"
    program = script.replace("python3", sys.executable)
    raw = pickle.dumps((small(made.plan, *order["names"]), order["to"]))
    (tmp_path / "order").write_bytes(raw)
    ran = subprocess.run(
        ["unshare", "--mount", "sh", "-c", program],
        env={**os.environ, "ORDER": str(tmp_path / "order")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == {"kind": SpaceError.__name__, "left": []}, ran.stderr


FILL = """
import json, os, pickle
from pathlib import Path
from flight.workflows.install import install_packages
from flight.workflows.kit.errors import FlightError
from flight.workflows.settings import Programs
plan, to = pickle.load(open(os.environ["ORDER"], "rb"))
to = Path(to)
try:
    install_packages(plan, to, cache=to.parent / "cache", programs=Programs(), log_to=to.parent / "logs")
    kind = "none"
except FlightError as error:
    kind = type(error).__name__
print(json.dumps({"kind": kind, "left": [p.name for p in to.parent.iterdir() if p.name not in ("cache", "logs", "t.tree")]}))
"""


@pytest.mark.parametrize(
    ("release", "path"),
    [pytest.param("8", "var/lib/rpm", id="8"), pytest.param("10", "usr/lib/sysimage/rpm", id="10")],
)
def test_the_list_of_packages_lies_where_the_release_looks_for_it(
    made: Made, tmp_path: Path, release: str, path: str
) -> None:
    plan = replace(small(made.plan, "bash", "coreutils", "rpm"), release=release)
    facts = install(plan, tmp_path / "t.tree", cache=made.work / "cache")
    assert list((tmp_path / "t.tree" / path).glob("rpmdb.sqlite"))
    listed = said("rpm", "--dbpath", f"/{path}", "--root", tmp_path / "t.tree", "-qa", "--qf", "%{NAME}\n")
    assert set(listed.split()) - {"gpg-pubkey"} == set(facts["packages"])
