"""The one door to programs, with real programs."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from flight.workflows.kit import run as door
from flight.workflows.kit.errors import ProgramError, SpaceError
from flight.workflows.kit.run import run


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    for _ in range(100):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def read_pid(path: Path) -> int:
    for _ in range(100):
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError("the child never started")


def test_output_is_returned_logged_and_heard_line_by_line(tmp_path: Path) -> None:
    heard: list[str] = []
    ran = run(["sh", "-c", "echo one; echo two >&2"], why="try", log_to=tmp_path / "log", heard=heard.append)
    assert ran.out == "one\n"
    assert sorted(heard) == ["one", "two"]
    assert {"one", "two"} < set((tmp_path / "log").read_text().split())


def test_stdin_is_closed_unless_given() -> None:
    assert run(["cat"], why="read").out == ""
    assert run(["cat"], why="read", stdin=b"given").out == "given"


def test_a_failure_quotes_the_last_words_and_names_the_log(tmp_path: Path) -> None:
    with pytest.raises(ProgramError) as caught:
        run(["sh", "-c", "echo gone wrong >&2; exit 3"], why="convert the disk", log_to=tmp_path / "log", fix="do this")
    assert caught.value.what == "could not convert the disk: sh ended with exit code 3"
    assert "gone wrong" in caught.value.why
    assert str(tmp_path / "log") in caught.value.why
    assert caught.value.fix == "do this"


def test_control_characters_reach_the_log_and_neither_error_nor_ear(tmp_path: Path) -> None:
    heard: list[str] = []
    script = r"printf 'a\033[2Jb\000\n'; exit 3"
    with pytest.raises(ProgramError) as caught:
        run(["sh", "-c", script], why="try", log_to=tmp_path / "log", heard=heard.append)
    assert b"a\x1b[2Jb\0\n" in (tmp_path / "log").read_bytes()
    assert heard == ["a^[[2Jb^@"]
    assert "| a^[[2Jb^@" in caught.value.why


def test_a_flood_fills_neither_memory_nor_disk_and_the_program_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_OUT_BYTES", 1 << 20)
    monkeypatch.setattr(door, "MOST_LOG_BYTES", 1 << 20)
    ran = run(["sh", "-c", f"yes | head -c {3 << 20}; touch {tmp_path}/ended"], why="try", log_to=tmp_path / "log")
    assert (tmp_path / "ended").exists()
    log = (tmp_path / "log").read_bytes()
    assert len(log) < (1 << 20) + 300
    assert log.endswith(b"\n(cut here after 1.0 MiB: the program goes on)\n")
    with pytest.raises(ProgramError, match="could not try: the program wrote too much"):
        _ = ran.out


def test_a_line_without_an_end_is_heard_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_LINE_BYTES", 5000)
    heard: list[str] = []
    with pytest.raises(ProgramError) as caught:
        run(["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; exit 1"], why="try", heard=heard.append)
    assert [len(line) for line in heard] == [5000]
    assert len(caught.value.why) < 1100


def test_a_full_disk_is_said_to_be_one() -> None:
    with pytest.raises(SpaceError):
        run(["sh", "-c", "echo 'write: No space left on device' >&2; exit 1"], why="write")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(ProgramError, match="'no-such-program' is not here"):
        run(["no-such-program"], why="try")


def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    with pytest.raises(ProgramError, match="did not end within"):
        run(["sh", "-c", script], why="wait", timeout_s=0.5)
    assert gone(read_pid(tmp_path / "pid"))


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flight.workflows.kit.run.GRACE_S", 0.3)
    with pytest.raises(ProgramError):
        run(
            ["sh", "-c", f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"],
            why="wait",
            timeout_s=0.5,
        )
    assert gone(read_pid(tmp_path / "pid"))


def test_credentials_of_ours_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hunter2")
    assert "hunter2" not in run(["env"], why="look").out


@pytest.mark.parametrize("contained", [False, True], ids=["plain", "contained"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_whatever_kills_us_kills_the_program(tmp_path: Path, contained: bool, number: signal.Signals) -> None:
    inner = f"exec sleep 61.{os.getpid()}"
    code = f"""
        from flight.workflows.kit.run import run
        run(["sh", "-c", {inner!r}], why="wait", contained={contained})
    """
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", textwrap.dedent(code)], dict(os.environ))
    sleeper = find_sleeper(f"61.{os.getpid()}")
    os.kill(pid, number)
    os.waitpid(pid, 0)
    assert gone(sleeper)


def find_sleeper(argument: str) -> int:
    for _ in range(100):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", argument.encode()]:
                return int(folder.name)
        time.sleep(0.05)
    raise AssertionError("the child never started")


def test_a_contained_program_sees_no_other_process_and_takes_its_children_along(tmp_path: Path) -> None:
    ran = run(["sh", "-c", "sleep 60 & ls /proc | grep -c '^[0-9]'"], why="look", contained=True)
    assert int(ran.out) < 10


def test_a_talk_answers_lines_until_it_has_nothing_more_to_say() -> None:
    asks = "import sys\nfor line in sys.stdin: print('you said', line.strip(), flush=True)\nprint('over')"
    said = []

    def reply(line: str) -> str | None:
        said.append(line)
        return {"you said one": "two\nthree\n", "you said three": None}.get(line, "")

    run([sys.executable, "-c", asks], why="talk", stdin=b"one\n", replies=reply, timeout_s=20)
    assert said == ["you said one", "you said two", "you said three"]


def test_a_program_that_ends_in_the_middle_of_a_talk_is_one_error() -> None:
    with pytest.raises(ProgramError, match="exit code 3"):
        run(["sh", "-c", "echo a; exit 3"], why="talk", stdin=b"x" * 100_000, replies=lambda _line: "y" * 100_000)
