"""What sshd would do: its configuration read as it reads it itself, and what stands literally in the main file.

The first value of a keyword holds; Include is read where it stands; a Match block ends the global part. What stands
below `Match all` comes before what is global: sshd reads matching blocks anew for each connection. What makes sshd
refuse to start is `problem`. tests/integration/certify/test_sshd.py asks the real one.

Source: sshd_config(5) of OpenSSH 9.2 and its observed behaviour; sshd(8) for -o and -f.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flight.workflows.certify.effective.sshdkeywords import KNOWN
from flight.workflows.certify.effective.sshdline import options_of
from flight.workflows.certify.effective.sshdwords import Refused, arguments_of, keyword_of, lines_of, seconds_of
from flight.workflows.certify.tree import Tree
from flight.workflows.kit.text import quoted

FOLDER: Final = "/etc/ssh"
MAINS: Final = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
"""The second is SUSE's, read where the first is not there."""
MOST_DEPTH: Final = 16
"""Includes within one another. Source: sshd's own limit."""
MOST_FILES: Final = 512
MOST_CHARACTERS: Final = 2 << 20
"""What is read at most of all files: flight's limits, since sixteen levels can name a file very often."""
DEFAULTS: Final = {
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
    "clientalivecountmax": "3",
    "clientaliveinterval": "0",
    "kbdinteractiveauthentication": "yes",
    "passwordauthentication": "yes",
    "permitemptypasswords": "no",
    "permitrootlogin": "prohibit-password",
    "port": "22",
    "pubkeyauthentication": "yes",
    "usepam": "no",
}
ALIASES: Final = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
}
TIMES: Final = ("clientaliveinterval", "logingracetime")
"""Keywords of one argument that is a time."""


@dataclass(frozen=True)
class Statement:
    """One line. `keyword` in lower case; `at` is file:line; `holds`: for every connection, so outside Match blocks.

    `is_matched`: below `Match all`, which holds too.
    """

    keyword: str
    arguments: tuple[str, ...]
    at: str
    holds: bool
    is_matched: bool = False

    @property
    def value(self) -> str:
        return " ".join(self.arguments)


@dataclass(frozen=True)
class Sshd:
    """All statements in the order of reading. `main`: the main file's path, empty where there is none."""

    main: str
    main_lines: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    problem: str = ""

    def every(self, keyword: str) -> tuple[Statement, ...]:
        """Each line of a keyword, those of Match blocks too."""
        wanted = _known_as(keyword)
        return tuple(each for each in self.statements if each.keyword == wanted)

    def effective(self, keyword: str) -> tuple[str, str]:
        """The value that holds and its file:line; OpenSSH's default (or nothing) and an empty place where none is set."""
        holding = [each for each in self.every(keyword) if each.holds]
        first = next((each for each in holding if each.is_matched), holding[0] if holding else None)
        return (first.value, first.at) if first else (DEFAULTS.get(_known_as(keyword), ""), "")

    def seconds(self, keyword: str) -> int:
        """An effective time, in seconds."""
        return seconds_of(self.effective(keyword)[0]) or 0

    def literal(self, keyword: str) -> tuple[tuple[str, str], ...]:
        """The values beside a keyword in the main file as a search for its very letters finds them, with file:line."""
        pattern = re.compile(rf"[ \t]*{re.escape(keyword)}[ \t]+([^\s#]+)")
        found = ((number, pattern.match(line)) for number, line in enumerate(self.main_lines, 1))
        return tuple((matched[1], f"{self.main}:{number}") for number, matched in found if matched)


def sshd_of(tree: Tree) -> Sshd:
    """Raises NotTaken."""
    options, file = _command_line(tree)
    return read_config(tree, file or next((path for path in MAINS if tree.place(path)), ""), options)


def read_config(tree: Tree, main: str, options: tuple[Statement, ...] = ()) -> Sshd:
    """What a main file says; `options` of the command line come before all of it. Raises NotTaken."""
    text = tree.text(main) if main else None
    if text is None:
        return Sshd("", statements=options, problem="there is no sshd_config")
    reader = _Reader(tree)
    reader.statements += options
    problem = ""
    try:
        reader.read(main, depth=0, holds=True, matched=False, never=False)
    except Refused as refused:
        problem = str(refused)
    return Sshd(main, tuple(text.split("\n")), tuple(reader.statements), problem or reader.unknown)


class _Reader:
    def __init__(self, tree: Tree) -> None:
        self.tree, self.files, self.characters = tree, 0, 0
        self.statements: list[Statement] = []
        self.unknown = ""

    def read(self, path: str, *, depth: int, holds: bool, matched: bool, never: bool) -> None:
        """`never`: within an Include of a Match block that does not hold, no Match holds either."""
        self.files += 1
        if depth > MOST_DEPTH or self.files > MOST_FILES:
            raise Refused(f"{quoted(path)} is included too deep, or too often")
        text = self.tree.text(path)
        self.characters += len(text or "")
        if self.characters > MOST_CHARACTERS:
            raise Refused(f"it is longer than flight reads, with {quoted(path)}")
        if text is None and not self.tree.is_folder(path):
            raise Refused(f"{quoted(path)} is included, and cannot be read")
        for number, line in enumerate(lines_of(text or ""), 1):
            at = f"{path}:{number}"
            keyword, rest = keyword_of(line)
            if not keyword or keyword.startswith("#"):
                continue
            if not rest:
                raise Refused(f"{quoted(at)}: no value after {quoted(keyword)}")
            keyword = _known_as(keyword)
            if keyword == "match":
                holds = matched = _matches_all(rest, at) and not never
            elif keyword == "include":
                for each in arguments_of(rest, at):
                    for file in self._named(each):
                        self.read(file, depth=depth + 1, holds=holds, matched=matched, never=never or not holds)
            else:
                if keyword not in KNOWN and not self.unknown:
                    self.unknown = f"{quoted(at)}: no OpenSSH knows {quoted(keyword)}"
                self.statements.append(_checked(Statement(keyword, arguments_of(rest, at), at, holds, matched)))

    def _named(self, pattern: str) -> list[str]:
        """The files of an Include, as glob(3) sorts them: by bytes, hidden ones only where the pattern has their dot."""
        path = pattern if pattern.startswith(("/", "~")) else f"{FOLDER}/{pattern}"
        hidden = [part.startswith(".") for part in path.strip("/").split("/")]
        found = [] if path.startswith("~") else self.tree.glob(path)
        return [
            each
            for each in found
            if all(
                may or not part.startswith(".") for may, part in zip(hidden, each.strip("/").split("/"), strict=False)
            )
        ]


def _known_as(keyword: str) -> str:
    return ALIASES.get(keyword.lower(), keyword.lower())


def _checked(statement: Statement) -> Statement:
    """It, where sshd would take it: what is said of times is said by an integration test."""
    if statement.keyword in TIMES:
        if not statement.arguments or seconds_of(statement.arguments[0]) is None:
            raise Refused(f"{quoted(statement.at)}: {quoted(statement.value)} is no time")
        if len(statement.arguments) > 1:
            raise Refused(f"{quoted(statement.at)}: more than one value")
    return statement


def _matches_all(rest: str, at: str) -> bool:
    """Whether a Match holds for every connection."""
    words = [word.lower() for word in arguments_of(rest.replace("=", " "), at)]
    if "all" in words[:1] and len(words) > 1:
        raise Refused(f"{quoted(at)}: 'Match all' takes nothing else")
    return words == ["all"]


def _command_line(tree: Tree) -> tuple[tuple[Statement, ...], str]:
    """What -o and -p set and -f names where the machine starts sshd."""
    set_there, file = [], ""
    for option, word in options_of(tree):
        keyword, rest = ("port", word.text) if option == "p" else keyword_of(word.text) if option == "o" else ("", "")
        if keyword and rest:
            set_there.append(Statement(_known_as(keyword), (rest,), word.at, True))
        if option == "f":
            file = word.text
    return tuple(set_there), file
