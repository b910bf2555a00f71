"""Several filesystems as the one tree that the system in them would mount."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flight.workflows.certify.compose import CannotLook, Device, compose, find_device, fstab_rows
from flight.workflows.certify.facts import ESP, Filesystem, Partition, PartitionTable
from flight.workflows.certify.tree import Entry

FOLDER, FILE = Entry("d", 0o755), Entry("f")
TABLE = PartitionTable("gpt", (Partition(1, ESP, 2048, 2048), Partition(2, "linux", 4096, 4096)))
SYSTEM = {"/": FOLDER, "/etc": FOLDER, "/etc/os-release": FILE, "/usr": FOLDER, "/usr/bin": FOLDER, "/boot": FOLDER}
BROKEN = Filesystem("/dev/sda1", 1, 1 << 20, "xfs", problem="bad magic")
NOTHING = Device(0, Filesystem("/dev/sda1", 1, 1 << 20))


def device(number: int, kind: str = "ext4", *, fstab: str = "", top: str = "", **entries: Entry) -> Device:
    found = {f"/{path.lstrip('/')}": entry for path, entry in entries.items()}
    uuid = f"aaaa-{number}"
    filesystem = Filesystem(f"/dev/sda{number}", number, 1 << 30, kind, uuid, label=f"l{number}")
    return Device(number, filesystem, found, {top: fstab} if fstab else {})


def root(number: int = 2, fstab: str = "") -> Device:
    return device(number, fstab=fstab, **SYSTEM)


def test_the_fstab_says_where_a_filesystem_belongs() -> None:
    boot = device(3, **{"/": FOLDER, "/grub": FOLDER, "/grub/grub.cfg": FILE})
    system = compose((root(fstab="UUID=aaaa-2 / ext4\nUUID=AAAA-3 /boot/ ext4\n"), boot), TABLE)
    assert "/boot/grub/grub.cfg" in system.tree.entries
    assert [each.mounted_at for each in system.filesystems] == ["/", "/boot"]
    assert system.source("/boot/grub/grub.cfg") == "3/grub/grub.cfg"
    assert system.source("/etc/os-release") == "2/etc/os-release"
    assert system.notes == ()


def test_what_lay_below_a_place_is_hidden_by_what_is_mounted_there() -> None:
    hidden = replace(root(fstab="LABEL=l3 /boot ext4"), entries={**SYSTEM, "/boot/old": FILE})
    system = compose((hidden, device(3, **{"/": FOLDER, "/new": FILE})), TABLE)
    assert "/boot/old" not in system.tree.entries
    assert "/boot/new" in system.tree.entries


def test_a_boot_partition_that_no_fstab_names_is_guessed_and_said() -> None:
    system = compose((root(), device(3, **{"/": FOLDER, "/vmlinuz-6.1": FILE})), TABLE)
    assert "/boot/vmlinuz-6.1" in system.tree.entries
    assert system.notes == ("/dev/sda3 stands in no fstab: looked at as /boot",)


def test_the_efi_partition_is_found_by_its_type() -> None:
    esp = device(1, "vfat", **{"/": FOLDER, "/EFI": FOLDER})
    system = compose((esp, root()), TABLE)
    assert "/boot/efi/EFI" in system.tree.entries


def test_a_btrfs_root_lies_in_a_subvolume() -> None:
    entries = {
        "/": FOLDER,
        "/@": FOLDER,
        "/@home": FOLDER,
        "/@home/joe": FOLDER,
        **{f"/@{p}": e for p, e in SYSTEM.items()},
    }
    fstab = "UUID=aaaa-2 / btrfs subvol=@ 0 0\nUUID=aaaa-2 /home btrfs defaults,subvol=/@home\n"
    system = compose((device(2, "btrfs", fstab=fstab, top="/@", **entries),), TABLE)
    assert "/etc/os-release" in system.tree.entries
    assert "/@home" not in system.tree.entries
    assert "/home/joe" in system.tree.entries
    assert system.source("/home/joe") == "2/@home/joe"
    assert system.source("/etc") == "2/@/etc"


@pytest.mark.parametrize(
    ("devices", "why"),
    [
        ((root(2), root(3)), "two systems or more, on /dev/sda2 and /dev/sda3"),
        ((device(2, "crypto_LUKS"),), "/dev/sda2 is encrypted (LUKS)"),
        ((device(2, "ntfs"),), "holds Windows (/dev/sda2)"),
        ((device(2, "vfat", **{"/": FOLDER, "/Windows/System32": FOLDER}),), "holds Windows"),
        ((device(2, "zfs_member"),), "does not know: /dev/sda2 (zfs_member)"),
        ((device(2, "ext4", **{"/": FOLDER, "/lost+found": FOLDER}),), "no filesystem on it holds a system"),
        ((NOTHING,), "no Linux filesystem"),
        ((), "no Linux filesystem"),
        ((replace(NOTHING, filesystem=BROKEN),), "cannot be read: bad magic"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_into_says_why(devices: tuple[Device, ...], why: str) -> None:
    with pytest.raises(CannotLook) as caught:
        compose(devices, TABLE)
    assert why in caught.value.because


def test_a_broken_partition_table_is_the_reason_where_nothing_else_is_found() -> None:
    with pytest.raises(CannotLook, match="no partition table"):
        compose((), PartitionTable("none", problem="it has no partition table"))


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("UUID=aaaa-2", True),
        ("UUID=AAAA-2", True),
        ('LABEL="l2"', True),
        ("/dev/disk/by-uuid/aaaa-2", True),
        ("/dev/sda2", True),
        ("/dev/vda2", True),
        ("/dev/nvme0n1p2", True),
        ("/dev/sda3", False),
        ("UUID=", False),
        ("tmpfs", False),
        ("LABEL=l2x", False),
    ],
)
def test_a_spec_names_a_filesystem_as_the_system_would(spec: str, found: bool) -> None:
    filesystem = root().filesystem
    assert (find_device(spec, [filesystem]) is filesystem) == found


def test_a_logical_volume_has_two_names() -> None:
    volume = Filesystem("/dev/vg-a/root", 0, 1, "ext4")
    assert find_device("/dev/mapper/vg--a-root", [volume]) is volume
    assert find_device("/dev/vg-a/root", [volume]) is volume
    assert volume.is_logical_volume


def test_fstab_lines_may_hold_blanks_in_octal_comments_and_junk() -> None:
    rows = list(fstab_rows("# no\n\nUUID=a /with\\040blank ext4\nshort /x\n\t/dev/sda1 / xfs ro,noatime 0 1\n"))
    assert rows == [("UUID=a", "/with blank", "ext4", "defaults"), ("/dev/sda1", "/", "xfs", "ro,noatime")]


def unreadable(kind: str, problem: str = "") -> Device:
    return replace(device(3, kind), filesystem=Filesystem("/dev/sda3", 3, 1 << 30, kind, "aaaa-3", problem=problem))


@pytest.mark.parametrize(
    ("fstab", "devices", "why"),
    [
        ("UUID=aaaa-3 /home f2fs defaults", (unreadable("f2fs"),), "/home, which its fstab puts on /dev/sda3 (f2fs)"),
        ("UUID=aaaa-3 /var ext4", (unreadable("ext4", "bad superblock"),), "bad superblock"),
        ("/dev/mapper/home /home ext4", (unreadable("crypto_LUKS"),), "/home, which its fstab takes from /dev/mapper/home, is"),
        ("UUID=aaaa-3 /home btrfs subvolid=257", (device(3, "btrfs", **{"/": FOLDER, "/x": FILE}),), "by a number"),
    ],
)  # fmt: skip
def test_a_part_of_the_system_that_cannot_be_read_is_not_taken_for_empty(
    fstab: str, devices: tuple[Device, ...], why: str
) -> None:
    with pytest.raises(CannotLook) as caught:
        compose((root(fstab=fstab), *devices), TABLE)
    assert why in caught.value.because


@pytest.mark.parametrize("place", ["/home", "//home", "/var/../home/"])
def test_a_place_may_be_written_in_many_ways(place: str) -> None:
    system = compose((root(fstab=f"UUID=aaaa-3 {place} ext4"), device(3, **{"/": FOLDER, "/joe": FOLDER})), TABLE)
    assert "/home/joe" in system.tree.entries


@pytest.mark.parametrize("line", ["UUID=aaaa-3 /home ext4 noauto", "UUID=aaaa-3 home ext4", "UUID=aaaa-3 none swap"])
def test_what_is_not_mounted_by_itself_hides_nothing(line: str) -> None:
    home = replace(root(fstab=line), entries={**SYSTEM, "/home": FOLDER, "/home/joe": FOLDER})
    system = compose((home, device(3, **{"/": FOLDER, "/other": FOLDER})), TABLE)
    assert "/home/joe" in system.tree.entries
    assert system.notes == ("/dev/sda3 (ext4) stands in no fstab: not looked at",)


def test_the_device_says_what_a_subvolume_is_and_not_the_fstab() -> None:
    homes = device(3, "btrfs", **{"/": FOLDER, "/@home": FOLDER, "/@home/joe": FOLDER})
    system = compose((root(fstab="UUID=aaaa-3 /home auto subvol=@home"), homes), TABLE)
    assert "/home/joe" in system.tree.entries


def test_a_folder_that_is_bound_stands_at_both_places() -> None:
    bound = replace(
        root(fstab="/srv/home /home none bind"),
        entries={**SYSTEM, "/home": FOLDER, "/srv": FOLDER, "/srv/home": FOLDER, "/srv/home/joe": FILE},
    )
    system = compose((bound,), TABLE)
    assert {"/home/joe", "/srv/home/joe"} <= set(system.tree.entries)
    assert system.source("/home/joe") == "2/srv/home/joe"
