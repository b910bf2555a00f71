"""The image's identity: against a model that knows no holes, and against the vector that the documentation quotes."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows import digest
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress
from flight.workflows.vhd import Extent

GRAIN, BLOCK = 4 << 10, 64 << 10
MIB = 1 << 20

VECTOR_SIZE = 2 * MIB + 512
VECTOR_RUNS = ((0, b"flight"), (131071, b"ab"), (2097152, b"conectix"))
VECTOR_LINES = """\
0 65536 1233723c308381b9dbbb94c4f84ad29e9ef41e34bc648884923423c3014b58ed
65536 65536 0fe49f6ffc7fa0a64dfb63ff9dee078d3bbcc3958585180787cf3eb12f73bbc9
131072 65536 c0cb047e66667f4714be42b16ab1b79dbeffc7570d3b2ec42a4f144cbb8e11b7
2097152 512 3a1db92597caccd66692b59dd10b0a22655869066e81c0af00f9127ccc020831
"""
VECTOR = "sha256:9726c05c95987a92161206db196636b9dfda893128d42ab04ad157896dcd163b"
NOTHING = "sha256:" + hashlib.sha256(b"").hexdigest()


def naive(content: bytes) -> str:
    """The definition, word by word."""
    lines = ""
    for offset in range(0, len(content), BLOCK):
        block = content[offset : offset + BLOCK]
        grains = [block[at : at + GRAIN] for at in range(0, len(block), GRAIN)]
        hashes = b"".join(hashlib.sha256(grain).digest() if any(grain) else bytes(32) for grain in grains)
        if any(block):
            lines += f"{offset} {len(block)} {hashlib.sha256(hashes).hexdigest()}\n"
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def write(path: Path, size: int, *runs: tuple[int, bytes]) -> Path:
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, content in runs:
            file.seek(offset)
            file.write(content)
    return path


def test_the_documented_vector_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "vector", VECTOR_SIZE, *VECTOR_RUNS)
    assert digest.digest(path) == VECTOR
    assert digest.block_lines(digest.grain_hashes(path.read_bytes()), 0, VECTOR_SIZE).decode() == VECTOR_LINES


RUNS = st.lists(st.tuples(st.integers(0, 6 * MIB), st.binary(min_size=1, max_size=300)), max_size=8)


@settings(deadline=None)
@given(size=st.integers(0, 6 * MIB), runs=RUNS)
def test_it_is_what_the_definition_says(
    tmp_path_factory: pytest.TempPathFactory, size: int, runs: list[tuple[int, bytes]]
) -> None:
    path = write(tmp_path_factory.mktemp("d") / "f", size, *runs)
    assert digest.digest(path) == naive(path.read_bytes())


@settings(deadline=None)
@given(size=st.integers(1, 3 * MIB), runs=RUNS)
def test_holes_and_stored_zeros_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, size: int, runs: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("d")
    sparse = write(folder / "sparse", size, *runs)
    (folder / "full").write_bytes(sparse.read_bytes())
    assert digest.digest(sparse) == digest.digest(folder / "full")


def test_hundreds_of_gigabytes_of_holes_have_no_lines(tmp_path: Path) -> None:
    assert digest.digest(write(tmp_path / "holes", 500 << 30)) == NOTHING
    assert digest.digest(write(tmp_path / "zeros", MIB, (0, bytes(MIB)))) == NOTHING


@pytest.mark.parametrize(
    ("at", "content"),
    [
        pytest.param(0, b"x", id="a byte changed"),
        pytest.param(BLOCK, b"flight", id="the same content elsewhere"),
        pytest.param(VECTOR_SIZE - 1, b"x", id="the last byte"),
        pytest.param(VECTOR_SIZE, b"\0", id="a longer last block"),
    ],
)
def test_any_change_changes_it(tmp_path: Path, at: int, content: bytes) -> None:
    assert digest.digest(write(tmp_path / "f", VECTOR_SIZE, *VECTOR_RUNS, (at, content))) != VECTOR


def test_many_pieces_keep_their_order_and_progress_ends_at_the_whole(tmp_path: Path) -> None:
    content = bytes(range(256)) * (100 * MIB // 256)
    (tmp_path / "f").write_bytes(content)
    heard: list[Progress] = []
    assert digest.digest(tmp_path / "f", told=heard.append) == naive(content)
    assert [one.done for one in heard] == [(number + 1) * digest.PIECE for number in range(25)]
    assert heard[-1].total == len(content)


@settings(deadline=None)
@given(
    edges=st.lists(st.integers(0, 40 * MIB), min_size=2, max_size=12, unique=True).map(sorted),
    tail=st.integers(0, 2 * BLOCK),
)
def test_pieces_cover_the_data_once_in_whole_blocks(edges: list[int], tail: int) -> None:
    data = [Extent(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=False)]
    size = data[-1].stop + tail
    pieces = list(digest.plan_pieces(data, size))
    assert all(piece.start % BLOCK == 0 and 0 < piece.size <= digest.PIECE for piece in pieces)
    assert all(piece.stop % BLOCK == 0 or piece.stop == size for piece in pieces)
    assert all(one.stop <= other.start for one, other in itertools.pairwise(pieces))
    for extent in data:
        assert sum(max(0, min(p.stop, extent.stop) - max(p.start, extent.start)) for p in pieces) == extent.size


def test_a_file_that_shrinks_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "f", 200 * MIB, *((at, b"x") for at in range(0, 200 * MIB, MIB)))

    def cut(_: Progress) -> None:
        with open(path, "r+b") as file:
            file.truncate(MIB)

    with pytest.raises(FlightError, match="changed while its digest was taken"):
        digest.digest(path, told=cut)


def test_a_file_that_grows_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "f", MIB, (0, b"x"))

    def grow(_: Progress) -> None:
        with open(path, "ab") as file:
            file.write(b"more")

    with pytest.raises(FlightError, match="changed while its digest was taken"):
        digest.digest(path, told=grow)
