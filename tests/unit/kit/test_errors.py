import pickle

from flight.workflows.kit.errors import FlightError, ProgramError


def test_an_error_prints_what_why_and_fix_on_lines_of_their_own() -> None:
    error = FlightError("no luigi.cfg", why="cron starts in $HOME", fix="set LUIGI_CONFIG_PATH")
    assert str(error) == "no luigi.cfg\n  why: cron starts in $HOME\n  fix: set LUIGI_CONFIG_PATH"


def test_an_error_without_why_or_fix_is_one_line() -> None:
    assert str(FlightError("no luigi.cfg")) == "no luigi.cfg"


def test_an_error_survives_the_way_from_a_worker_process() -> None:
    copy = pickle.loads(pickle.dumps(ProgramError("what", why="why", fix="fix")))
    assert type(copy) is ProgramError
    assert (copy.what, copy.why, copy.fix) == ("what", "why", "fix")
