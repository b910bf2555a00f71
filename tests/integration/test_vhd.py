"""Fixed VHDs before independent readers: qemu-img, libvhdi and sfdisk."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flight.workflows import digest, vhd
from flight.workflows.kit.errors import FlightError, SpaceError
from flight.workflows.vhd import layout, sparse

MIB = 1 << 20
TABLE = """label: gpt
label-id: 852E1C68-2D87-4143-90D5-F484EDE80218
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=4096, size=20480, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
start=24576, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root
"""


def do(*argv: str | Path, given: str | None = None) -> str:
    done = subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, input=given)
    return done.stdout


def make_disk(path: Path, size: int, *, table: str = TABLE) -> Path:
    """A sparse disk with a table by sfdisk, and data at both ends of its last partition."""
    with open(path, "wb") as file:
        file.truncate(size)
    if table:
        do("sfdisk", "-q", path, given=table)
    with open(path, "r+b") as file:
        for at in (13 * MIB, size - 200_000):
            file.seek(at)
            file.write(os.urandom(100_000))
    return path


def qemu_info(path: Path) -> dict[str, Any]:
    return json.loads(do("qemu-img", "info", "--output=json", "-f", "vpc", path))


def partitions(path: Path, virtual: int) -> list[dict[str, Any]]:
    """What sfdisk reads of the disk inside a VHD; it must have nothing to complain about."""
    inside = path.with_suffix(".inside")
    do("cp", "--sparse=always", path, inside)
    os.truncate(inside, virtual)
    checked = subprocess.run(["sfdisk", "--verify", inside], check=True, capture_output=True, text=True)
    assert "No errors detected" in checked.stdout, checked.stdout
    assert not checked.stderr
    return json.loads(do("sfdisk", "--json", inside))["partitiontable"]["partitions"]


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(64 * MIB, id="whole MiB"),
        pytest.param(64 * MIB + 512, id="a sector more"),
        pytest.param(65 * MIB - 512, id="a sector less"),
        pytest.param(64 * MIB + 20 * 512, id="the new backup overlaps the old"),
        pytest.param(3 << 30, id="3 GiB, whose geometry is not whole MiB"),
        pytest.param((32 << 30) + 3 * 512, id="32 GiB and a little"),
    ],
)
def test_qemu_libvhdi_and_sfdisk_read_what_was_converted(tmp_path: Path, size: int) -> None:
    raw, made = make_disk(tmp_path / "disk.raw", size), tmp_path / "disk.vhd"
    before = digest.digest(raw)
    found = vhd.convert(raw, made)
    virtual = -(-size // MIB) * MIB
    assert qemu_info(made)["virtual-size"] == virtual
    told = do("vhdiinfo", made)
    assert "Fixed" in told and f"({virtual} bytes)" in told and found["uid"] in told
    seen = partitions(made, virtual)
    assert [part["name"] for part in seen] == ["bios", "esp", "root"]
    assert [(part["start"], part["size"]) for part in seen][:2] == [(2048, 2048), (4096, 20480)]
    assert digest.digest(raw) == before
    assert found["data_bytes"] < 2 * MIB


def test_qemu_reads_the_same_content_as_the_raw_disk(tmp_path: Path) -> None:
    raw, made = make_disk(tmp_path / "disk.raw", 3 << 30), tmp_path / "disk.vhd"
    vhd.convert(raw, made)
    assert "identical" in do("qemu-img", "compare", "-f", "raw", "-F", "vpc", raw, made)
    with open(made, "r+b") as file:
        file.seek(13 * MIB)
        file.write(b"other")
    differ = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "vpc", raw, made], capture_output=True)
    assert differ.returncode == 1


def test_a_disk_with_an_mbr_or_no_table_only_grows(tmp_path: Path) -> None:
    for name, table in (("mbr", "label: dos\nstart=2048, type=83\n"), ("bare", "")):
        raw = make_disk(tmp_path / f"{name}.raw", 64 * MIB + 512, table=table)
        found = vhd.convert(raw, tmp_path / f"{name}.vhd")
        made = (tmp_path / f"{name}.vhd").read_bytes()
        assert made[: 64 * MIB + 512] == raw.read_bytes()
        assert len(made) == 65 * MIB + 512
        assert (found["gpt"], found["gpt_backup_moved"]) == (False, False)


@pytest.mark.parametrize("size", ["20M", "40M", "200M", "504M", "1G", "3G", "30G", "127G", "200G", "1023G"])
def test_the_geometry_is_the_one_that_qemu_computes(tmp_path: Path, size: str) -> None:
    do("qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", tmp_path / "q.vhd", size)
    theirs = vhd.inspect(tmp_path / "q.vhd").footer
    assert theirs and theirs.checksum == theirs.right_checksum
    assert theirs.geometry == layout.geometry(theirs.current_bytes)


def test_the_footer_is_qemus_own_but_for_time_identifier_and_geometry(tmp_path: Path) -> None:
    options = "subformat=fixed,force_size=on"
    do("qemu-img", "create", "-q", "-f", "vpc", "-o", options, tmp_path / "q.vhd", "64M")
    theirs = bytearray((tmp_path / "q.vhd").read_bytes()[-512:])
    ours = bytearray(vhd.footer(64 * MIB, made=vhd.EPOCH, uid=uuid.uuid4()))
    for raw in (theirs, ours):
        for start, stop in ((24, 28), (56, 60), (64, 68), (68, 84)):
            raw[start:stop] = bytes(stop - start)
    assert ours == theirs


def test_what_qemu_makes_with_force_size_is_taken(tmp_path: Path) -> None:
    options = "subformat=fixed,force_size=on"
    do("qemu-img", "create", "-q", "-f", "vpc", "-o", options, tmp_path / "q.vhd", "3G")
    assert vhd.require_uploadable(tmp_path / "q.vhd").current_bytes == 3 << 30


def test_what_qemu_makes_without_force_size_is_refused_and_the_fix_mends_it(tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", 200 * MIB)
    do("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed", raw, tmp_path / "q.vhd")
    mended = mend(tmp_path, "q.vhd")
    assert vhd.require_uploadable(mended).current_bytes % MIB == 0
    assert vhd.inspect(mended).backup_problem == ""
    assert same_start(mended, raw, 200 * MIB)


@pytest.mark.parametrize(
    ("driver", "options", "why"),
    [
        pytest.param("vpc", "subformat=dynamic,force_size=on", "dynamic VHD", id="dynamic"),
        pytest.param("vhdx", "subformat=dynamic", "VHDX", id="VHDX"),
        pytest.param("qcow2", "compat=1.1", "qcow2", id="qcow2"),
        pytest.param("vmdk", "subformat=monolithicSparse", "VMDK", id="VMDK"),
        pytest.param("vdi", "static=off", "VDI", id="VDI"),
        pytest.param("raw", "", "raw disk", id="raw"),
    ],
)
def test_another_format_is_refused_and_the_fix_mends_it(tmp_path: Path, driver: str, options: str, why: str) -> None:
    raw = make_disk(tmp_path / "disk.raw", 64 * MIB)
    words = ["-o", options] if options else []
    do("qemu-img", "convert", "-f", "raw", "-O", driver, *words, raw, tmp_path / "given.vhd")
    with pytest.raises(FlightError) as caught:
        vhd.require_uploadable(tmp_path / "given.vhd")
    assert why in caught.value.why
    mended = mend(tmp_path, "given.vhd")
    vhd.require_uploadable(mended)
    assert same_start(mended, raw, 64 * MIB)


def test_bytes_behind_the_footer_are_mended_by_the_fix(tmp_path: Path) -> None:
    vhd.convert(make_disk(tmp_path / "disk.raw", 64 * MIB), tmp_path / "given.vhd")
    with open(tmp_path / "given.vhd", "ab") as file:
        file.write(b"x" * 700)
    mend(tmp_path, "given.vhd")
    vhd.require_uploadable(tmp_path / "given.vhd")


def mend(folder: Path, name: str) -> Path:
    """Do what the refusal of `name` says, command by command, in its folder; the VHD that it promises."""
    with pytest.raises(FlightError) as caught:
        vhd.require_uploadable(folder / name)
    for step in caught.value.fix.removeprefix("if it is a raw disk: ").split("; "):
        command = step.partition(" (")[0]
        if not command.startswith("else "):
            subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    return folder / "FIXED.vhd"


def same_start(made: Path, raw: Path, size: int) -> bool:
    """Whether the disks agree from behind the partition table (a moved one differs) to `size`, its backup left out."""
    start, stop = MIB, size - 33 * 512
    for at in range(start, stop, 16 * MIB):
        length = min(16 * MIB, stop - at)
        with open(made, "rb") as one, open(raw, "rb") as other:
            one.seek(at)
            other.seek(at)
            if one.read(length) != other.read(length):
                return False
    return True


@pytest.fixture
def small_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    do("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder)
    yield folder
    do("umount", folder)


def test_a_full_disk_is_said_so_and_nothing_is_left(tmp_path: Path, small_filesystem: Path) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(os.urandom(16 * MIB))
    with pytest.raises(SpaceError, match="the disk is full"):
        vhd.convert(raw, small_filesystem / "disk.vhd")
    assert os.listdir(small_filesystem) == []
    assert raw.stat().st_size == 16 * MIB


def test_a_copy_to_another_filesystem_is_the_same_file(tmp_path: Path, small_filesystem: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", 256 * MIB)
    vhd.convert(raw, small_filesystem / "disk.vhd")
    vhd.convert(raw, tmp_path / "disk.vhd")
    assert digest.digest(small_filesystem / "disk.vhd") == digest.digest(tmp_path / "disk.vhd")


def test_a_copy_keeps_every_hole_that_the_filesystem_can_keep(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    with open(raw, "wb") as file:
        file.truncate(256 * MIB)
        for at in range(0, 256 * MIB, 8 * MIB):
            file.seek(at)
            file.write(b"data" * 1024)
    with open(raw, "rb") as source, open(tmp_path / "copy", "w+b") as target:
        sparse.copy(source.fileno(), target.fileno())
    assert (tmp_path / "copy").stat().st_blocks <= raw.stat().st_blocks + 8
    do("cmp", raw, tmp_path / "copy")
