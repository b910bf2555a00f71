"""Initramfs images that real programs made, before an independent reader: initramfs-tools' lsinitramfs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from flight.workflows.certify.reading.initramfs import module_name, read_initramfs

PACKERS = {
    "none": ["cat"],
    "gzip": ["gzip", "-c"],
    "bzip2": ["bzip2", "-c"],
    "xz": ["xz", "-c", "--check=crc32"],
    "lzma": ["xz", "-c", "--format=lzma"],
    "zstd": ["zstd", "-c", "-19"],
    "lz4": ["lz4", "-c", "-l"],
    "lz4-frame": ["lz4", "-c"],
}


def listed(image: Path) -> set[str]:
    """The names in an image as lsinitramfs prints them."""
    said = subprocess.run(["lsinitramfs", image], check=True, capture_output=True, text=True).stdout
    return {re.sub(r"^(\./|/)+", "", line) for line in said.splitlines()} - {".", ""}


def packed(folder: Path, program: list[str]) -> bytes:
    names = "\n".join(str(path.relative_to(folder)) for path in (folder, *sorted(folder.rglob("*"))))
    archive = subprocess.run(
        ["cpio", "--create", "--format=newc", "--quiet"], cwd=folder, input=names.encode(), check=True, stdout=-1
    ).stdout
    return subprocess.run(program, input=archive, check=True, stdout=-1).stdout


def make_tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_what_stands_in_this_hosts_own_initramfs_is_what_lsinitramfs_lists() -> None:
    image = sorted(Path("/boot").glob("initrd.img-*"))[-1]
    found, names = read_initramfs(image.read_bytes()), listed(image)
    assert set(found.files) == names
    modules = {module_name(name) for name in names if re.search(r"\.ko(\.(xz|zst|gz))?$", name)}
    assert set(found.modules) == modules
    assert modules <= set(found.modules_dep)
    assert found.kernels == (image.name.removeprefix("initrd.img-"),)
    assert {"hv_vmbus", "hv_storvsc"} <= set(found.modules) | set(found.builtin)


@pytest.mark.parametrize("form", PACKERS)
def test_archives_of_cpio_and_each_compressor_are_read(form: str, tmp_path: Path) -> None:
    early = make_tree(tmp_path / "early", {"kernel/x86/microcode/AuthenticAMD.bin": "x" * 5000})
    modules = {f"usr/lib/modules/6.1.0/kernel/m-{number}.ko": "\x7fELF" * number for number in range(1, 40)}
    tree = make_tree(tmp_path / "tree", {"init": "#!/bin/sh\n", **modules})
    (tree / "bin").symlink_to("usr/bin")
    (tree / "two").hardlink_to(tree / "init")
    image = tmp_path / "initrd"
    plain = packed(early, ["cat"])
    image.write_bytes(plain + packed(tree, PACKERS[form]))
    found = read_initramfs(image.read_bytes())
    assert found.compressions == ("none", form)
    assert len(found.modules) == 39
    paths = [path for folder in (early, tree) for path in folder.rglob("*")]
    assert set(found.files) == {str(path.relative_to(tmp_path)).partition("/")[2] for path in paths}
    if form not in ("none", "lz4-frame"):  # which initramfs-tools does not unpack there
        assert set(found.files) == listed(image)


def test_one_that_lzop_made_is_refused_by_name(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"init": "#!/bin/sh\n"})
    with pytest.raises(ValueError, match="compressed by lzo, which flight cannot read"):
        read_initramfs(packed(tree, ["lzop", "-c"]))
