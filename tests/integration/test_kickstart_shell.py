"""Scripts that no shell can read: found by this host's shells when the kickstart is read, and nothing of them is run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flight.workflows import kickstart
from flight.workflows.kickstart import shell
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.errors import ProgramError, RecipeError

HEAD = """\
url --url=https://mirror.example/os
rootpw --lock
part / --fstype=ext4 --size=2048 --grow
"""
SOURCES = '[sources]\narchive = "https://mirror.example/os"\nkey = "mirror.asc"\n'
RECIPES = {"debian": 'release = "trixie"\n', "el": f'family = "el"\nrelease = "9"\n{SOURCES}'}
FIRST = HEAD.count("\n") + 1
"""The line of the script's head."""


def read(folder: Path, script: str, *, family: str = "debian", options: str = "", ending: str = "ks") -> InstallPlan:
    (folder / "mirror.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    (folder / "r.toml").write_text(RECIPES[family])
    (folder / f"r.{ending}").write_text(f"{HEAD}%post {options}\n{script}\n%end\n")
    return kickstart.read("r", version="1", mirror="https://mirror.example/os", folders=[folder], cache=None)[1]


def fault_of(folder: Path, script: str, *, family: str = "debian", options: str = "", ending: str = "ks") -> str:
    with pytest.raises(RecipeError, match="the kickstart of r has one fault") as caught:
        read(folder, script, family=family, options=options, ending=ending)
    return caught.value.why.replace(f"{folder}/", "")


BASH = "--interpreter=/bin/bash"
BAD = {
    "left open": ("debian", "", "if true; then\necho x", 3, 'end of file unexpected (expecting "fi")'),
    "stray word": ("debian", "", "set -eu\necho x\ndone\necho y", 3, '"done" unexpected'),
    "quote": ("debian", BASH, 'echo "x', 1, "unexpected EOF while looking for matching"),
    "bash": ("debian", BASH, "echo x\n\nfi", 3, "syntax error near unexpected token `fi'"),
    "sh of Enterprise Linux": ("el", "", "echo x\nfor x in; do\n}", 3, "syntax error near unexpected token `}'"),
    "what Debian's sh has not": ("debian", "", "true\nnames=(a b)", 2, '"(" unexpected'),
}


@pytest.mark.parametrize(("family", "options", "script", "line", "said"), BAD.values(), ids=BAD)
def test_a_script_that_its_shell_cannot_read_is_told_at_the_line_where_that_was_noticed(
    tmp_path: Path, family: str, options: str, script: str, line: int, said: str
) -> None:
    fault = fault_of(tmp_path, script, family=family, options=options)
    assert fault.startswith(f"r.ks:{FIRST + line}: %post: ")
    assert said in fault


GOOD = {
    "arrays of bash": ("debian", BASH, "names=(a b)\n[[ -n ${names[0]} ]]"),
    "bash is sh in Enterprise Linux": ("el", "", "names=(a b)\ndiff <(true) <(true)"),
    "patterns that a script switches on": ("el", BASH, "shopt -s extglob\nrm -f /srv/!(kept)"),
    "a document without an end": ("el", BASH, "cat <<END\ntext"),
    "another interpreter": ("debian", "--interpreter=/usr/bin/perl", "if (1) { print 'done' }"),
}


@pytest.mark.parametrize(("family", "options", "script"), GOOD.values(), ids=GOOD)
def test_what_works_is_not_refused(tmp_path: Path, family: str, options: str, script: str) -> None:
    assert read(tmp_path, script, family=family, options=options).scripts[0].text == f"{script}\n"


def test_a_fault_within_a_loop_of_the_template_names_the_template_s_line(tmp_path: Path) -> None:
    script = "{% for name in ['a', 'b', 'c'] %}\necho {{ name }}\n{% endfor %}\nesac"
    assert fault_of(tmp_path, script, ending="ks.j2").startswith(f"r.ks.j2:{FIRST + 4}: %post: ")


@pytest.mark.parametrize("options", ["", BASH], ids=["sh", "bash"])
def test_nothing_of_a_script_is_run(tmp_path: Path, options: str) -> None:
    mark = tmp_path / "ran"
    read(tmp_path, f"touch {mark}\necho $(touch {mark}) `touch {mark}`\nset +n\ntouch {mark}", options=options)
    assert not mark.exists()


def test_where_the_host_has_no_such_shell_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "find", lambda program, *, why: _missing(program))
    assert read(tmp_path, "done").scripts[0].text == "done\n"


def test_a_shell_that_says_no_line_is_told_with_the_script_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dash").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "dash").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert fault_of(tmp_path, "true").startswith(
        f"r.ks:{FIRST}: %post: dash cannot read the script (see what `dash -n`"
    )


def _missing(program: str) -> str:
    raise ProgramError(f"no {program}")


def test_these_tests_have_the_shells_that_they_speak_of() -> None:
    assert all(map(shutil.which, ("bash", "dash")))
