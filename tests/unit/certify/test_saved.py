"""A snapshot, kept and read again."""

from __future__ import annotations

import gzip
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from trees import DEBIAN, changed, el

from flight.workflows.certify import saved
from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.tree import Entry
from flight.workflows.kit.errors import FlightError

HOSTILE = changed(
    DEBIAN,
    files={"/etc/\udcff\n\x1b[2J": b"\xff\x00\x80", "/etc/plain": "ü"},
    entries={"/etc/pipe": Entry("p", 0o600, 65534, 65534, 0, -1, "", "", "0100")},
)


@pytest.mark.parametrize(
    "snapshot", [DEBIAN, el(9), HOSTILE, replace(DEBIAN, unseen="x")], ids=["debian", "el", "hostile", "unseen"]
)
def test_what_is_read_again_is_what_was_kept(snapshot: Snapshot, tmp_path: Path) -> None:
    saved.save(snapshot, tmp_path / "seen")
    found = saved.load(tmp_path / "seen")
    assert found.tree.entries == snapshot.tree.entries
    assert found.tree.contents == snapshot.tree.contents
    assert replace(found, tree=snapshot.tree) == snapshot


def test_only_its_owner_may_read_what_may_hold_secrets(tmp_path: Path) -> None:
    path = saved.save(DEBIAN, tmp_path / "seen")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"no JSON"),
        gzip.compress(b"[]"),
        gzip.compress(json.dumps({"format": 0}).encode()),
        gzip.compress(json.dumps({**saved.to_json(el(9)), "container": {}}).encode()),
        gzip.compress(json.dumps(saved.to_json(el(9))).encode())[:-20],
    ],
    ids=["empty", "no gzip", "no JSON", "a list", "another format", "a part missing", "cut"],
)
def test_what_is_no_snapshot_is_one_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / saved.FILE).write_bytes(content)
    with pytest.raises(FlightError, match="no snapshot in") as caught:
        saved.load(tmp_path)
    assert "--snapshot" in caught.value.fix


def test_a_folder_without_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(FlightError, match="no snapshot") as caught:
        saved.load(tmp_path)
    assert "No such file" in caught.value.why
