"""A piece put into the disk, and why a host cannot fill an XFS."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.install import xfs

MIB = 1 << 20


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 63), st.binary(min_size=1, max_size=300)), max_size=6), st.integers(0, 40))
def test_a_piece_lies_in_the_disk_byte_for_byte_and_its_holes_stay_holes(
    writes: list[tuple[int, bytes]], place: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        piece, disk = Path(folder, "piece"), Path(folder, "disk")
        expected = bytearray(4 * MIB)
        with open(piece, "wb") as file:
            file.truncate(4 * MIB)
            for block, raw in writes:
                file.seek(block * 65536)
                file.write(raw)
                expected[block * 65536 : block * 65536 + len(raw)] = raw
        with open(disk, "wb") as file:
            file.truncate(48 * MIB)
        xfs.put_at(disk, place * MIB, piece)
        with open(disk, "rb") as file:
            file.seek(place * MIB)
            assert file.read(4 * MIB) == bytes(expected)
        assert disk.stat().st_size == 48 * MIB
        assert disk.stat().st_blocks * 512 <= max(1, len(writes)) * 65536 + MIB


def test_a_host_whose_kernel_knows_no_xfs_is_told_so(tmp_path: Path) -> None:
    filesystems, loop = tmp_path / "filesystems", tmp_path / "loop-control"
    filesystems.write_text("nodev\tproc\n\text4\n")
    loop.touch()
    if not xfs._module():
        assert "knows no XFS" in xfs.refusal(filesystems, loop)
    filesystems.write_text("nodev\tproc\n\txfs\n")
    assert xfs.refusal(filesystems, loop) == ""
    assert "no loop devices" in xfs.refusal(filesystems, tmp_path / "none")
