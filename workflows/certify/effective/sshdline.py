"""The command line by which a machine starts sshd: the unit's ExecStart with its variables put in, and its options.

Source: systemd.service(5), "Command lines"; systemd.exec(5), EnvironmentFile=; sshd(8).
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from flight.workflows.certify.effective.sshdwords import lines_of
from flight.workflows.certify.effective.unitfiles import UnitFiles, unquoted, values
from flight.workflows.certify.tree import NotTaken, Tree

UNITS: Final = ("ssh.service", "sshd.service")
DEFAULT: Final = ("sshd", "$SSHD_OPTS", "$OPTIONS")
"""What stands for the command line where no unit has one: a script of rcN.d reads the same files."""
FILES: Final = ("/etc/default/ssh", "/etc/sysconfig/sshd", "/etc/sysconfig/ssh")
"""Debian's, Enterprise Linux's, SUSE's."""
PREFIXES: Final = "@-:+!|"
"""Signs before a program in ExecStart."""
WITH_VALUE: Final = "bcCEfghkopu"
"""sshd's options that take a value."""
MOST_FILES: Final = 64
MOST_WORDS: Final = 4096
MOST_VALUE: Final = 4096
MOST_CHARACTERS: Final = 2 << 20
"""What is read at most of files of variables together: flight's limits, since a unit may name any file."""
VARIABLE: Final = re.compile(r"\$(\w+)", re.ASCII)
BRACED: Final = re.compile(r"\$\{(\w+)\}", re.ASCII)

SHELLS: Final = ("sh", "bash", "dash", "env")
"""Programs that may run sshd in their turn."""


class Word(NamedTuple):
    """A word of the command line, and where it is written: file:line, or the unit."""

    text: str
    at: str


def runs_sshd(command: str) -> bool:
    """Whether a value of ExecStart is a command line of sshd's, or of a shell's that names it."""
    program, *others = [posixpath.basename(word) for word in unquoted(command.lstrip(PREFIXES))] or [""]
    return program == "sshd" or (program in SHELLS and any("sshd" in word for word in others))


def options_of(tree: Tree) -> Iterator[tuple[str, Word]]:
    """sshd's options with their values, as getopt(3) takes them apart. Raises NotTaken."""
    words = islice(_words(tree), 1, MOST_WORDS)
    for word in words:
        if not word.text.startswith("-") or word.text in ("-", "--"):
            return
        letters = word.text[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in WITH_VALUE:
                yield letter, word._replace(text=letters) if letters else next(words, Word("", word.at))
                break


def _words(tree: Tree) -> Iterator[Word]:
    """The program and what follows, variables put in."""
    files = UnitFiles(tree)
    unit = next((name for name in UNITS if values(files.settings(name), "Service", "ExecStart")), "")
    settings = files.settings(unit) if unit else ()
    known = {
        name: Word(value, unit)
        for row in values(settings, "Service", "Environment")
        for name, sign, value in (word.partition("=") for word in unquoted(row))
        if sign
    }
    named = [path.removeprefix("-") for path in values(settings, "Service", "EnvironmentFile")] if unit else FILES
    left = MOST_CHARACTERS
    for path in dict.fromkeys(path for pattern in named[:MOST_FILES] for path in tree.glob(pattern)):
        text = tree.text(path) or ""
        left -= len(text)
        if left < 0:
            raise NotTaken(path)
        known |= _assigned(path, text)
    commands = values(settings, "Service", "ExecStart")
    plain = unquoted(commands[-1].lstrip(PREFIXES)) if commands else DEFAULT
    for word in plain:
        yield from _expanded(word, known, unit)


def _expanded(text: str, known: Mapping[str, Word], unit: str) -> list[Word]:
    """`$NAME` becomes as many words as its value has, `${NAME}` a part of one."""
    if matched := VARIABLE.fullmatch(text):
        value = known.get(matched[1], Word("", unit))
        return [Word(word, value.at) for word in unquoted(value.text)]
    at = next((known[name].at for name in BRACED.findall(text) if name in known), unit)
    put_in = BRACED.sub(lambda matched: known.get(matched[1], Word("", "")).text[:MOST_VALUE], text, count=MOST_FILES)
    return [Word(put_in, at)]


def _assigned(path: str, text: str) -> dict[str, Word]:
    """The NAME=value lines of a file of variables."""
    found = {}
    for number, line in enumerate(lines_of(text), 1):
        name, sign, value = line.partition("=")
        if sign and not name.startswith(("#", ";")):
            try:
                found[name.strip()] = Word(" ".join(shlex.split(value, comments=True)), f"{path}:{number}")
            except ValueError:
                continue
    return found
