"""Two fixed VHDs for the delta: an image, and its rebuild with five updated packages. usage: make_rebuild.py FOLDER

FOLDER/before.vhd and after.vhd: ext4 as flight writes it, of a tree of 300 packages, 600 MiB. An updated package has
new content all through, and is a little larger; whatever lies behind it in the filesystem moves.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flight.workflows import vhd
from flight.workflows.install.disk import MKE2FS_CONFIG

PACKAGES, UPDATED = 300, (31, 92, 153, 214, 275)
DATA_MIB, DISK_MIB = 600, 2048
UUID, SEED = "5f0ed5f2-6f5b-4a64-9d4e-3a2a8f1f7a01", "0b7a1c9e-58f1-4c3e-8d35-6f1f7a2b3c4d"
GROWN_BY = 1.05
EPOCH = "1700000000"


def package(number: int, chance: random.Random) -> Iterator[tuple[str, int]]:
    """The files of a package by name and size in bytes: many small ones, few large; 2 MiB in the mean."""
    left = round(chance.uniform(0.2, 1.8) * DATA_MIB / PACKAGES * (1 << 20))
    while left > 0:
        size = min(left, int(chance.lognormvariate(10.5, 2)) + 1)
        yield f"usr/lib/package-{number:03}/{left}", size
        left -= size


def fill(tree: Path, number: int, *, seed: str, grown: float = 1.0) -> None:
    chance = random.Random(seed)
    for name, size in list(package(number, random.Random(number))):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(round(size * grown)))
        os.utime(path, (int(EPOCH), int(EPOCH)))


def image(tree: Path, to: Path) -> None:
    """ext4 of the tree, with the same UUID and hash seed each time; then a VHD."""
    raw, config = to.with_suffix(".raw"), to.with_suffix(".conf")
    config.write_text(MKE2FS_CONFIG)
    pinned = f"hash_seed={SEED},root_owner=0:0,lazy_itable_init=1,assume_storage_prezeroed=1,nodiscard"
    argv = ["mkfs.ext4", "-q", "-F", "-t", "ext4", "-m", "1", "-d", tree, "-U", UUID, "-E", pinned, raw]
    clock = {"SOURCE_DATE_EPOCH": EPOCH, "E2FSPROGS_FAKE_TIME": EPOCH}
    environment = {**os.environ, **clock, "MKE2FS_CONFIG": str(config)}
    subprocess.run([*argv, f"{DISK_MIB}M"], env=environment, check=True)
    vhd.convert(raw, to)
    raw.unlink()
    config.unlink()


def main(folder: Path) -> None:
    tree = Path(tempfile.mkdtemp(prefix="tree-", dir=folder))
    for number in range(PACKAGES):
        fill(tree, number, seed=f"first {number}")
    image(tree, folder / "before.vhd")
    for number in UPDATED:
        fill(tree, number, seed=f"second {number}", grown=GROWN_BY)
    image(tree, folder / "after.vhd")
    shutil.rmtree(tree)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
