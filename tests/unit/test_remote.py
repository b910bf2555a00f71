"""What the remote stages share, on one whose remote is a tuple of problems or an error."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import luigi
import pytest

from flight.workflows import rehearsal, stage
from flight.workflows.kit.errors import BusyError, FlightError, RemoteError
from flight.workflows.remote import Remote
from flight.workflows.settings import parse_settings
from flight.workflows.stage import Stage

ANSWERS: list[tuple[str, ...] | FlightError] = []
MADE: list[str] = []
CONTENT: dict[str, str] = {}


class Pack(Stage):
    makes = "parcel"

    def facts(self) -> dict[str, str]:
        return dict(CONTENT)

    def make(self, to: Path) -> dict[str, str]:
        MADE.append("Pack")
        to.write_text("parcel")
        return {"digest": f"sha256:{CONTENT['holds']}"}


class Send(Remote):
    makes = "receipt"
    at = "address"
    thing = "parcel"

    def requires(self) -> Stage:
        return Pack.from_str_params({"recipe": self.recipe, "version": self.version})  # type: ignore[no-any-return]

    def make(self, to: Path) -> dict[str, str]:
        MADE.append("Send")
        to.write_text("sent")
        return {"digest": self.before.found["digest"], "address": f"street {self.container}"}

    def look_again(self) -> tuple[str, ...]:
        answer = ANSWERS.pop(0)
        if isinstance(answer, FlightError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def post_office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parse_settings({}, base=tmp_path)
    monkeypatch.setattr(stage, "load_settings", lambda: settings)
    MADE.clear()
    ANSWERS.clear()
    CONTENT.update(holds="0")
    assert send()[0]
    MADE.clear()


def send(**said: Any) -> tuple[bool, Send]:
    Stage.clear_instance_cache()
    task = Send.from_str_params({"recipe": "gift", "version": "1", **said})
    return luigi.build([task], local_scheduler=True, log_level="INFO"), task


def test_a_recheck_that_finds_all_well_makes_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    ANSWERS.append(())
    logging.getLogger("luigi-interface").propagate = True
    with caplog.at_level("INFO", logger="luigi-interface"):
        assert send(recheck="true")[0]
    assert MADE == []
    assert "Send: the parcel still is what the receipt says" in caplog.messages


def test_a_recheck_that_finds_a_problem_makes_it_anew() -> None:
    ANSWERS.extend([("it is gone",), ()])
    assert send(recheck="true")[0]
    assert MADE == ["Send"]


def test_a_recheck_without_an_answer_fails_with_the_reason_and_makes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    _, task = send()
    task.before.path.unlink()  # not even what was cleaned away before it
    ANSWERS.append(RemoteError("the cloud does not answer", why="no route", fix="look at the network"))
    logging.getLogger("luigi-interface").propagate = True
    with caplog.at_level("INFO", logger="luigi-interface"):
        done, task = send(recheck="true")
    assert not done
    assert MADE == []
    (failed,) = [record for record in caplog.records if record.exc_info]
    assert isinstance(failed.exc_info, tuple)
    assert isinstance(failed.exc_info[1], RemoteError)
    assert "complete() method" not in caplog.text
    assert task.place.is_there


def test_what_was_replaced_is_there_no_longer_and_going_back_sends_it_again() -> None:
    CONTENT.update(holds="1")
    assert send()[0]
    assert MADE == ["Pack", "Send"]
    CONTENT.update(holds="0")
    assert send()[0]
    assert MADE == ["Pack", "Send", "Send"]


def test_what_was_sent_to_another_place_stays_there() -> None:
    CONTENT.update(holds="1")
    assert send(container="other")[0]
    CONTENT.update(holds="0")
    assert send()[0]
    assert MADE == ["Pack", "Send"]


def ahead(monkeypatch: pytest.MonkeyPatch, **said: Any) -> Send:
    monkeypatch.setattr(rehearsal, "check_startable", lambda **_: None)
    Stage.clear_instance_cache()
    task: Send = Send.from_str_params({"recipe": "gift", "version": "1", **said})
    task.look_ahead()
    return task


def test_a_name_that_is_taken_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    CONTENT.update(holds="1")
    ahead(monkeypatch)
    told = capsys.readouterr().err
    assert told.startswith("flight: note: version 1 of gift is there already, made of something else: unless what is")
    assert "Give --replace, or another --version." in told
    ahead(monkeypatch).before.run()
    capsys.readouterr()
    ahead(monkeypatch)
    assert "made of something else: Send will refuse" in capsys.readouterr().err


@pytest.mark.parametrize("said", [{"replace": "true"}, {"version": "2"}], ids=["replace", "another version"])
def test_nobody_is_told_of_a_name_that_is_not_in_the_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: dict[str, str]
) -> None:
    CONTENT.update(holds="1")
    ahead(monkeypatch, **said)
    CONTENT.update(holds="0")
    ahead(monkeypatch)
    assert capsys.readouterr().err == ""


def test_a_rehearsal_that_cannot_be_started_is_refused_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def taken(**_: Any) -> None:
        raise BusyError("the port is taken")

    monkeypatch.setattr(rehearsal, "check_startable", taken)
    Send.from_str_params({"recipe": "gift", "version": "1"}).look_ahead()  # what is there needs no rehearsal
    Stage.clear_instance_cache()
    CONTENT.update(holds="1")
    with pytest.raises(BusyError):
        Send.from_str_params({"recipe": "gift", "version": "1"}).look_ahead()
    Send.from_str_params({"recipe": "gift", "version": "1", "cloud": "public"}).look_ahead()
    assert MADE == []
