"""GRUB's menu as it would stand on the screen: the configuration run as GRUB runs it, over the files of a tree. Pure.

Variables, conditions, functions, grubenv, searches, further files and boot loader entries are honoured; nothing is
saved, and what only a real machine can answer (`fwsetup --is-supported`) is answered with no.

script (the language), holds (`[`), commands, bls (entries), menu (what comes of it), bootfiles (paths)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from flight.workflows.certify.effective.bootfiles import BootFiles
from flight.workflows.certify.effective.bootloader.commands import run_builtin
from flight.workflows.certify.effective.bootloader.menu import MENU_OPTIONS, Item, Loaded, TooMuch, split_options
from flight.workflows.certify.effective.bootloader.script import Command, For, If, Statement, While, Word, parse

MOST_STEPS: Final = 20_000
"""Commands run for one menu; a menu of three kernels takes 300."""
MOST_EXPANDED: Final = 4 << 20
"""Characters of all values that are put in for variables."""
MOST_READ: Final = 2 << 20
"""Characters of all files together, each as often as it is read."""
MOST_ITEMS: Final = 1000
DEEPEST: Final = 10
"""Files, functions and submenus within each other."""
ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=", re.ASCII)


@dataclass
class Grub:
    """One run. `env` are the variables, `read` the files that had a say, `missing` those that were not there."""

    files: BootFiles
    env: dict[str, str]
    exported: set[str] = field(default_factory=lambda: {"root", "prefix"})
    functions: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    menu: list[Item] = field(default_factory=list)
    loaded: Loaded = field(default_factory=Loaded)
    read: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    path: str = ""
    line: int = 0
    status: int = 0
    arguments: tuple[str, ...] = ()
    depth: int = 0
    steps: int = 0
    expanded: int = 0
    taken: int = 0

    # Words

    def expand(self, words: Sequence[Word]) -> list[str]:
        """Words with their variables put in; what is not quoted is split at blanks, and may vanish."""
        return [text for word in words for text in self._fields(word)]

    def _fields(self, word: Word) -> list[str]:
        fields: list[str] = []
        current: str | None = None
        for part in word:
            if not part.is_variable or part.is_quoted:
                current = (current or "") + (self.value(part.text) if part.is_variable else part.text)
                continue
            value = self.value(part.text)
            first, *more = value.split() or [""]
            if value[:1].isspace() and current is not None:
                fields.append(current)
                current = None
            current = (current or "") + first if first or current is not None else None
            for text in more:
                fields.append(current or "")
                current = text
        return fields if current is None else [*fields, current]

    def value(self, name: str) -> str:
        """A variable's value. All values together are bounded, before anything is made of them."""
        value = self._value(name)
        self.expanded += len(value)
        if self.expanded > MOST_EXPANDED:
            raise TooMuch(f"{self.path}:{self.line}: its variables grow without end")
        return value

    def _value(self, name: str) -> str:
        if name == "?":
            return str(self.status)
        if name == "#":
            return str(len(self.arguments))
        if name in "@*":
            return " ".join(self.arguments)
        if name.isdigit():
            at = int(name[:3]) - 1
            return self.arguments[at] if 0 <= at < len(self.arguments) else ""
        return self.env.get(name, "")

    # Statements

    def run(self, statements: Sequence[Statement]) -> None:
        for statement in statements:
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise TooMuch(f"{self.path} takes more than {MOST_STEPS} steps")
            match statement:
                case If():
                    self._run_if(statement)
                case For():
                    for text in self.expand(statement.words):
                        self.env[statement.name] = text
                        self.run(statement.body)
                case While():
                    self._run_while(statement)
                case Command():
                    self._run_command(statement)

    def is_true(self, condition: Sequence[Statement]) -> bool:
        self.run(condition)
        return self.status == 0

    def _run_if(self, statement: If) -> None:
        for condition, body in statement.branches:
            if self.is_true(condition):
                return self.run(body)
        return self.run(statement.otherwise)

    def _run_while(self, statement: While) -> None:
        while self.is_true(statement.condition) != statement.is_until:
            self.run(statement.body)
            self.steps += 1  # an empty loop counts too
            if self.steps > MOST_STEPS:
                raise TooMuch(f"{self.path} takes more than {MOST_STEPS} steps")

    def _run_command(self, command: Command) -> None:
        self.line = command.line
        words = self.expand(command.words)
        if not words:
            return
        name, arguments = words[0], words[1:]
        if command.body is not None:
            self._with_body(name, arguments, command)
        elif name in self.functions:
            self.call(self.functions[name], arguments)
        elif ASSIGNMENT.match(name):
            self.env.__setitem__(*name.split("=", 1))
            self.status = 0
        else:
            self.status = run_builtin(self, name, arguments)

    def _with_body(self, name: str, arguments: list[str], command: Command) -> None:
        body = command.body or ()
        self.status = 0
        if name == "function" and arguments:
            self.functions[arguments[0]] = body
        elif name in ("menuentry", "submenu"):
            options, titles = split_options(arguments, MENU_OPTIONS)
            item = Item(" ".join(titles[:1]), options.get("--id", ""), self.path, command.line, body, tuple(titles))
            item.is_submenu, item.is_restricted = name == "submenu", "--unrestricted" not in options
            self.add(item)
        else:
            self.run(body)

    def add(self, item: Item) -> None:
        if len(self.menu) >= MOST_ITEMS:
            raise TooMuch(f"{self.path} has more than {MOST_ITEMS} menu entries")
        self.menu.append(item)

    def call(self, body: tuple[Statement, ...], arguments: Sequence[str]) -> None:
        before, self.arguments = self.arguments, tuple(arguments)
        self.deeper(lambda: self.run(body))
        self.arguments = before

    def deeper(self, do: Callable[[], None]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise TooMuch(f"{self.path} goes deeper than {DEEPEST} levels")
        do()
        self.depth -= 1

    # Files

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    def split(self, path: str) -> tuple[str, str]:
        """A path's device, and the path on it."""
        found = re.match(r"\(([^)]*)\)(.*)", path, re.DOTALL)
        return (found[1], found[2]) if found else (self.env.get("root", ""), path)

    def locate(self, path: str) -> str | None:
        return self.files.locate(*self.split(path)) if path else None

    def text(self, path: str) -> tuple[str, str | None]:
        """A file as a path of the tree, with its text; None where there is no such file."""
        real = self.locate(path)
        return real or "", self.content(real) if real else None

    def content(self, path: str) -> str | None:
        """The text of a file of the tree. Raises NotTaken."""
        text = self.files.tree.text(path)
        self.taken += len(text or "")
        if self.taken > MOST_READ:
            raise TooMuch(f"{self.path} has too much read")
        return text

    def run_file(self, path: str, named: str) -> None:
        """A whole file; `named` is its name in GRUB's words. Raises TooMuch, or ValueError where GRUB could not read it."""
        text = self.content(path) or ""
        before, self.path = (self.path, self.env.get("config_directory", "")), path
        self.env["config_directory"] = named.rpartition("/")[0]
        self.read.append(path)
        try:
            statements = parse(text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        self.deeper(lambda: self.run(statements))
        self.path, self.env["config_directory"] = before
