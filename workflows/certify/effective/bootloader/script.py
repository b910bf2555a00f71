"""GRUB's configuration language as values: a script is a list of statements, each with its line. Pure, and runs nothing.

Source: GNU GRUB Manual 2.12, "Writing full configuration files directly" (shell-like scripting).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_CHARACTERS: Final = 1 << 18
"""Of one file; grub-mkconfig writes 6 KiB, and 3 KiB for each kernel."""
DEEPEST: Final = 20
"""Blocks within blocks."""
CLOSING: Final = ("then", "elif", "else", "fi", "do", "done")
NAME: Final = re.compile(r"\$(?:\{(\w+|[?#@*])\}|([A-Za-z_]\w*|[0-9?#@*]))", re.ASCII)
PLAIN: Final = re.compile(r"[^\s;|&\\\"'$]+")
QUOTED: Final = re.compile(r"[^\\\"$]+")


class Part(NamedTuple):
    """A piece of a word: text as it stands, or a variable's name; only what is not quoted is split at blanks."""

    text: str
    is_variable: bool = False
    is_quoted: bool = False


Word = tuple[Part, ...]


@dataclass(frozen=True)
class Command:
    """A command with its words. `body` is what stands in braces behind it (menuentry, submenu, function)."""

    words: tuple[Word, ...]
    line: int
    body: tuple[Statement, ...] | None = None


@dataclass(frozen=True)
class If:
    """`branches` of condition and body; a condition is statements too, and the status of the last one counts."""

    branches: tuple[tuple[tuple[Statement, ...], tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class For:
    """`for NAME in WORDS`."""

    name: str
    words: tuple[Word, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class While:
    """`while` and `until`."""

    condition: tuple[Statement, ...]
    body: tuple[Statement, ...]
    is_until: bool


Statement = Command | If | For | While


class Token(NamedTuple):
    """A word; or, where `word` is empty, the end of a command."""

    word: Word
    line: int


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a file. Raises ValueError with what is wrong, and where."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it is {len(text)} characters long")
    parser = _Parser(list(_tokens(text)))
    statements = parser.statements(())
    if parser.here is not None:
        raise ValueError(f"line {parser.line}: '{parser.keyword}' begins nowhere")
    return statements


def _tokens(text: str) -> Iterator[Token]:
    at, line = 0, 1
    parts: list[Part] = []
    while at < len(text):
        sign = text[at]
        if sign in " \t\r\n;|&":
            if parts:
                yield Token(tuple(parts), line)
                parts = []
            if sign in "\n;|&":
                yield Token((), line)
            at, line = at + 1, line + (sign == "\n")
        elif sign == "#" and not parts:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            start = at
            at = _piece(text, at, parts, line)
            line += text.count("\n", start, at)
    if parts:
        yield Token(tuple(parts), line)


def _piece(text: str, at: int, parts: list[Part], line: int) -> int:
    """Read one piece of a word into `parts`; where the next one begins."""
    sign = text[at]
    if sign == "\\":
        if text[at + 1 : at + 2] != "\n":
            parts.append(Part(text[at + 1 : at + 2], is_quoted=True))
        return at + 2
    if sign == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise ValueError(f"line {line}: a quotation mark is never closed")
        parts.append(Part(text[at + 1 : end], is_quoted=True))
        return end + 1
    if sign == '"' or text.startswith('$"', at):
        return _double(text, at + (2 if sign == "$" else 1), parts, line)
    if sign == "$":
        return _variable(text, at, parts, is_quoted=False)
    plain = PLAIN.match(text, at)
    parts.append(Part(plain[0] if plain else sign))
    return plain.end() if plain else at + 1


def _double(text: str, at: int, parts: list[Part], line: int) -> int:
    parts.append(Part("", is_quoted=True))
    while at < len(text):
        if text[at] == '"':
            return at + 1
        if text[at] == "\\":
            escaped = text[at + 1 : at + 2]
            keeps = "" if escaped and escaped in '$"\\\n' else "\\"
            parts.append(Part(keeps + escaped.replace("\n", "" if not keeps else "\n"), is_quoted=True))
            at += 2
        elif text[at] == "$":
            at = _variable(text, at, parts, is_quoted=True)
        else:
            plain = QUOTED.match(text, at)
            assert plain  # anything but the three signs above
            parts.append(Part(plain[0], is_quoted=True))
            at = plain.end()
    raise ValueError(f"line {line}: a quotation mark is never closed")


def _variable(text: str, at: int, parts: list[Part], *, is_quoted: bool) -> int:
    found = NAME.match(text, at)
    if found is None:
        parts.append(Part("$", is_quoted=is_quoted))
        return at + 1
    parts.append(Part(found[1] or found[2], is_variable=True, is_quoted=is_quoted))
    return found.end()


@dataclass
class _Parser:
    tokens: list[Token]
    at: int = 0
    depth: int = 0
    ends: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def here(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    @property
    def line(self) -> int:
        return self.tokens[min(self.at, len(self.tokens) - 1)].line if self.tokens else 1

    @property
    def keyword(self) -> str:
        """The word here where it is bare, as keywords are."""
        return _bare(self.here.word) if self.here else ""

    def statements(self, ends: tuple[str, ...]) -> tuple[Statement, ...]:
        """All up to one of the words `ends`, which is left standing."""
        found: list[Statement] = []
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"line {self.line}: more than {DEEPEST} blocks stand within each other")
        while self.here is not None and not (self.keyword and self.keyword in (*ends, "}")):
            if self.here.word:
                found.append(self.statement())
            else:
                self.at += 1
        self.depth -= 1
        if ends and self.keyword not in ends:
            raise ValueError(f"line {self.line}: '{ends[-1]}' is missing")
        return tuple(found)

    def statement(self) -> Statement:
        if self.keyword in CLOSING:
            raise ValueError(f"line {self.line}: '{self.keyword}' begins nowhere")
        match self.keyword:
            case "if":
                return self.condition()
            case "while" | "until" as word:
                self.at += 1
                test = self.statements(("do",))
                return While(test, self.block("do", "done"), word == "until")
            case "for":
                head = self.command_words()
                self.skip_ends()
                return For(_bare(head[1]) if len(head) > 1 else "", head[3:], self.block("do", "done"))
        line, words = self.line, self.command_words()
        if words and _bare(words[-1]) == "{":
            return Command(words[:-1], line, self.block("", "}"))
        if words and _bare(words[0]) == "function":
            self.skip_ends()
            return Command(words, line, self.block("{", "}"))
        return Command(words, line)

    def condition(self) -> If:
        branches = []
        while self.keyword in ("if", "elif"):
            self.at += 1
            test = self.statements(("then",))
            self.at += 1
            branches.append((test, self.statements(("elif", "else", "fi"))))
        otherwise = self.block("else", "fi") if self.keyword == "else" else ()
        if self.keyword == "fi":
            self.at += 1
        return If(tuple(branches), otherwise)

    def block(self, first: str, last: str) -> tuple[Statement, ...]:
        if first and self.keyword != first:
            raise ValueError(f"line {self.line}: '{first}' is missing")
        self.at += 1 if first else 0
        inner = self.statements((last,))
        self.at += 1
        return inner

    def skip_ends(self) -> None:
        while self.here is not None and not self.here.word:
            self.at += 1

    def command_words(self) -> tuple[Word, ...]:
        words: list[Word] = []
        while self.here is not None and self.here.word and not (words and self.keyword == "}"):
            words.append(self.here.word)
            self.at += 1
            if _bare(words[-1]) == "{":
                break
        return tuple(words)


def _bare(word: Word) -> str:
    """A word of one piece that is neither quoted nor a variable; otherwise empty."""
    return word[0].text if len(word) == 1 and not word[0].is_variable and not word[0].is_quoted else ""
