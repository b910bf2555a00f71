import pytest

from flight.workflows.kit.progress import Progress, at_most_every, human_bytes, human_seconds


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress(1, 4, "sending"), "sending 25 %"),
        (Progress(5, 4, "sending"), "sending 100 %"),
        (Progress(3, 0, "waiting"), "waiting"),
    ],
    ids=["known", "beyond", "unknown"],
)
def test_progress_reads_as_words(progress: Progress, shown: str) -> None:
    assert str(progress) == shown


def test_progress_is_passed_on_at_most_so_often_but_the_end_always() -> None:
    now, heard = [0.0], []
    told = at_most_every(1.0, heard.append, clock=lambda: now[0])
    for tenth in range(25):
        now[0] = tenth / 10
        told(Progress(tenth, 100, "x"))
    told(Progress(100, 100, "x"))
    assert [progress.done for progress in heard] == [0, 10, 20, 100]


def test_what_comes_after_something_complete_does_not_wait_its_turn() -> None:
    heard: list[Progress] = []
    told = at_most_every(1.0, heard.append, clock=lambda: 0.0)
    for progress in (Progress(1, 1, "unpacking"), Progress(what="starting"), Progress(what="going on")):
        told(progress)
    assert [progress.what for progress in heard] == ["unpacking", "starting"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (600 << 20, "600 MiB"), (32 << 30, "32.0 GiB")],
)
def test_bytes_read_as_a_person_says_them(count: int, shown: str) -> None:
    assert human_bytes(count) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(3.24, "3.2 s"), (75, "1 min 15 s"), (3700, "1 h 01 min")])
def test_seconds_read_as_a_person_says_them(seconds: float, shown: str) -> None:
    assert human_seconds(seconds) == shown
