from __future__ import annotations

import logging
import re
import time

import pytest

from flight.workflows import telling
from flight.workflows.kit.progress import Progress


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(telling, "LINE_S", 0.01)
    monkeypatch.setattr(telling.LOG, "propagate", True)
    caplog.set_level(logging.INFO, logger=telling.LOG.name)
    return caplog


def until(heard: pytest.LogCaptureFixture, word: str) -> str:
    for _ in range(500):
        for record in list(heard.records):
            if word in record.getMessage():
                return record.getMessage()
        time.sleep(0.01)
    raise AssertionError(f"'{word}' was never said")


def test_without_a_terminal_a_line_says_how_far_a_stage_is_and_since_when(heard: pytest.LogCaptureFixture) -> None:
    with telling.to_all(stage="BuildImage", recipe="cup", message=None, percentage=None) as told:
        told(Progress(1, 4, "brewing"))
        said = until(heard, "brewing")
    assert re.fullmatch(r"BuildImage cup: brewing 25 %, \d+\.\d s so far", said)


def test_a_stage_that_says_nothing_new_is_still_heard_of(heard: pytest.LogCaptureFixture) -> None:
    with telling.to_all(stage="BuildImage", recipe="cup", message=None, percentage=None) as told:
        assert until(heard, "at work").startswith("BuildImage cup: at work, ")
        told(Progress(what="waiting"))
        until(heard, "waiting")
        heard.clear()
        until(heard, "waiting")


def test_nothing_is_said_of_a_stage_that_has_ended(heard: pytest.LogCaptureFixture) -> None:
    with telling.to_all(stage="BuildImage", recipe="cup", message=None, percentage=None):
        until(heard, "at work")
    heard.clear()
    time.sleep(0.05)
    assert heard.records == []


def test_a_short_stage_has_no_line(heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "LINE_S", 60)
    with telling.to_all(stage="BuildImage", recipe="cup", message=None, percentage=None) as told:
        told(Progress(1, 4, "brewing"))
    assert heard.records == []


def test_the_page_is_told_what_and_how_far_with_nothing_that_it_would_obey() -> None:
    said: list[str] = []
    percents: list[int | None] = []
    with telling.to_all(stage="B", recipe="cup", message=said.append, percentage=percents.append) as told:
        told(Progress(1, 1, "<b>done</b>"))
        told(Progress(what="sealing"))
    assert said == ["&lt;b&gt;done&lt;/b&gt; 100 %", "sealing"]
    assert percents == [100, None]
