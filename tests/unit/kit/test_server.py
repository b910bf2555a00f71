"""By what a server of another work folder is known, and what a person is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows.kit import server as servers
from flight.workflows.kit.errors import BusyError
from flight.workflows.kit.server import Server

LIKE_OURS = ["node", "main.js", "--blobPort", "21000", "--location", "/theirs/work/rehearsal/azurite"]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    folder = tmp_path / "work" / "rehearsal"
    argv = ["node", "main.js", "--location", folder / "azurite"]
    names = {"keeps": "--location", "setting": "[rehearsal] blob_port", "stop_by": "flight rehearsal stop"}
    return Server("azurite", folder, argv, 21000, lambda: True, **names)


def listens(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(servers, "listener", lambda port: 7)
    monkeypatch.setattr(servers, "is_taken", lambda port: True)
    monkeypatch.setattr(servers, "_arguments", lambda pid: words)
    monkeypatch.setattr(servers, "owner", lambda port: "cook (pid 7)")


def test_a_server_of_another_work_folder_is_known_by_where_it_keeps_its_data(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens(monkeypatch, LIKE_OURS)
    assert server.of_another() == Path("/theirs/work")
    with pytest.raises(BusyError) as caught:
        server.check_port()
    assert caught.value.why == "flight's own azurite of the work folder /theirs/work listens there (pid 7)"
    way_out = "`flight rehearsal stop` where its luigi.cfg is, or set other ports in [rehearsal] of luigi.cfg here"
    assert caught.value.fix == way_out


def test_the_way_out_names_the_folder_of_the_others_luigi_cfg(server: Server, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "luigi.cfg").touch()
    assert server.way_out(tmp_path / "theirs" / "work").startswith(f"`flight rehearsal stop` in {tmp_path}/theirs, or")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["python3", "-m", "http.server"], id="without-such-an-option"),
        pytest.param(["cook", "--location"], id="without-its-value"),
        pytest.param(["node", "main.js", "--location", "/srv/azurite"], id="an-azurite-of-somebody-else"),
        pytest.param(["node", "--location", "relative/azurite"], id="a-short-path"),
    ],
)
def test_a_stranger_is_named_as_the_system_names_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    listens(monkeypatch, words)
    assert server.of_another() is None
    with pytest.raises(BusyError) as caught:
        server.check_port()
    assert caught.value.why == "cook (pid 7) listens there"
    assert caught.value.fix == "end that program, or set [rehearsal] blob_port in luigi.cfg to another port"


def test_our_own_server_has_its_port(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    listens(monkeypatch, [str(word) for word in server.argv])
    assert server.of_another() is None
    server.check_port()
