"""What look.sh lists, read: every name that a filesystem can hold, and lists that are not whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from flight.workflows.certify import look
from flight.workflows.certify.compose import CannotLook
from flight.workflows.certify.look import read_capabilities, read_devices, read_entries

NASTY = b"./a\nb\x1b]0;x\x07\xff c"


def listed(*rows: bytes) -> bytes:
    return b"".join(b"\0".join((b"f", b"644", b"0", b"0", b"5", b"1700000000.5", row, b"", b"")) for row in rows)


def archive(folder: Path, **files: bytes) -> Path:
    path = folder / "listed.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def whole(**more: bytes) -> dict[str, bytes]:
    device = b"DEVICE=/dev/sda1\nBYTES=1048576\nTYPE=ext4\nUUID=abc\nLABEL=my\\ root\nPART_ENTRY_UUID=def\n"
    return {
        "device.0": device, "entries.0": listed(b".", b"./etc"), "ended.0": b"0\n", "trouble.0": b"",
        "capabilities": b"", **more,
    }  # fmt: skip


def test_any_name_is_read_as_it_is() -> None:
    entries = dict(read_entries(listed(b".", NASTY), 0, {}))
    assert list(entries) == ["/", "/a\nb\x1b]0;x\x07\udcff c"]
    assert entries["/"].mtime == 1_700_000_000


def test_a_device_is_read_with_its_words(tmp_path: Path) -> None:
    (device,) = read_devices(archive(tmp_path, **whole()))
    found = device.filesystem
    assert (found.device, found.partition, found.type, found.label, found.partuuid) == (
        "/dev/sda1", 1, "ext4", "my root", "def",
    )  # fmt: skip
    assert set(device.entries) == {"/", "/etc"}


def test_fstabs_are_found_by_their_subvolume(tmp_path: Path) -> None:
    files = whole(**{"fstab.0..": b"one", "fstab.0.@rootfs": b"two"})
    (device,) = read_devices(archive(tmp_path, **files))
    assert device.fstabs == {"": "one", "/@rootfs": "two"}


def test_capabilities_are_given_to_their_files(tmp_path: Path) -> None:
    said = b"# file: 0/etc\nsecurity.capability=0x0100\n\n"
    (device,) = read_devices(archive(tmp_path, **whole(capabilities=said)))
    assert device.entries["/etc"].capability == "0100"
    assert dict(read_capabilities("# file: 0/a\\012b\nsecurity.capability=0x02\n")) == {"0/a\nb": "02"}


def test_the_disk_as_a_whole_is_a_device_only_where_it_is_a_filesystem(tmp_path: Path) -> None:
    assert read_devices(archive(tmp_path, **{"device.0": b"DEVICE=/dev/sda\nBYTES=1\n"})) == ()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"ended.0": b"124\n"}, "took too long"),
        ({"ended.0": b"1\n", "trouble.0": b"find: ./x: Structure needs cleaning\n"}, "Structure needs cleaning"),
        ({"ended.0": b""}, "broke off"),
    ],
)
def test_a_list_that_is_not_whole_is_no_list(files: dict[str, bytes], why: str, tmp_path: Path) -> None:
    with pytest.raises(CannotLook, match=why):
        read_devices(archive(tmp_path, **whole(**files)))


def test_more_files_than_can_be_held_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST_ENTRIES", 2)
    with pytest.raises(CannotLook, match="more than 2 files"):
        read_devices(archive(tmp_path, **whole(**{"ended.0": b"141\n"})))
