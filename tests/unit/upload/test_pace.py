"""How many are let through at once: more while the service keeps up, half where it pushes back."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.upload.pace import Limit, Pace


def round_of(limit: Limit, seconds: float) -> None:
    for _ in range(limit.now):
        limit.succeeded(seconds)


def test_after_as_many_successes_as_the_limit_one_more_is_let_in_up_to_the_most() -> None:
    limit = Limit(now=2, most=4)
    limit.succeeded(0.1)
    assert limit.now == 2
    limit.succeeded(0.1)
    assert limit.now == 3
    for _ in range(5):
        round_of(limit, 0.1)
    assert limit.now == 4


@pytest.mark.parametrize(("seconds", "then"), [(0.19, 4), (0.21, 3)], ids=["nearly twice", "more than twice"])
def test_it_grows_only_while_answers_take_less_than_twice_as_long_as_the_best(seconds: float, then: int) -> None:
    limit = Limit(now=2, most=8)
    round_of(limit, 0.1)
    assert limit.now == 3
    round_of(limit, seconds)
    assert limit.now == then


def test_one_slow_answer_among_many_does_not_stop_it() -> None:
    limit = Limit(now=5, most=8)
    round_of(limit, 0.1)
    for seconds in (0.1, 9.0, 0.1, 0.1, 0.1, 0.1):
        limit.succeeded(seconds)
    assert limit.now == 7


def test_a_push_back_halves_it_and_what_succeeded_before_does_not_count() -> None:
    limit = Limit(now=8, most=16)
    for _ in range(7):
        limit.succeeded(0.1)
    limit.pushed_back()
    assert limit.now == 4
    limit.succeeded(0.1)
    assert limit.now == 4


@given(st.lists(st.one_of(st.none(), st.floats(0, 60)), max_size=300), st.integers(1, 16))
def test_it_stays_between_one_and_the_most_whatever_happens(happened: list[float | None], start: int) -> None:
    limit = Limit(now=start, most=16)
    for seconds in happened:
        if seconds is None:
            limit.pushed_back()
        else:
            limit.succeeded(seconds)
        assert 1 <= limit.now <= 16


def test_a_throng_of_refusals_is_one_refusal() -> None:
    pace, inside, go_on = Pace(start=8), threading.Barrier(9), threading.Event()

    def refused() -> None:
        with pytest.raises(ConnectionError), pace.turn(lambda error: True):
            inside.wait()
            go_on.wait()
            raise ConnectionError

    threads = [threading.Thread(target=refused) for _ in range(8)]
    for thread in threads:
        thread.start()
    inside.wait()
    go_on.set()
    for thread in threads:
        thread.join()
    assert pace.limit == 4


def test_what_fails_otherwise_halves_nothing_and_leaves_its_turn() -> None:
    pace = Pace(start=1, most=1)
    for _ in range(2):
        with pytest.raises(OSError, match="cable"), pace.turn(lambda error: False):
            raise OSError("cable")
    assert pace.limit == 1


def test_a_killed_one_leaves_its_turn() -> None:
    pace = Pace(start=1, most=1)
    with pytest.raises(KeyboardInterrupt), pace.turn():
        raise KeyboardInterrupt
    with pace.turn():
        pass


def test_no_more_are_let_in_than_the_limit_and_all_get_in_at_last() -> None:
    pace, lock = Pace(start=3, most=3), threading.Lock()
    inside = most = done = 0

    def one() -> None:
        nonlocal inside, most, done
        with pace.turn():
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1
                done += 1

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == 20
    assert most <= 3
