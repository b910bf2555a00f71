"""Shell scripts that a shell cannot read, found before anything is installed: `bash -n` reads and runs nothing.

It is this host's shell, which reads the script from its stdin; where the host has none of its kind, nothing is said.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from flight.workflows.kickstart.render import Rendered
from flight.workflows.kickstart.syntax import Section, Statements
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.finding import Finding
from flight.workflows.kit.run import find, run
from flight.workflows.kit.text import quoted

TIMEOUT_S: Final = 60.0
SHELLS: Final = {"debian": ("dash", "sh"), "el": ("bash",)}
"""What /bin/sh is in an image of each family, and what will do in its place: one that refuses less."""
NOTICED: Final = re.compile(r"\S+: (?:line )?(\d+): (?!warning)(.*)")
"""How bash and dash tell a fault: their own name, the script's line, what they say."""


def check_scripts(statements: Statements, rendered: Rendered) -> Iterator[Finding]:
    """A finding for each script that its shell cannot read, at the template's line where the shell noticed."""
    for script in statements.scripts:
        shell = _shell_for(script, rendered.recipe.family)
        if shell:
            yield from _check(script, shell, rendered)


def _shell_for(script: Section, family: str) -> str:
    """The program that reads it as the image's own shell will; empty where there is none, or it is for another one."""
    name = script.values["interpreter"].rpartition("/")[2]
    for program in {"sh": SHELLS[family], "bash": ("bash",)}.get(name, ()):
        with contextlib.suppress(ProgramError):
            find(program, why="read a script")
            return program
    return ""


def _check(script: Section, shell: str, rendered: Rendered) -> Iterator[Finding]:
    text, said = script.values["text"], list[str]()
    extended = ["-O", "extglob"] if shell == "bash" and "extglob" in text else []  # -n does not run its `shopt -s`
    ran = run(
        [shell, *extended, "-n"],
        why=f"read the script at {script.where}",
        stdin=text.encode(errors="replace"),
        timeout_s=TIMEOUT_S,
        ok=range(256),
        heard=said.append,
    )
    noticed = next(filter(None, map(NOTICED.match, said)), None)
    what = f"{script.name}: {shell} cannot read the script"
    if ran.code and noticed:
        where = rendered.where(script.values["line"] + int(noticed[1]))
        yield Finding(where, f"{what}: {quoted(noticed[2])}", "mend it here or above: this is where the shell noticed")
    elif ran.code:
        yield Finding(script.where, what, f"see what `{shell} -n` says of it")
