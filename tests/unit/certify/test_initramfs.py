"""Initramfs images from bytes alone. tests/integration/certify/test_initramfs.py reads what real programs made."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import stat
from collections.abc import Callable
from typing import Any

import lz4.block
import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.reading import compression, cpio, initramfs
from flight.workflows.certify.reading.initramfs import read_initramfs

FILE, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777


def entry(name: bytes, content: bytes = b"", *, mode: int = FILE, links: int = 1, magic: bytes = b"070701") -> bytes:
    numbers = [1, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = magic + b"".join(b"%08x" % number for number in numbers) + name + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


TRAILER = entry(b"TRAILER!!!")


def archive(*files: tuple[str, bytes]) -> bytes:
    """A cpio archive in which a name with a slash at its end is a folder."""
    rows = [entry(name.rstrip("/").encode(), body, mode=FOLDER if name[-1:] == "/" else FILE) for name, body in files]
    return b"".join(rows) + TRAILER


def lz4_of_the_kernel(data: bytes) -> bytes:
    packed = lz4.block.compress(data, store_size=False)
    return b"\x02\x21\x4c\x18" + len(packed).to_bytes(4, "little") + packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "zstd": zstandard.compress,
    "lz4": lz4_of_the_kernel,
    "lz4-frame": lz4.frame.compress,
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
MODULES = "lib/modules/6.1.0-1-cloud-amd64"
SYSTEM = archive(
    ("./", b""),
    ("./init", b"#!/bin/sh\n"),
    (f"./usr/{MODULES}/kernel/drivers/hv/hv_vmbus.ko", b"\x7fELF"),
    (f"./usr/{MODULES}/kernel/drivers/input/hyperv-keyboard.ko.xz", b"\xfd7zXZ"),
    (f"./usr/{MODULES}/kernel/net/a.ko.zst", b"..."),
    (f"./usr/{MODULES}/kernel/net/b-c.ko.gz", b"..."),
    (
        f"./usr/{MODULES}/modules.dep",
        b"kernel/drivers/hv/hv_vmbus.ko:\nkernel/net/b-c.ko.gz: kernel/net/a.ko.zst\n",
    ),
    (f"./usr/{MODULES}/modules.builtin", b"kernel/drivers/nvme/host/nvme-core.ko\n"),
)
MICROCODE = archive(("kernel/", b""), ("kernel/x86/microcode/GenuineIntel.bin", b"\1" * 700))


@pytest.mark.parametrize("form", PACKERS)
def test_files_and_modules_are_found_behind_microcode_in_every_compression(form: str) -> None:
    found = read_initramfs(MICROCODE + bytes(512) + PACKERS[form](SYSTEM) + bytes(300))
    assert found.compressions == ("none", form)
    assert found.files[:3] == ("kernel", "kernel/x86/microcode/GenuineIntel.bin", "init")
    assert found.modules == ("a", "b_c", "hv_vmbus", "hyperv_keyboard")
    assert found.modules_dep == ("b_c", "hv_vmbus")
    assert found.builtin == ("nvme_core",)
    assert found.kernels == ("6.1.0-1-cloud-amd64",)
    assert not found.is_squashed


@pytest.mark.parametrize("form", PACKERS)
def test_members_follow_each_other_and_hold_several_archives(form: str) -> None:
    pair = PACKERS[form](archive(("a", b"1")) + bytes(8) + archive(("b", b"22"))) + bytes(4)
    found = read_initramfs(pair + PACKERS["gzip"](archive(("c", b""))) + archive(("./a", b"")))
    assert found.files == ("a", "b", "c")


@pytest.mark.parametrize("form", PACKERS)
def test_one_that_is_cut_anywhere_is_an_error_and_says_so(form: str) -> None:
    packed = PACKERS[form](archive(("one", bytes(50)), ("two", random.Random(1).randbytes(900))))
    for stop in range(8, len(packed) - 4, 7):
        with pytest.raises(ValueError, match=r"^its archive 1 "):
            read_initramfs(packed[:stop])


def test_a_cut_one_says_after_how_many_files() -> None:
    whole = archive(("one", b"1"), ("two", b"2"))
    with pytest.raises(ValueError, match=r"^its archive 2 is cut short after 2 files$"):
        read_initramfs(MICROCODE + gzip.compress(whole[: -len(TRAILER)]))


def test_checksums_and_names_of_any_bytes_are_read() -> None:
    found = read_initramfs(entry(b"/a\xff\n\x1b[31m", b"x", magic=b"070702") + TRAILER)
    assert found.files == ("a\\xff\n\x1b[31m",)


@pytest.mark.parametrize(
    ("entries", "modules"),
    [
        pytest.param(entry(b"lib/modules/1/a.ko", b"x"), ("a",), id="a file"),
        pytest.param(entry(b"lib/modules/1/a.ko"), (), id="an empty file"),
        pytest.param(entry(b"lib/modules/1/a.ko", links=2), ("a",), id="a hard link, whose content comes later"),
        pytest.param(entry(b"lib/modules/1/a.ko", b"/b.ko", mode=LINK), (), id="a symbolic link"),
        pytest.param(entry(b"lib/modules/1/a.ko", mode=FOLDER), (), id="a folder"),
        pytest.param(entry(b"srv/a.ko", b"x"), (), id="a file where no kernel looks"),
        pytest.param(entry(b"lib/modules/1/a.ko.txt", b"x"), (), id="a file of another kind"),
    ],
)
def test_a_module_is_a_file_with_content_where_the_kernel_looks(entries: bytes, modules: tuple[str, ...]) -> None:
    assert read_initramfs(entries + TRAILER).modules == modules


def test_what_dracut_squashes_is_told() -> None:
    assert read_initramfs(archive(("squashfs-root.img", b"hsqs"))).is_squashed


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "it is empty", id="nothing"),
        pytest.param(bytes(4096), "nothing but zeros", id="zeros"),
        pytest.param(b"hello world", "68 65 6c 6c 6f 20, which is neither cpio nor", id="text"),
        pytest.param(MICROCODE + b"junk at the end", "archive 2 begins with 6a 75", id="junk behind an archive"),
        pytest.param(b"\x89LZO\0\r\n\x1a\n", "compressed by lzo, which flight cannot read", id="lzo"),
        pytest.param(b"070707" + bytes(100), "a cpio of an older form", id="odc"),
        pytest.param(b"\xc7\x71" + bytes(100), "a cpio of an older form", id="binary cpio"),
        pytest.param(gzip.compress(b"junk" * 99), "archive 1 has 6a 75 6e 6b", id="junk in a compressed archive"),
        pytest.param(b"070701" + b"zz" * 52, "not made of hex digits", id="a header of letters"),
        pytest.param(b"070701" + b" 1" * 52, "not made of hex digits", id="a header of blanks"),
        pytest.param(b"070701" + b"0" * 104, "claims to be 0 bytes", id="a name without length"),
        pytest.param(b"070701" + b"f" * 104, "claims to be 4294967295 bytes", id="a name without end"),
        pytest.param(entry(b"a" * 4096), "claims to be 4097 bytes", id="a name longer than a path can be"),
        pytest.param(gzip.compress(SYSTEM)[:-8] + bytes(8), "unpacked by gzip", id="a wrong checksum"),
        pytest.param(b"\x02\x21\x4c\x18\4\0\0\0\xff\xff\xff\xff", "unpacked by lz4", id="a broken block of lz4"),
    ],
)
def test_what_is_no_initramfs_is_an_error_that_says_why(data: bytes, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_initramfs(data)
    assert said in str(caught.value)


@pytest.mark.parametrize("form", [form for form in PACKERS if form != "none"])
def test_a_bomb_ends_at_the_limit(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initramfs, "MOST_BYTES", 1 << 20)
    with pytest.raises(ValueError, match="unpacks to more than 1 MiB"):
        read_initramfs(PACKERS[form](archive(("zeros", bytes(3 << 20)))))


@pytest.mark.parametrize("form", ["bzip2", "xz", "lzma", "gzip", "zstd", "lz4-frame"])
def test_no_step_makes_more_than_a_few_mib(form: str) -> None:
    packed = PACKERS[form](bytes(24 << 20))
    sizes = [len(chunk) for chunk in compression.unpacked(packed, 0, form)]
    assert sum(sizes) == 24 << 20
    assert max(sizes) <= 17 << 20


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        pytest.param("MOST_ENTRIES", 3, "more than 3 files", id="files"),
        pytest.param("MOST_NAMES_BYTES", 100, "MiB of file names", id="names"),
        pytest.param("MOST_ARCHIVES", 1, "more than 1 archives", id="archives"),
        pytest.param("MOST_LISTED_BYTES", 100, "which is no list", id="lists of modules"),
    ],
)
def test_absurd_counts_are_an_error(limit: str, value: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initramfs, limit, value)
    with pytest.raises(ValueError, match=said):
        read_initramfs(SYSTEM + SYSTEM)


def test_endless_tiny_blocks_of_lz4_are_an_error() -> None:
    block = lz4.block.compress(b"\0", store_size=False)
    data = b"\x02\x21\x4c\x18" + (len(block).to_bytes(4, "little") + block) * 10_001
    with pytest.raises(ValueError, match="more than 10000 blocks"):
        read_initramfs(data)


def test_a_dictionary_larger_than_the_kernel_takes_is_an_error() -> None:
    huge = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=30))
    packer = huge.compressobj()
    with pytest.raises(ValueError, match="unpacked by zstd"):
        read_initramfs(packer.compress(SYSTEM) + packer.flush())


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=30).map(
    lambda name: f"x{name}"
)
FILES = st.lists(st.tuples(NAMES, st.binary(max_size=40)), max_size=8, unique_by=lambda row: row[0])


@given(files=FILES, form=st.sampled_from(sorted(PACKERS)), split=st.integers(0, 8), zeros=st.integers(0, 9))
def test_every_name_that_was_written_is_read(files: Any, form: str, split: int, zeros: int) -> None:
    first, second = archive(*files[:split]), archive(*files[split:])
    data = bytes(zeros) + first + bytes(zeros) + PACKERS[form](second) + bytes(zeros)
    found = read_initramfs(data)
    assert found.files == tuple(name for name, _ in files)
    assert found.compressions == ("none", form)


@given(
    files=FILES,
    form=st.sampled_from(sorted(PACKERS)),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4),
    stop=st.integers(0, 1 << 16),
)
def test_whatever_the_bytes_are_the_answer_is_a_value_or_a_valueerror(
    files: Any, form: str, changes: list[tuple[int, int]], stop: int
) -> None:
    data = bytearray(PACKERS[form](archive(*files)))
    for at, byte in changes:
        data[at % len(data)] = byte
    try:
        read_initramfs(bytes(data[: stop % (len(data) + 50)]))
    except ValueError as error:
        assert str(error)


@given(pieces=st.lists(st.binary(max_size=5), max_size=10), counts=st.lists(st.integers(0, 7), max_size=10))
def test_a_stream_gives_its_bytes_in_order_wherever_the_chunks_end(pieces: list[bytes], counts: list[int]) -> None:
    def chunks() -> compression.Unpacking:
        yield from pieces
        return 7

    stream, whole = cpio.Stream(chunks()), b"".join(pieces)
    for count in counts:
        left = whole[stream.taken :]
        if count > len(left):
            with pytest.raises(EOFError):
                stream.read(count)
            return
        assert stream.read(count) == left[:count]
    left = whole[stream.taken :]
    assert stream.skip_zeros() == any(left)
    assert whole[stream.taken :] == left.lstrip(b"\0")
    if not any(left):
        assert stream.value == 7
