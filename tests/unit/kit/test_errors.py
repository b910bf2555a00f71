import errno
import pickle

import pytest

from flight.workflows.kit.errors import FlightError, ProgramError, SpaceError, os_errors_explained


def test_an_error_prints_what_why_and_fix_on_lines_of_their_own() -> None:
    error = FlightError("no luigi.cfg", why="cron starts in $HOME", fix="set LUIGI_CONFIG_PATH")
    assert str(error) == "no luigi.cfg\n  why: cron starts in $HOME\n  fix: set LUIGI_CONFIG_PATH"


def test_an_error_without_why_or_fix_is_one_line() -> None:
    assert str(FlightError("no luigi.cfg")) == "no luigi.cfg"


def test_an_error_that_quotes_others_does_nothing_to_the_terminal() -> None:
    error = FlightError("a\x1b[2Jb", why="one\n  two\x00\x9b", fix="\x1b]0;title\x07\ttab\x7f")
    assert str(error) == "a^[[2Jb\n  why: one\n  two^@\N{REPLACEMENT CHARACTER}\n  fix: ^[]0;title^G\ttab^?"


def test_an_error_survives_the_way_from_a_worker_process() -> None:
    copy = pickle.loads(pickle.dumps(ProgramError("what", why="why", fix="fix")))
    assert type(copy) is ProgramError
    assert (copy.what, copy.why, copy.fix) == ("what", "why", "fix")


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, SpaceError), (errno.EDQUOT, SpaceError), (errno.EACCES, FlightError)]
)
def test_the_systems_own_refusals_are_explained(number: int, kind: type[FlightError]) -> None:
    with pytest.raises(kind, match="could not make the disk") as caught, os_errors_explained("make the disk"):
        raise OSError(number, "said the system", "/some/file")
    assert "said the system: /some/file" in caught.value.why


def test_a_reader_that_went_away_is_no_fault() -> None:
    with pytest.raises(BrokenPipeError), os_errors_explained("print"):
        raise BrokenPipeError
