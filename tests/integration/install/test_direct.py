"""A real system, installed and made bootable without a virtual machine, looked at by readers of other makes."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install import build_disk, system
from flight.workflows.install.configure import TreeFile, write_files
from flight.workflows.install.isolation import from_inside
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import Script, Services, User, Where
from flight.workflows.kit.arriving import MARK
from flight.workflows.kit.errors import RecipeError
from flight.workflows.settings import Programs

from .conftest import NEW_KERNEL, PACKAGES, PASSWORD, Small

MIB = 1 << 20


def said(*argv: str | Path) -> str:
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True).stdout


class Root:
    """The root filesystem on the disk, read by debugfs."""

    def __init__(self, raw: Path, small: Small) -> None:
        self.image = f"{raw}?offset={plan_layout(small.plan).at('/').start}"

    def text(self, path: str) -> str:
        return said("debugfs", "-R", f"cat {path}", self.image)

    def names(self, path: str) -> set[str]:
        return set(re.findall(r"/([^/]+)/\d*/$", said("debugfs", "-R", f"ls -p {path}", self.image), re.M))

    def shape(self, path: str) -> str:
        return said("debugfs", "-R", f"stat {path}", self.image)


@pytest.fixture(scope="module")
def root(raw_disk: Path, small: Small) -> Root:
    return Root(raw_disk, small)


def test_the_facts_name_packages_and_the_indexes_they_came_from(small: Small) -> None:
    assert set(PACKAGES) <= set(small.tree_facts["packages"])
    assert small.tree_facts["packages"]["vendor-tool"] == "1.0"
    assert {index["suite"] for index in small.tree_facts["indexes"]} == {"trixie", "own"}
    assert all(len(index["sha256"]) == 64 and index["date"] for index in small.tree_facts["indexes"])


def test_the_login_is_in_no_file_that_stays(small: Small) -> None:
    found = subprocess.run(
        ["grep", "-r", "-l", "--binary-files=text", PASSWORD, small.work], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert not [path for path in small.work.rglob("*") if PASSWORD in path.name]


def test_nothing_of_the_build_stays_in_the_tree(small: Small) -> None:
    for gone in ("etc/resolv.conf", "etc/hostname", "etc/apt/sources.list", "usr/sbin/policy-rc.d"):
        assert not (small.tree / gone).exists()
    assert not list((small.tree / "etc/apt").rglob("*mmdebstrap*"))
    assert not [path for path in (small.tree / "var/lib/apt/lists").rglob("*") if path.is_file()]
    assert not list(small.tree.rglob("*.deb"))
    assert (small.tree / "etc/machine-id").read_bytes() == b""


def test_nothing_half_made_stays_beside_it(small: Small) -> None:
    assert not [path for path in small.work.rglob(f"{MARK}*")]
    assert str(small.work) not in Path("/proc/self/mounts").read_text()


def test_sfdisk_agrees_and_nothing_lies_before_1_mib(raw_disk: Path) -> None:
    assert "No errors detected" in said("sfdisk", "--verify", raw_disk)
    parts = json.loads(said("sfdisk", "--json", raw_disk))["partitiontable"]["partitions"]
    assert [part["start"] % 2048 for part in parts] == [0, 0, 0]
    assert parts[0]["start"] == 2048
    assert raw_disk.stat().st_size == 32 << 30
    with open(raw_disk, "rb") as disk:
        disk.seek(34 * 512)
        assert disk.read(MIB - 34 * 512) == bytes(MIB - 34 * 512)


def test_the_filesystem_is_clean_and_called_as_fstab_and_menu_call_it(raw_disk: Path, root: Root, small: Small) -> None:
    said("e2fsck", "-fn", root.image)
    layout = plan_layout(small.plan)
    ids = {m: said("blkid", "-p", "-O", str(layout.at(m).start), "-s", "UUID", "-o", "value", raw_disk).strip()
           for m in ("/", "/boot/efi")}  # fmt: skip
    rows = [line.split() for line in root.text("/etc/fstab").splitlines() if not line.startswith("#")]
    assert {row[1]: row[0] for row in rows} == {mount: f"UUID={uuid}" for mount, uuid in ids.items()}
    assert small.disk_facts["command_lines"]
    assert all(f"root=UUID={ids['/']} " in line for line in small.disk_facts["command_lines"])


def test_every_menu_entry_has_the_plans_arguments_and_an_initramfs(root: Root) -> None:
    menu = root.text("/boot/grub/grub.cfg")
    entries = re.findall(r"^\s*linux\s+(.*)$", menu, re.M)
    assert entries
    assert all("console=tty0 console=ttyS0,115200n8" in entry for entry in entries)
    assert len(re.findall(r"^\s*initrd\s+/boot/initrd\.img-", menu, re.M)) == len(entries)
    assert "serial --unit=0 --speed=115200" in menu


def test_the_efi_partition_holds_the_signed_shim_and_grub(raw_disk: Path, small: Small) -> None:
    image = f"{raw_disk}@@{plan_layout(small.plan).at('/boot/efi').start}"
    listed = said("mdir", "-/", "-b", "-i", image)
    for name in ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/debian/grub.cfg"):
        assert f"::/{name}" in listed
    shim = subprocess.run(["mtype", "-i", image, "::/EFI/BOOT/BOOTX64.EFI"], check=True, capture_output=True).stdout
    assert shim == (small.tree / "usr/lib/shim/shimx64.efi.signed").read_bytes()


def test_a_script_sees_its_own_processes_and_a_dead_loopback(root: Root) -> None:
    found = dict(line.split(" ", 1) for line in root.text("/root/probe").splitlines() if " " in line)
    assert found["processes"] == "few"
    assert found["interfaces"].split() == ["lo"]
    assert found["up"].strip() == ""
    assert found["hostname"] == "localhost"


def test_a_script_can_neither_mount_nor_make_devices_nor_reach_the_kernel(root: Root) -> None:
    text = root.text("/root/probe")
    assert "bounding 00000000a00404fb" in text
    assert not re.findall(r"^did .*$", text, re.M)


def test_a_new_kernel_package_becomes_the_first_entry(root: Root) -> None:
    menu = root.text("/root/grub-after-update")
    assert re.search(r"^\s*linux\s+(\S+)", menu, re.M)[1] == f"/boot/vmlinuz-{NEW_KERNEL}"  # type: ignore[index]
    assert f"initrd.img-{NEW_KERNEL}" in root.names("/boot")


def test_the_initramfs_can_check_the_root(small: Small) -> None:
    assert "for fsck hook" not in (small.logs / "disk.log").read_text()


def test_what_a_script_said_is_where_its_line_asked_for_it(root: Root, small: Small) -> None:
    assert "noted\n" in root.text("/root/noted.log")
    assert "Setting up linux-image-9.9.9" in (small.logs / "post-2.log").read_text()


def test_users_keys_and_services_are_as_the_plan_says(root: Root) -> None:
    accounts = dict(line.split(":", 2)[:2] for line in root.text("/etc/shadow").splitlines())
    assert accounts["grace"].startswith("!")
    assert accounts["root"].startswith(("!", "*"))
    assert "grace" in root.text("/home/grace/.ssh/authorized_keys")
    assert "Mode:  0600" in root.shape("/home/grace/.ssh/authorized_keys")
    assert "ssh.service" in root.names("/etc/systemd/system/multi-user.target.wants")
    assert "apt-daily.timer" not in root.names("/etc/systemd/system/timers.target.wants")


def test_the_image_knows_azures_mirror_and_no_other(root: Root, small: Small) -> None:
    assert root.text("/etc/apt/sources.list") == "deb http://azure.example/debian trixie main\n"
    assert root.names("/etc/apt/sources.list.d") <= {".", ".."}


def test_the_image_has_no_identity_yet(root: Root) -> None:
    assert "Size: 0" in root.shape("/etc/machine-id")
    assert root.text("/etc/hostname") == "localhost\n"
    assert not [name for name in root.names("/etc/ssh") if name.startswith("ssh_host_")]


def test_two_disks_of_the_same_tree_are_the_same_bytes(small: Small, tmp_path: Path) -> None:
    again = tmp_path / "again.qcow2"
    build_disk(small.plan, small.tree, again, programs=Programs(), log_to=tmp_path / "logs")
    assert "identical" in said("qemu-img", "compare", small.disk, again)


def test_a_script_that_fails_names_its_line_its_code_and_its_last_words(small: Small, tmp_path: Path) -> None:
    failing = Script("post", "echo the last words >&2\nexit 7\n", where=Where("small.ks", 77))
    with pytest.raises(RecipeError) as error:
        build_disk(
            replace(small.plan, scripts=(failing,)),
            small.tree, tmp_path / "x.qcow2", programs=Programs(), log_to=tmp_path / "logs",
        )  # fmt: skip
    assert error.value.what == "small.ks:77: %post ended with exit code 7"
    assert "the last words" in error.value.why
    assert "the last words" in (tmp_path / "logs/post-1.log").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param({"services": Services(("nosuch.service",), where=Where("small.ks", 8))}, "small.ks:8", id="unit"),
        pytest.param(
            {"users": (User("ada", ("nogroup-at-all",), where=Where("small.ks", 9)),)}, "small.ks:9", id="group"
        ),
    ],
)
def test_what_the_system_does_not_know_names_its_line(
    small: Small, tmp_path: Path, change: dict[str, object], line: str
) -> None:
    with pytest.raises(RecipeError, match=line):
        build_disk(
            replace(small.plan, **change),  # type: ignore[arg-type]
            small.tree, tmp_path / "x.qcow2", programs=Programs(), log_to=tmp_path / "logs",
        )  # fmt: skip


def test_the_tree_stays_as_it_was(small: Small) -> None:
    assert not (small.tree / "root/probe").exists()
    assert not (small.tree / "home/grace").exists()
    assert not list((small.tree / "boot").glob("initrd*"))


def test_a_build_that_is_killed_leaves_no_process_and_no_mount(small: Small, tmp_path: Path) -> None:
    sleeping = Script("post", "exec sleep 4242\n", where=Where("small.ks", 1))
    program = textwrap.dedent("""
        import pickle, sys
        from pathlib import Path
        from flight.workflows.install import build_disk
        from flight.workflows.settings import Programs
        plan, tree, to = pickle.loads(Path(sys.argv[1]).read_bytes())
        build_disk(plan, tree, to, programs=Programs(), log_to=to.parent / "logs")
    """)
    order = tmp_path / "order"
    order.write_bytes(pickle.dumps((replace(small.plan, scripts=(sleeping,)), small.tree, tmp_path / "x.qcow2")))
    with subprocess.Popen([sys.executable, "-c", program, order]) as child:
        try:
            wait_for(lambda: sleepers() > 0 or child.poll() is not None)
            assert sleepers() == 1
        finally:
            child.kill()
    wait_for(lambda: sleepers() == 0)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    assert not (tmp_path / "x.qcow2").exists()
    left = [path for path in tmp_path.iterdir() if path.name not in ("logs", "order")]
    assert all(path.name.startswith(MARK) for path in left)


def sleepers() -> int:
    """Processes that the killed build's script is."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes() == b"sleep\0004242\0"
        except OSError:
            continue
    return found


def wait_for(happened: object, *, patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_namespaces_need_root_and_say_so() -> None:
    if os.geteuid() != 0:
        pytest.fail("these tests run as root: they own files of others and make namespaces")


def test_where_no_overlay_can_be_made_the_tree_is_copied(tmp_path: Path) -> None:
    tree, scratch = tmp_path / "tree", tmp_path / "a:b"  # a colon separates an overlay's layers
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/one").write_text("1")
    os.link(tree / "etc/one", tree / "etc/two")
    scratch.mkdir()
    root, changes = system.spread(tree, scratch)
    assert root == changes
    assert (root / "etc/two").stat().st_ino == (root / "etc/one").stat().st_ino
    (root / "etc/one").write_text("changed")
    assert (tree / "etc/one").read_text() == "1"


def test_a_link_in_the_tree_does_not_lead_out_of_it(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    outside.mkdir()
    tree.mkdir()
    (tree / "etc").symlink_to(outside)
    with pytest.raises(RecipeError, match="/etc/passwd cannot be written"):
        from_inside(tree, write_files, [TreeFile("/etc/passwd", b"x")])
    assert not list(outside.iterdir())
