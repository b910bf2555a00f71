"""What is tried again, how soon, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from flight.workflows.upload.patience import Patience, retry_after


class Clock:
    """A time that passes only while somebody rests."""

    def __init__(self) -> None:
        self.now, self.rests = 100.0, list[float]()

    def wait(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds


def patience(clock: Clock, **more: Any) -> Patience:
    made = Patience(clock=lambda: clock.now, **more)
    made.given_up.wait = clock.wait  # type: ignore[method-assign,assignment]
    return made


def answer(status: int, code: str = "", **headers: str) -> HttpResponseError:
    error = HttpResponseError(f"{code} happened")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    error.response = SimpleNamespace(headers=headers, status_code=status)  # type: ignore[assignment]
    return error


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def request() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return request


AGAIN = {
    "busy": answer(503, "ServerBusy"),
    "internal": answer(500, "InternalError"),
    "a page damaged on its way": answer(400, "Md5Mismatch"),
    "cut off": ServiceRequestError("Connection aborted"),
    "no answer": ServiceResponseError("Read timed out"),
    "an answer cut short": IncompleteReadError("IncompleteRead"),
    "the name server is gone for a moment": ServiceRequestError("Failed to resolve 'x'"),
    "the login service is gone for a moment": ClientAuthenticationError("Failed to resolve 'login.example'"),
}
NOT_AGAIN = {
    "forbidden": answer(403, "AuthorizationFailure"),
    "taken over": answer(412, "ConditionNotMet"),
    "a defect of ours": answer(400, "InvalidPageRange"),
    "a login that is refused": ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."),
}


@pytest.mark.parametrize("error", AGAIN.values(), ids=AGAIN.keys())
def test_a_request_is_tried_again_after(error: Exception) -> None:
    clock = Clock()
    assert patience(clock).ask(failing(error)) == "done"
    assert clock.rests


@pytest.mark.parametrize("error", NOT_AGAIN.values(), ids=NOT_AGAIN.keys())
def test_a_request_is_not_tried_again_after(error: Exception) -> None:
    clock = Clock()
    with pytest.raises(type(error)):
        patience(clock).ask(failing(error))
    assert not clock.rests


def test_a_refusal_that_is_final_for_this_request_is_not_tried_again() -> None:
    clock = Clock()
    with pytest.raises(HttpResponseError):
        patience(clock).ask(failing(answer(400, "Md5Mismatch")), final={"Md5Mismatch"})
    assert not clock.rests


@pytest.mark.parametrize("words", ["Failed to resolve 'x'", "Connection refused"])
def test_at_first_contact_a_host_that_is_not_there_is_an_error_at_once(words: str) -> None:
    clock = Clock()
    with pytest.raises(ServiceRequestError):
        patience(clock, hopeful=False).ask(failing(ServiceRequestError(words)))
    assert not clock.rests


def test_waits_grow_from_a_quarter_of_a_second_to_half_a_minute_and_tries_end() -> None:
    clock = Clock()
    with pytest.raises(HttpResponseError):
        patience(clock).ask(failing(*(answer(500) for _ in range(10))))
    assert len(clock.rests) == 9
    assert clock.rests[0] < 0.4
    assert 20 < clock.rests[-1] < 40


def test_a_pause_that_the_server_asks_for_is_kept_by_every_sender() -> None:
    clock = Clock()
    shared = patience(clock)
    shared._wait_after(answer(503, "ServerBusy", **{"Retry-After": "7"}), 0)
    assert shared.ask(failing()) == "done"
    assert clock.rests == [7.0]


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("3600", 30.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)], ids=str
)
def test_retry_after_is_read(header: str, seconds: float) -> None:
    assert retry_after(answer(503, **{"Retry-After": header})) == seconds


def test_nobody_waits_once_another_sender_has_failed_for_good() -> None:
    shared = Patience()
    shared.given_up.set()
    with pytest.raises(HttpResponseError):
        shared.ask(failing(answer(503, "ServerBusy", **{"Retry-After": "30"})))


@pytest.mark.parametrize(
    ("error", "was_interrupted"),
    [(ServiceResponseError("reset"), True), (answer(503, "ServerBusy"), False)],
    ids=["reset", "busy"],
)
def test_a_connection_that_failed_is_remembered_until_that_is_forgotten(
    error: Exception, was_interrupted: bool
) -> None:
    shared = patience(Clock())
    shared.ask(failing(error))
    assert shared.was_interrupted is was_interrupted
    shared.was_interrupted = False
    shared.ask(failing())
    assert not shared.was_interrupted


def test_a_service_that_is_away_is_told_once_and_once_that_it_is_back() -> None:
    heard: list[str] = []
    asked = patience(Clock(), warned=heard.append)
    away = [ServiceRequestError("Connection refused")]
    assert asked.ask(failing(*away * 2)) == "done"
    assert heard == [], "a moment is not worth a word"
    asked.ask(failing(*away * 6))
    asked.ask(failing(*[answer(503, "ServerBusy")] * 3))
    assert heard == [
        "the service does not answer: it is tried on", "the service answers again",
        "the service asks for pauses", "the service answers again",
    ]  # fmt: skip
