"""The disks of these tests are what they say: read by sfdisk, blkid, debugfs, mtools and qemu-img, not by flight."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from certify import disks
from certify.disks import assembling as disk
from certify.disks import hostile
from rpm.programs import ran

Named = Callable[[str], Path]
FILESYSTEMS = [
    ("cloud_style", 1, "ext4"),
    ("cloud_style", 15, "vfat"),
    ("certified_style", 1, "ext4"),
    ("certified_style", 15, "vfat"),
    ("with_swap", 1, "ext4"),
    ("with_swap", 2, "swap"),
    ("two_roots", 1, "ext4"),
    ("two_roots", 2, "ext4"),
    ("lvm", 1, "LVM2_member"),
    ("encrypted", 1, "crypto_LUKS"),
    ("windows", 1, "ntfs"),
    ("btrfs", 1, "btrfs"),
    ("xfs", 1, "xfs"),
    ("hostile", 1, "ext4"),
    ("many_inodes", 1, "ext4"),
    ("cut_inside", 1, "ext4"),
]
WHOLE = [name for name in disks.DISKS if name != "cut"]


def parts(vhd: Path) -> dict[int, tuple[int, int, str]]:
    """Start and size in sectors, and type, of each partition by its number, as sfdisk has it."""
    listed = json.loads(ran(["sfdisk", "--json", vhd]))["partitiontable"]["partitions"]
    return {int(re.sub(r".*\D", "", part["node"])): (part["start"], part["size"], part["type"]) for part in listed}


def probed(vhd: Path, start: int, sectors: int) -> dict[str, str]:
    """What blkid finds in a partition."""
    place = ["--offset", str(start * disk.SECTOR), "--size", str(sectors * disk.SECTOR)]
    lines = ran(["blkid", "--probe", *place, "--output", "export", vhd]).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def debugfs(vhd: Path, command: str, *, start: int = 2048) -> str:
    """What debugfs answers about the ext4 that begins in sector `start`."""
    return ran(["debugfs", "-R", command, f"{vhd}?offset={start * disk.SECTOR}"])


@pytest.mark.parametrize("name", WHOLE)
def test_it_is_a_fixed_vhd_of_whole_mib(foreign_disk: Named, name: str) -> None:
    vhd = foreign_disk(name)
    said = json.loads(ran(["qemu-img", "info", "--output", "json", "-f", "vpc", vhd]))
    assert said["virtual-size"] == vhd.stat().st_size - disk.SECTOR
    assert said["virtual-size"] % disk.MIB == 0


def test_what_was_cut_has_no_footer_and_a_table_that_nobody_believes(foreign_disk: Named) -> None:
    assert parts(foreign_disk("cut"))[1][2] == "ee"
    with pytest.raises(OSError, match=r"not in vpc format|invalid VPC image"):
        ran(["qemu-img", "info", "-f", "vpc", foreign_disk("cut")])


@pytest.mark.parametrize(("name", "number", "fstype"), FILESYSTEMS, ids=lambda value: str(value))
def test_its_partitions_hold_what_they_should(foreign_disk: Named, name: str, number: int, fstype: str) -> None:
    vhd = foreign_disk(name)
    start, sectors, _ = parts(vhd)[number]
    there = min(sectors, vhd.stat().st_size // disk.SECTOR - start)
    assert probed(vhd, start, there)["TYPE"] == fstype


def test_swap_and_lvm_say_so_in_the_table_too(foreign_disk: Named) -> None:
    assert parts(foreign_disk("with_swap"))[2][2] == "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"
    assert parts(foreign_disk("lvm"))[1][2] == "E6D6D379-F507-44C2-A23C-238F2A3DF928"


def test_two_roots_lie_in_an_old_table(foreign_disk: Named) -> None:
    assert {kind for _, _, kind in parts(foreign_disk("two_roots")).values()} == {"83"}


def test_the_empty_one_holds_nothing_and_the_other_only_a_filesystem(foreign_disk: Named) -> None:
    with pytest.raises(OSError, match="does not contain a recognized partition table"):
        ran(["sfdisk", "--json", foreign_disk("no_table")])
    assert probed(foreign_disk("no_table"), 0, disk.GIB // disk.SECTOR)["TYPE"] == "ext4"
    with pytest.raises(OSError, match="ended with 2"):
        probed(foreign_disk("empty"), 0, disk.GIB // disk.SECTOR)


def test_a_partition_goes_on_behind_the_end_of_a_disk_that_was_cut_inside(foreign_disk: Named) -> None:
    vhd = foreign_disk("cut_inside")
    start, sectors, _ = parts(vhd)[1]
    assert (start + sectors) * disk.SECTOR > vhd.stat().st_size


def test_the_hostile_one_has_its_traps(foreign_disk: Named) -> None:
    vhd = foreign_disk("hostile")
    for path, to in hostile.LINKS.items():
        assert f'Fast link dest: "{to}"' in debugfs(vhd, f"stat /{path}")
    assert f"Size: {hostile.HUGE_BYTES}" in debugfs(vhd, "stat /boot/initrd.img-9.9.9")
    assert "Type: FIFO" in debugfs(vhd, "stat /root/.bash_history")
    assert "Type: block special" in debugfs(vhd, "stat /boot/vmlinuz-9.9.9")
    assert "Type: character special" in debugfs(vhd, "stat /etc/sudoers")
    assert "Size: 5" in debugfs(vhd, f"stat /srv/deep/{'d/' * hostile.DEPTH}bottom")
    last = hostile.TINY_FILES - hostile.A_FOLDER
    assert "Type: regular" in debugfs(vhd, f"stat /var/lib/many/{last}/{hostile.A_FOLDER - 1:06}")
    assert len(re.findall(r"^ *\d+ +100\d{3}", debugfs(vhd, "ls -l /var/log"), re.M)) == len(hostile.NAMES)


def test_a_superblock_holds_ten_million_inodes_and_another_lies_about_them(foreign_disk: Named) -> None:
    def inodes(name: str) -> tuple[int, int]:
        """How many there are, and how many in each group."""
        with open(foreign_disk(name), "rb") as file:
            file.seek(disk.MIB + hostile.SUPERBLOCK)
            count, *_, each = struct.unpack("<11I", file.read(44))
        return count, each

    count, each = inodes("many_inodes")
    assert count >= hostile.MANY and count % each == 0
    ran(["e2fsck", "-n", f"{foreign_disk('many_inodes')}?offset={disk.MIB}"])
    count, each = inodes("lying")
    assert count > hostile.MANY and count % each
    with pytest.raises(OSError, match="ended with"):
        ran(["e2fsck", "-n", f"{foreign_disk('lying')}?offset={disk.MIB}"])


@pytest.mark.parametrize("name", ["cloud_style", "certified_style"])
def test_a_whole_system_has_all_that_it_starts_by(foreign_disk: Named, name: str) -> None:
    vhd = foreign_disk(name)
    found = parts(vhd)
    assert found[14][2] == disk.BIOS_BOOT.upper() and found[15][2] == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
    start = found[1][0]
    root_uuid = probed(vhd, *found[1][:2])["UUID"]
    menu = debugfs(vhd, "cat /boot/grub/grub.cfg", start=start)
    kernel, given = re.findall(r"^\tlinux\t(\S+) root=UUID=(\S+)", menu, re.M)[0]
    initrd = re.findall(r"^\tinitrd\t(\S+)", menu, re.M)[0]
    assert given == root_uuid and f"UUID={root_uuid} / " in debugfs(vhd, "cat /etc/fstab", start=start)
    for path in (kernel, initrd):
        assert "Type: regular" in debugfs(vhd, f"stat {path}", start=start)
    assert "shimx64" in ran(["mdir", "-b", "-i", f"{vhd}@@{found[15][0] * disk.SECTOR}", "::EFI/debian"])


def test_what_one_whole_system_lacks_is_mended_in_the_other(foreign_disk: Named) -> None:
    def says(name: str, path: str, *, is_there: bool = True) -> str:
        said = debugfs(foreign_disk(name), f"cat {path}", start=262144)
        assert is_there == bool(said), f"{path} of {name}"
        return said

    assert "console=ttyS0" not in says("cloud_style", "/boot/grub/grub.cfg")
    assert "console=ttyS0" in says("certified_style", "/boot/grub/grub.cfg")
    assert "AutoUpdate.Enabled=n" in says("cloud_style", "/etc/waagent.conf")
    assert "AutoUpdate.Enabled=y" in says("certified_style", "/etc/waagent.conf")
    assert "\nClientAliveInterval 180\n" in says("certified_style", "/etc/ssh/sshd_config")
    for path in ("/etc/ssh/ssh_host_rsa_key", "/etc/machine-id", "/root/.bash_history", "/var/log/cloud-init.log"):
        says("cloud_style", path)
        says("certified_style", path, is_there=False)
