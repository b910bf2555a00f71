"""The fixed VHD: its footer, what Azure would refuse, sparse copies, conversion and inspection, on small files."""

from __future__ import annotations

import datetime as dt
import errno
import itertools
import json
import os
import shlex
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows import digest, gpt, vhd
from flight.workflows.kit.errors import FlightError, SpaceError
from flight.workflows.kit.progress import Progress
from flight.workflows.vhd import layout, sparse
from flight.workflows.vhd.acceptance import Ends, read_ends, refusals

MIB = 1 << 20
UID = uuid.UUID("5f7a1c9e-0000-4000-8000-000000000001")
DISK_GUID = uuid.UUID("852e1c68-2d87-4143-90d5-f484ede80218")


def make_footer(size: int = MIB, **changed: int) -> bytes:
    """A footer with some fields overwritten (`field=value`), its checksum made right again."""
    raw = bytearray(vhd.footer(size, made=vhd.EPOCH, uid=UID))
    places = {"format": (12, 4), "original": (40, 8), "current": (48, 8), "kind": (60, 4)}
    for name, value in changed.items():
        at, length = places[name]
        raw[at : at + length] = value.to_bytes(length, "big")
    raw[64:68] = layout.checksum(bytes(raw)).to_bytes(4, "big")
    return bytes(raw)


def make_raw(path: Path, size: int, *runs: tuple[int, bytes]) -> Path:
    """A sparse file of `size` bytes with `content` at each offset."""
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, content in runs:
            file.seek(offset)
            file.write(content)
    return path


def make_gpt(path: Path, sectors: int) -> Path:
    """A raw disk with one partition from 1 MiB to as far as it can."""
    last = sectors - 1
    entry = gpt.ENTRY.pack(DISK_GUID.bytes_le, UID.bytes_le, 2048, last - 33, 0, "root".encode("utf-16-le"))
    entries = entry.ljust(128 * 128, b"\0")
    first = gpt.Header(b"\0\0\1\0", 1, last, 34, last - 33, DISK_GUID, 2, 128, 128, gpt.zlib.crc32(entries))
    other = replace(first, my_lba=last, alternate_lba=1, entries_lba=last - 32)
    runs = [(512, gpt.pack_header(first)), (1024, entries), ((last - 32) * 512, entries + gpt.pack_header(other))]
    return make_raw(path, sectors * 512, *runs)


# The footer --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    size=st.integers(min_value=1, max_value=4 << 31).map(lambda sectors: sectors * 512),
    made=st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2136, 1, 1), timezones=st.just(dt.UTC)),
    uid=st.uuids(),
)
def test_a_footer_reads_back_as_it_was_written(size: int, made: dt.datetime, uid: uuid.UUID) -> None:
    raw = vhd.footer(size, made=made, uid=uid)
    seen = vhd.read_footer(raw)
    assert len(raw) == 512
    assert (seen.current_bytes, seen.original_bytes, seen.uid, seen.type_name) == (size, size, uid, "fixed")
    assert seen.made == made.replace(microsecond=0)
    assert seen.checksum == seen.right_checksum


@settings(deadline=None)
@given(at=st.integers(0, 511).filter(lambda at: not 64 <= at < 68 and at >= 8), bits=st.integers(1, 255))
def test_any_changed_byte_makes_the_checksum_wrong(at: int, bits: int) -> None:
    raw = bytearray(vhd.footer(MIB, made=vhd.EPOCH, uid=UID))
    raw[at] ^= bits
    seen = vhd.read_footer(bytes(raw))
    assert seen.checksum != seen.right_checksum


@pytest.mark.parametrize(
    ("size_bytes", "shape"),
    [
        pytest.param(512, (0, 4, 17), id="one sector"),
        pytest.param(MIB, (30, 4, 17), id="1 MiB"),
        pytest.param(40 * MIB, (963, 5, 17), id="40 MiB"),
        pytest.param(200 * MIB, (825, 16, 31), id="200 MiB"),
        pytest.param(504 * MIB, (1024, 16, 63), id="504 MiB"),
        pytest.param(3 << 30, (6241, 16, 63), id="3 GiB"),
        pytest.param(30 << 30, (62415, 16, 63), id="30 GiB"),
        pytest.param(32 << 30, (16448, 16, 255), id="32 GiB"),
        pytest.param(1023 << 30, (65535, 16, 255), id="the largest"),
    ],
)
def test_the_geometry_is_that_of_the_specification(size_bytes: int, shape: tuple[int, int, int]) -> None:
    seen = layout.geometry(size_bytes)
    assert (seen.cylinders, seen.heads, seen.sectors) == shape


@settings(deadline=None)
@given(st.integers(min_value=1, max_value=2 << 31).map(lambda sectors: sectors * 512))
def test_the_geometry_never_says_more_than_there_is_and_fits_its_fields(size_bytes: int) -> None:
    seen = layout.geometry(size_bytes)
    assert seen.cylinders * seen.heads * seen.sectors * 512 <= size_bytes
    assert seen.cylinders < 1 << 16 and 4 <= seen.heads <= 16 and seen.sectors in (17, 31, 63, 255)


@pytest.mark.parametrize(
    ("size", "made"),
    [
        pytest.param(513, vhd.EPOCH, id="half a sector"),
        pytest.param(0, vhd.EPOCH, id="nothing"),
        pytest.param(512, dt.datetime(1999, 12, 31, tzinfo=dt.UTC), id="before 2000"),
        pytest.param(512, dt.datetime(2137, 1, 1, tzinfo=dt.UTC), id="too late for 32 bits"),
    ],
)
def test_what_a_footer_cannot_hold_is_an_error(size: int, made: dt.datetime) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        vhd.footer(size, made=made, uid=UID)


@pytest.mark.parametrize("raw", [b"", bytes(512), b"conectix"], ids=["nothing", "zeros", "the cookie alone"])
def test_what_is_no_footer_is_an_error(raw: bytes) -> None:
    with pytest.raises(FlightError, match="no VHD footer"):
        vhd.read_footer(raw)


@pytest.mark.parametrize(("size", "rounded"), [(1, MIB), (MIB, MIB), (MIB + 1, 2 * MIB), (0, 0)])
def test_sizes_are_rounded_up_to_whole_mib(size: int, rounded: int) -> None:
    assert vhd.round_up_mib(size) == rounded


# What Azure would refuse -------------------------------------------------------------------------------------------

GOOD = bytes(MIB) + make_footer()
REFUSED: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "it is empty", "again"),
    "qcow2": (b"QFI\xfb" + bytes(4096), "qcow2", "qemu-img convert -f qcow2 -O vpc"),
    "VHDX": (b"vhdxfile" + bytes(4096), "VHDX", "qemu-img convert -f vhdx -O vpc"),
    "VMDK": (b"KDMV" + bytes(4096), "VMDK", "qemu-img convert -f vmdk"),
    "VDI": (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(4096), "VDI", "qemu-img convert -f vdi"),
    "raw": (bytes(MIB), "no VHD footer", "qemu-img convert -f raw -O vpc"),
    "smaller than a footer": (b"abc", "no VHD footer", "fetch it again"),
    "dynamic": (make_footer(kind=3) + bytes(4096) + make_footer(kind=3), "dynamic VHD", "force_size_calc=current_size"),
    "dynamic, cut short": (make_footer(kind=3) + bytes(128 << 10), "cut short", "fetch it again"),
    "dynamic, cut to its head": (make_footer(kind=3) + bytes(1024), "cut short", "fetch it again"),
    "dynamic, cut to the copy of its footer": (make_footer(kind=3), "cut short", "fetch it again"),
    "dynamic, something behind": (make_footer(kind=3) + bytes(MIB) + make_footer(kind=3) + b"x", "follows it", "fetch"),
    "differencing, cut short": (make_footer(kind=4) + bytes(1024), "cut short", "fetch it again"),
    "differencing": (bytes(MIB) + make_footer(kind=4), "differencing VHD", "merge it"),
    "a type nobody knows": (bytes(MIB) + make_footer(kind=9), "type 9", "qemu-img"),
    "truncated, footer kept": (bytes(MIB - 512) + make_footer(), "cut short: 1048064 bytes", "fetch it again"),
    "truncated, footer gone": (GOOD[: MIB // 2], "cut short", "fetch it again"),
    "trailing bytes": (GOOD + b"junk", "4 bytes follow its footer", "truncate -s -4"),
    "a whole sector behind": (GOOD + bytes(512), "512 bytes follow its footer", "truncate -s -512"),
    "more disk than the footer says": (bytes(2 * MIB) + make_footer(), "stand before its footer", "make it again"),
    "bad checksum": (GOOD[:-100] + b"\1" + GOOD[-99:], "checksum", "again"),
    "another format version": (bytes(MIB) + make_footer(format=0x20000), "format 2.0", "make it again"),
    "not whole MiB": (bytes(MIB + 512) + make_footer(MIB + 512), "no whole number of MiB", f"truncate -s {2 * MIB} "),
    "nothing in it": (make_footer(current=0, original=0), "virtual size is nothing", "again"),
}


@pytest.mark.parametrize(("content", "why", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_a_vhd_from_outside_is_refused_with_its_own_words(tmp_path: Path, content: bytes, why: str, fix: str) -> None:
    path = tmp_path / "disk.vhd"
    path.write_bytes(content)
    with pytest.raises(FlightError) as caught:
        vhd.require_uploadable(path)
    assert "disk.vhd is not a VHD that Azure takes" in caught.value.what
    assert why in caught.value.why
    assert fix in caught.value.fix


@pytest.mark.parametrize("content", ["raw", "dynamic", "trailing bytes", "not whole MiB"])
def test_a_command_that_mends_it_quotes_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "my disk;x.vhd"
    path.write_bytes(REFUSED[content][0])
    (refusal,) = refusals(read_ends(path))
    words = shlex.split(refusal.fix.removeprefix("if it is a raw disk: "))
    assert any("my disk;x.vhd" in word for word in words)


def test_one_that_is_too_large_is_refused_by_its_size(tmp_path: Path) -> None:
    size = layout.LARGEST_BYTES + MIB
    path = make_raw(tmp_path / "disk.vhd", size + 512, (size, make_footer(size)))
    with pytest.raises(FlightError) as caught:
        vhd.require_uploadable(path)
    assert "beyond Azure's limit of 1023 GiB" in caught.value.why


def test_a_good_one_is_taken_and_the_largest_too(tmp_path: Path) -> None:
    (tmp_path / "a.vhd").write_bytes(GOOD)
    assert vhd.require_uploadable(tmp_path / "a.vhd").current_bytes == MIB
    size = layout.LARGEST_BYTES
    make_raw(tmp_path / "b.vhd", size + 512, (size, make_footer(size)))
    assert vhd.require_uploadable(tmp_path / "b.vhd").current_bytes == size


def test_several_faults_are_all_named() -> None:
    tail = bytearray(make_footer(MIB + 512))
    tail[200] = 1
    said = [refusal.why for refusal in refusals(Ends("d.vhd", 512 + 512, bytes(512), bytes(tail)))]
    assert len(said) == 3
    assert "checksum" in said[0] and "cut short" in said[1] and "whole number of MiB" in said[2]


@pytest.mark.parametrize("name", ["absent.vhd", "."], ids=["no such file", "a folder"])
def test_what_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(FlightError, match=r"cannot be read|is a folder"):
        vhd.require_uploadable(tmp_path / name)


@pytest.mark.parametrize("look", [vhd.require_uploadable, vhd.inspect, digest.digest], ids=lambda look: look.__name__)
@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("fifo", "is a fifo"),
        ("link", "is a fifo"),
        ("/dev/null", "is a device"),
        ("/dev/zero", "is a device"),
        (".", "is a folder"),
    ],
)
def test_only_files_are_read(tmp_path: Path, look: Callable[[Path], object], path: str, what: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with pytest.raises(FlightError, match=what):
        look(tmp_path / path)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.vhd").write_bytes(GOOD)
    (tmp_path / "b.vhd").symlink_to("a.vhd")
    assert vhd.require_uploadable(tmp_path / "b.vhd").current_bytes == MIB


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_no_bytes_at_all_make_the_judge_stumble(content: bytes) -> None:
    assert any(refusals(Ends("x", len(content), content[:512], content)))


# Sparse files ------------------------------------------------------------------------------------------------------


def test_extents_are_the_data_and_nothing_of_the_holes(tmp_path: Path) -> None:
    path = make_raw(tmp_path / "sparse", 64 * MIB, (0, b"a"), (8 * MIB, b"b" * 70_000), (64 * MIB - 1, b"c"))
    with open(path, "rb") as file:
        runs = list(vhd.extents(file.fileno()))
    for at in (0, 8 * MIB, 8 * MIB + 69_999, 64 * MIB - 1):
        assert any(run.start <= at < run.stop for run in runs)
    assert sum(run.size for run in runs) < MIB
    assert all(a.stop <= b.start for a, b in itertools.pairwise(runs))


def test_extents_stay_within_what_was_asked(tmp_path: Path) -> None:
    path = make_raw(tmp_path / "full", 2 * MIB, (0, b"x" * 2 * MIB))
    with open(path, "rb") as file:
        assert list(vhd.extents(file.fileno(), 4096, MIB)) == [vhd.Extent(4096, MIB)]


def test_a_file_of_holes_has_no_extents(tmp_path: Path) -> None:
    with open(make_raw(tmp_path / "holes", 8 << 30), "rb") as file:
        assert list(vhd.extents(file.fileno())) == []


def test_a_copy_has_the_content_the_size_and_the_holes(tmp_path: Path) -> None:
    source = make_raw(tmp_path / "a", 512 * MIB + 7, (3 * MIB, os.urandom(300_000)), (500 * MIB, b"end"))
    heard: list[Progress] = []
    with open(source, "rb") as one, open(tmp_path / "b", "w+b") as other:
        copied = sparse.copy(one.fileno(), other.fileno(), told=heard.append)
    assert (tmp_path / "b").stat().st_size == source.stat().st_size
    assert (tmp_path / "b").stat().st_blocks * 512 < 2 * MIB
    for at, length in ((3 * MIB, 300_000), (500 * MIB, 3), (MIB, 4096)):
        assert peek(source, at, length) == peek(tmp_path / "b", at, length)
    assert heard[-1].done == heard[-1].total == copied


def test_a_copy_falls_back_to_memory_where_the_kernel_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> int:
        raise OSError(errno.EXDEV, "across filesystems")

    monkeypatch.setattr(os, "copy_file_range", refused)
    source = make_raw(tmp_path / "a", 4 * MIB, (MIB, os.urandom(MIB + 5)))
    with open(source, "rb") as one, open(tmp_path / "b", "w+b") as other:
        sparse.copy(one.fileno(), other.fileno())
    assert (tmp_path / "b").read_bytes() == source.read_bytes()


def peek(path: Path, at: int, length: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(at)
        return file.read(length)


def sharing(one: int, request: int, other: int) -> int:
    """What FICLONE does, as far as a reader of the files can tell."""
    assert request == 0x40049409  # FICLONE of linux/fs.h
    os.pwrite(one, sparse.read_exactly(other, 0, os.fstat(other).st_size), 0)
    return 0


def test_where_files_can_share_blocks_nothing_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.ioctl", sharing)
    monkeypatch.setattr(sparse, "copy", failing(errno.EIO))
    raw = make_gpt(tmp_path / "a.raw", 8000)
    assert vhd.convert(raw, tmp_path / "a.vhd")["shares_blocks"] is True
    assert vhd.require_uploadable(tmp_path / "a.vhd").current_bytes == 4 * MIB


def test_a_share_that_fails_for_another_reason_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.ioctl", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        vhd.convert(make_gpt(tmp_path / "a.raw", 8192), tmp_path / "a.vhd")


# Conversion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [MIB, MIB + 512, 5 * MIB - 1, 7], ids=["whole MiB", "a sector more", "odd", "tiny"])
def test_a_disk_without_a_table_grows_to_whole_mib_and_gets_a_footer(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "a.raw").write_bytes(content)
    found = vhd.convert(tmp_path / "a.raw", tmp_path / "a.vhd", uid=UID)
    made = (tmp_path / "a.vhd").read_bytes()
    virtual = vhd.round_up_mib(size)
    assert made[:size] == content
    assert not any(made[size:virtual])
    assert made[virtual:] == vhd.footer(virtual, made=vhd.EPOCH, uid=UID)
    assert (found["virtual_bytes"], found["added_bytes"], found["gpt"]) == (virtual, virtual - size, False)
    assert (tmp_path / "a.raw").read_bytes() == content


def test_the_backup_of_the_table_moves_to_the_end_of_the_disk(tmp_path: Path) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8000)
    found = vhd.convert(raw, tmp_path / "a.vhd")
    disk = (tmp_path / "a.vhd").read_bytes()[:-512]
    assert len(disk) == 4 * MIB
    assert found["gpt_backup_moved"] is True
    assert gpt.parse_header(disk[-512:]).my_lba == 8191
    assert disk.count(gpt.SIGNATURE) == 2


def test_a_disk_of_whole_mib_is_not_touched_before_its_footer(tmp_path: Path) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8192)
    found = vhd.convert(raw, tmp_path / "a.vhd")
    assert (tmp_path / "a.vhd").read_bytes()[:-512] == raw.read_bytes()
    assert found["gpt_backup_moved"] is False


def test_the_same_disk_makes_the_same_vhd_and_another_size_another_identifier(tmp_path: Path) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8192)
    one, two = (vhd.convert(raw, tmp_path / name)["uid"] for name in ("1.vhd", "2.vhd"))
    assert (tmp_path / "1.vhd").read_bytes() == (tmp_path / "2.vhd").read_bytes()
    assert one == two != vhd.convert(make_gpt(tmp_path / "b.raw", 10240), tmp_path / "3.vhd")["uid"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"QFI\xfb" + bytes(600), "qcow2", id="qcow2"),
        pytest.param(GOOD, "one already", id="a VHD already"),
    ],
)
def test_what_is_no_raw_disk_is_refused_and_nothing_is_made(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.raw").write_bytes(content)
    with pytest.raises(FlightError) as caught:
        vhd.convert(tmp_path / "a.raw", tmp_path / "a.vhd")
    assert why in caught.value.why
    assert os.listdir(tmp_path) == ["a.raw"]


def test_a_raw_disk_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    raw = make_raw(tmp_path / "a.raw", layout.LARGEST_BYTES + 1)
    with pytest.raises(FlightError) as caught:
        vhd.convert(raw, tmp_path / "a.vhd")
    assert "Azure takes 1023 GiB at most" in caught.value.why


def test_a_broken_table_stops_the_conversion(tmp_path: Path) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8192)
    with open(raw, "r+b") as file:
        file.seek(512 + 60)
        file.write(b"\xff\xff")
    with pytest.raises(FlightError, match="partition table is broken"):
        vhd.convert(raw, tmp_path / "a.vhd")
    assert os.listdir(tmp_path) == ["a.raw"]


def test_nothing_is_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.vhd").write_text("mine")
    with pytest.raises(FlightError, match="is there already"):
        vhd.convert(make_gpt(tmp_path / "a.raw", 8192), tmp_path / "a.vhd")
    assert (tmp_path / "a.vhd").read_text() == "mine"


def failing(number: int) -> Callable[..., int]:
    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("call", "number", "kind"),
    [
        pytest.param("copy_file_range", errno.ENOSPC, SpaceError, id="full while copying"),
        pytest.param("pwrite", errno.EDQUOT, SpaceError, id="over quota at the footer"),
        pytest.param("pwrite", errno.EIO, OSError, id="the disk fails"),
    ],
)
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[Exception]
) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8192)
    monkeypatch.setattr(os, call, failing(number))
    monkeypatch.setattr(sparse, "clone", lambda source, target: False)
    with pytest.raises(kind):
        vhd.convert(raw, tmp_path / "a.vhd")
    assert os.listdir(tmp_path) == ["a.raw"]


def test_a_source_that_is_cut_meanwhile_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8192)
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    monkeypatch.setattr(sparse, "clone", lambda source, target: False)
    with pytest.raises(FlightError) as caught:
        vhd.convert(raw, tmp_path / "a.vhd")
    assert "cut while it was copied" in caught.value.why
    assert os.listdir(tmp_path) == ["a.raw"]


@pytest.mark.parametrize(
    "at", [512 + 100, 1024, 8191 * 512 + 16, 3 * MIB], ids=["header", "entries", "backup", "the partition's data"]
)
def test_what_reads_back_otherwise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    raw = make_gpt(tmp_path / "a.raw", 8192)
    with open(raw, "r+b") as file:
        file.seek(3 * MIB)
        file.write(b"data")
    honest = sparse.copy

    def lossy(source: int, target: int, **kept: Any) -> int:
        copied = honest(source, target, **kept)
        os.pwrite(target, bytes([os.pread(target, 1, at)[0] ^ 1]), at)
        return copied

    monkeypatch.setattr(sparse, "clone", lambda source, target: False)
    monkeypatch.setattr(sparse, "copy", lossy)
    with pytest.raises(FlightError, match="is not what was written"):
        vhd.convert(raw, tmp_path / "a.vhd")
    assert os.listdir(tmp_path) == ["a.raw"]


def test_a_backup_of_the_table_that_was_not_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, honest = make_gpt(tmp_path / "a.raw", 8000), sparse.write_all
    monkeypatch.setattr(
        sparse, "write_all", lambda fd, content, at: honest(fd, content, at) if at != 8191 * 512 else None
    )
    with pytest.raises(FlightError, match="is not what was written") as caught:
        vhd.convert(raw, tmp_path / "a.vhd")
    assert caught.value.why == "the backup of its partition table: there is no GPT header"


def test_a_dynamic_vhd_that_was_cut_short_is_no_raw_disk(tmp_path: Path) -> None:
    fixed = layout.footer(4 * MIB, made=layout.EPOCH, uid=UID)
    (tmp_path / "a.raw").write_bytes(fixed[:60] + layout.DYNAMIC.to_bytes(4, "big") + fixed[64:] + bytes(MIB))
    with pytest.raises(FlightError, match="cannot become a VHD") as caught:
        vhd.convert(tmp_path / "a.raw", tmp_path / "a.vhd")
    assert caught.value.why == "it begins as a dynamic VHD that was cut short"


# Inspection --------------------------------------------------------------------------------------------------------


def test_an_inspection_says_what_there_is_as_lines_and_as_json(tmp_path: Path) -> None:
    vhd.convert(make_gpt(tmp_path / "a.raw", 8192), tmp_path / "a.vhd", uid=UID)
    seen = vhd.inspect(tmp_path / "a.vhd", digest="sha256:abc")
    text = "\n".join(seen.lines())
    for word in (
        "4.0 MiB (4194304 bytes)",
        "fixed, format 1.0",
        str(UID),
        "the footer does not say when",
        "flight, or qemu-img with force_size (qem2)",
        "sha256:abc",
        str(DISK_GUID),
        "'root'",
    ):
        assert word in text
    told = json.loads(json.dumps(seen.as_json()))
    assert told["uploadable"] is True
    assert told["footer"]["virtual_bytes"] == 4 * MIB
    assert told["gpt"]["partitions"][0]["size_bytes"] == (8192 - 2048 - 33) * 512
    assert told["gpt"]["backup_problem"] == ""


def test_an_inspection_of_what_azure_refuses_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.vhd").write_bytes(REFUSED["dynamic"][0])
    seen = vhd.inspect(tmp_path / "a.vhd")
    assert "dynamic VHD" in "\n".join(seen.lines())
    assert seen.as_json()["problems"][0]["fix"].startswith("qemu-img convert")
    assert seen.as_json()["uploadable"] is False


def test_an_inspection_names_a_broken_table_and_a_wrong_backup(tmp_path: Path) -> None:
    vhd.convert(make_gpt(tmp_path / "a.raw", 8192), tmp_path / "a.vhd")
    with open(tmp_path / "a.vhd", "r+b") as file:
        file.seek(8191 * 512)
        file.write(bytes(8))
    assert "no GPT header" in "\n".join(vhd.inspect(tmp_path / "a.vhd").lines())
    with open(tmp_path / "a.vhd", "r+b") as file:
        file.seek(1024)
        file.write(bytes(8))
    assert "partition table is broken" in "\n".join(vhd.inspect(tmp_path / "a.vhd").lines())


def test_only_the_ends_of_a_file_are_read_to_judge_it(tmp_path: Path) -> None:
    ends = read_ends(make_raw(tmp_path / "a", 300 << 30))
    assert (ends.size, len(ends.head), len(ends.tail)) == (300 << 30, 512, 64 << 10)
