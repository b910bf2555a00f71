"""What is sent of a disk, before an independent reader: qemu-img makes the bad ones, and reads what a raw one became."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from flight.workflows import vhd
from flight.workflows.digest import digest
from flight.workflows.kit.errors import FlightError
from flight.workflows.upload.pipe import PipeSource
from flight.workflows.upload.source import FileSource, open_source

MIB = 1 << 20
TABLE = """label: gpt
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
start=4096, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
"""


def do(*argv: str | Path, given: str | None = None) -> str:
    words = [str(word) for word in argv]
    return subprocess.run(words, check=True, capture_output=True, text=True, input=given).stdout


def make_disk(path: Path, size: int, *, table: str = TABLE) -> Path:
    """A sparse disk with a table by sfdisk, and data at both ends of its last partition."""
    with open(path, "wb") as file:
        file.truncate(size)
    if table:
        do("sfdisk", "-q", path, given=table)
    with open(path, "r+b") as file:
        for at in (3 * MIB, size - 200_000):
            file.seek(at)
            file.write(os.urandom(100_000))
    return path


def written(source: FileSource, to: Path) -> Path:
    """The blob as a file."""
    with open(to, "wb") as file:
        file.truncate(source.size_bytes)
        for span in source.reads():
            file.seek(span.start)
            file.write(source.read(span))
    return to


@pytest.mark.parametrize(
    ("size", "table"),
    [
        pytest.param(64 * MIB, TABLE, id="whole MiB"),
        pytest.param(64 * MIB + 512, TABLE, id="a sector more"),
        pytest.param(65 * MIB - 20 * 512, TABLE, id="the new backup overlaps the old"),
        pytest.param(504 * MIB + 3 * 512, TABLE, id="504 MiB and a little"),
        pytest.param(64 * MIB + 512, "label: dos\nstart=2048, type=83\n", id="an MBR"),
        pytest.param(64 * MIB, "", id="no table"),
    ],
)
def test_what_is_sent_of_a_raw_disk_is_the_vhd_that_a_conversion_makes(tmp_path: Path, size: int, table: str) -> None:
    raw = make_disk(tmp_path / "disk.raw", size, table=table)
    with open_source(raw) as source:
        sent = written(source, tmp_path / "sent.vhd")
    made = tmp_path / "made.vhd"
    vhd.convert(raw, made, made=vhd.require_uploadable(sent).made, uid=vhd.require_uploadable(sent).uid)
    assert digest(sent) == digest(made)
    do("cmp", sent, made)
    seen = json.loads(do("qemu-img", "info", "--output=json", "-f", "vpc", sent))
    assert seen["virtual-size"] == vhd.round_up_mib(size)
    assert "Fixed" in do("vhdiinfo", sent)
    if table == TABLE:
        inside = tmp_path / "inside"
        do("cp", "--sparse=always", sent, inside)
        os.truncate(inside, vhd.round_up_mib(size))
        assert "No errors detected" in do("sfdisk", "--verify", inside)


def test_a_vhd_of_ours_and_one_of_qemus_are_sent_as_they_are(tmp_path: Path) -> None:
    raw = make_disk(tmp_path / "disk.raw", 64 * MIB)
    vhd.convert(raw, tmp_path / "ours.vhd")
    do("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", raw, tmp_path / "q.vhd")
    for name in ("ours.vhd", "q.vhd"):
        with open_source(tmp_path / name) as source:
            do("cmp", written(source, tmp_path / "sent"), tmp_path / name)


FORMATS = {
    "dynamic.vhd": ("vpc", "subformat=dynamic", "a dynamic VHD"),
    "fixed.vhd": ("vpc", "subformat=fixed,force_size=off", "no whole number of MiB"),
    "disk.vhdx": ("vhdx", "", "a VHDX disk"),
    "disk.qcow2": ("qcow2", "", "a qcow2 disk"),
    "disk.vmdk": ("vmdk", "", "a VMDK disk"),
    "disk.vdi": ("vdi", "", "a VDI disk"),
    "renamed.vhd": ("qcow2", "", "a qcow2 disk"),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one disk in all formats that Azure does not take."""
    folder = tmp_path_factory.mktemp("bad")
    raw = make_disk(folder / "disk.raw", 65 * MIB)
    for name, (driver, options, _) in FORMATS.items():
        how = ("-o", options) if options else ()
        do("qemu-img", "convert", "-f", "raw", "-O", driver, *how, raw, folder / name)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_what_qemu_makes_in_another_format_is_refused_from_a_file(bad: Path, name: str) -> None:
    with pytest.raises(FlightError) as refused, open_source(bad / name):
        pass
    assert FORMATS[name][2] in refused.value.why
    assert refused.value.fix


@pytest.mark.parametrize("name", FORMATS)
def test_what_qemu_makes_in_another_format_is_refused_from_a_pipe(bad: Path, name: str) -> None:
    with subprocess.Popen(["cat", str(bad / name)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as cat:
        assert cat.stdout
        source = PipeSource(cat.stdout.fileno())
        with pytest.raises(FlightError) as refused:
            for _ in iter(source.take, None):
                pass
        cat.stdout.close()
    assert FORMATS[name][2].removeprefix("a ").split()[0] in refused.value.why


@pytest.mark.parametrize("lost", [1, 511, 512, 513, MIB, 40 * MIB])
def test_a_vhd_that_was_cut_short_is_refused_from_a_file_and_from_a_pipe(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "disk.vhd"
    vhd.convert(make_disk(tmp_path / "disk.raw", 64 * MIB), path)
    size = path.stat().st_size - lost
    os.truncate(path, size)
    with pytest.raises(FlightError, match="not a VHD"), open_source(path):
        pass
    with subprocess.Popen(["head", "-c", str(size), str(path)], stdout=subprocess.PIPE) as head:
        assert head.stdout
        source = PipeSource(head.stdout.fileno())
        if lost == 512:  # exactly the footer: what is left is the whole raw disk, and nothing but that
            assert len(list(iter(source.take, None))) > 0
            return
        with pytest.raises(FlightError):
            for _ in iter(source.take, None):
                pass
