"""What a %post leaves in its system leads nowhere out of it: no link of its reaches a file of this machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.install import build_disk
from flight.workflows.install.inside import below
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import Partition, Script, Where
from flight.workflows.kit.errors import FlightError, RecipeError
from flight.workflows.settings import Programs

from .conftest import Small

OWN = (
    Partition("biosboot", "biosboot", 1),
    Partition("/boot/efi", "efi", 64),
    Partition("/", "ext4", 1024, grow=True),
    Partition("/data", "ext4", 100, where=Where("small.ks", 9)),
)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A folder of this machine that no build has any business in."""
    folder = tmp_path / "ours"
    folder.mkdir()
    for name in ("initrd.img-6.1.0-ours", "vmlinuz-6.1.0-ours", "resolv.conf", "policy-rc.d", "ks.log", "grub.cfg"):
        (folder / name).write_text("precious")
    return folder


def build(small: Small, tmp_path: Path, text: str, **changes: object) -> Path:
    script = Script("post", text, log=str(changes.pop("log", "")), where=Where("small.ks", 77))
    plan = replace(small.plan, scripts=(script,), **changes)  # type: ignore[arg-type]
    to = tmp_path / "x.qcow2"
    build_disk(plan, small.tree, to, programs=Programs(), log_to=tmp_path / "logs")
    return to


def untouched(folder: Path) -> bool:
    return len(list(folder.iterdir())) == 6 and all(path.read_text() == "precious" for path in folder.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("mv /boot /boot.real; ln -s {ours} /boot", id="the kernels' folder"),
        pytest.param("rm -rf /boot/grub; ln -s {ours} /boot/grub", id="the menu's folder"),
        pytest.param("cp -a /etc /etc2; rm -rf /etc; ln -s {ours} /etc", id="the settings' folder"),
        pytest.param("mv /usr/sbin /usr/sbin2; ln -s {ours} /usr/sbin", id="the programs' folder"),
        pytest.param("rm -rf /tmp /run; ln -s {ours} /tmp; ln -s {ours} /run", id="the volatile folders"),
        pytest.param("rm -rf /var/log; ln -s {ours} /var/log", id="the logs' folder"),
    ],
)
def test_a_link_to_a_folder_of_this_machine_is_not_followed(
    small: Small, tmp_path: Path, ours: Path, text: str
) -> None:
    try:
        build(small, tmp_path, text.format(ours=ours), post_network="/etc" in text)
    except FlightError:
        pass  # a system without its folders need not become a disk
    assert untouched(ours)
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"ours", "logs", "x.qcow2"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("rmdir /data && ln -s {ours} /data", "leads to another place"),
        ("rmdir /data", "is gone"),
        ("rmdir /data && mkfifo /data", "is no folder"),
    ],
)
def test_a_mount_point_that_is_no_folder_any_more_names_its_line(
    small: Small, tmp_path: Path, ours: Path, text: str, seen: str
) -> None:
    with pytest.raises(RecipeError, match=f"small.ks:9: /data has a partition of its own.*{seen}"):
        build(small, tmp_path, text.format(ours=ours), partitions=OWN)
    assert untouched(ours)


def test_what_lies_in_a_mount_point_is_on_its_own_partition(small: Small, tmp_path: Path) -> None:
    disk = build(small, tmp_path, "echo mine > /data/file", partitions=OWN)
    raw = tmp_path / "x.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    start = plan_layout(replace(small.plan, partitions=OWN)).at("/data").start
    cat = ["debugfs", "-R", "cat /file", f"{raw}?offset={start}"]
    assert subprocess.run(cat, check=True, capture_output=True, text=True).stdout == "mine\n"


@pytest.mark.parametrize(
    ("text", "log", "said"),
    [
        pytest.param("rm /etc/machine-id; mkdir /etc/machine-id", "", "/etc/machine-id cannot be written", id="folder"),
        pytest.param("true", "/etc", "small.ks:77: --log=/etc: /etc cannot be written", id="log over a folder"),
        pytest.param("rm -rf /root; ln -s /nowhere /root", "/root/x", "small.ks:77: --log=/root/x", id="log nowhere"),
    ],
)
def test_what_a_script_put_in_the_way_is_told_by_its_path(
    small: Small, tmp_path: Path, text: str, log: str, said: str
) -> None:
    with pytest.raises(RecipeError) as error:
        build(small, tmp_path, text, log=log)
    assert said in error.value.what


@pytest.mark.parametrize(
    "line", ["j\\366rg:x:1500:1500:J\\366rg:/home/j:/bin/sh", "foo:x:abc:", "short"], ids=["bytes", "words", "short"]
)
def test_an_odd_line_among_the_accounts_does_not_matter(small: Small, tmp_path: Path, line: str) -> None:
    assert build(small, tmp_path, f"printf '{line}\\n' >> /etc/passwd").exists()


def test_a_path_is_followed_as_a_program_in_the_tree_would_follow_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "abs").symlink_to("/usr/lib")
    (root / "out").symlink_to("../../../etc")
    (root / "usr/up").symlink_to("../out/passwd")
    os.symlink("loop", root / "loop")
    assert below(root, "/lib/x") == root / "usr/lib/x"
    assert below(root, "abs/../y") == root / "usr/y"
    assert below(root, "/out/passwd") == root / "etc/passwd"
    assert below(root, "/usr/up") == root / "etc/passwd"
    assert below(root, "/../../z") == root / "z"
    with pytest.raises(OSError, match="symbolic links"):
        below(root, "/loop")
