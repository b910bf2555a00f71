# SPDX-License-Identifier: GPL-2.0-only
"""Read a kickstart with pykickstart: every fault at once, and what each line says. A program of its own.

    stdin: {"text": "…", "version": "RHEL9"}    stdout: {"faults": […], "commands": […], "packages": {…}, "scripts": […]}

pykickstart is GPL-2.0-only, so this one file is too; flight runs it and never imports it. It needs pykickstart and the
standard library. One version a process, because pykickstart keeps state in its classes.

pykickstart's own parser stops at an unknown section, an open quote, a missing %end or a bad package line, and follows
%include to files and URLs. So the lines are walked here, and handed to its commands and sections one by one.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import shlex
import sys
import warnings
from typing import Any

from pykickstart.errors import KickstartError  # type: ignore[import-untyped]
from pykickstart.handlers.control import commandMap  # type: ignore[import-untyped]
from pykickstart.parser import KickstartParser  # type: ignore[import-untyped]
from pykickstart.version import makeVersion  # type: ignore[import-untyped]

SCRIPT_KINDS = ("pre", "post", "traceback", "pre-install", "onerror")
"""By the numbers of pykickstart.constants.KS_SCRIPT_*."""
NOT_FOLLOWED = ("%include", "%ksappend")
REFUSALS = (KickstartError, ValueError, TypeError, LookupError, AttributeError)
"""What pykickstart raises at a bad line: mostly its own error, but some commands trip over what they did not expect."""
SECRETS = (
    "password",
    "md5pass",
    "passphrase",
    "wepkey",
    "wpakey",
    "activation_key",
    "plugin_args",
    "org_id",
    "currentLine",
)
"""Values that are never passed on; the rest of the program learns only whether there was one."""
ACCOUNTS = ("rootpw", "sshpw", "user")
"""Commands of which no word is repeated but their options' names: a slip turns a password into any of them."""
SECRET_OPTION = re.compile(r"--\w*(pas|md5|key|secret|token|plugin|org)")
"""Options whose values are not repeated, in any command."""
LEFT_OVER = "unrecognized arguments: "


class Reader:
    """Walks the lines of one kickstart, keeping every fault and every statement with its line."""

    def __init__(self, version: str) -> None:
        self.handler = makeVersion(version)
        self.parser = KickstartParser(self.handler, followIncludes=False)
        self.faults: list[dict[str, Any]] = []
        self.commands: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.sections: list[dict[str, Any]] = []
        self._open: tuple[str, int] | None = None

    def read(self, text: str) -> None:
        """Take in the whole text; nothing that stands in it can raise."""
        for number, line in enumerate(text.split("\n"), 1):
            if self._open:
                self._section_line(number, line)
            else:
                self._command_line(number, line)
        if self._open:
            self._missing_end()

    def _command_line(self, number: int, line: str) -> None:
        if not line.strip() or line.lstrip().startswith("#"):
            return
        words = self._split(number, line)
        if not words:
            return
        if words[0] in NOT_FOLLOWED:
            self._fault(number, f"{words[0]} is not followed")
        elif words[0].startswith("%"):
            self._open_section(number, words)
        else:
            self._command(number, line, words)

    def _command(self, number: int, line: str, words: list[str]) -> None:
        self.handler.currentLine = line
        try:
            found = self.handler.dispatcher(words, number)
        except REFUSALS as error:
            self._refused(number, words, error)
            return
        self.commands.append({"line": number, "name": words[0], "values": _values(found)})

    def _refused(self, number: int, words: list[str], error: Exception) -> None:
        """A fault in pykickstart's words; with them the line, and what may have been meant."""
        said, hidden = _said(error), _hidden(words)
        for secret, shown in hidden.items():
            said = shown.join(re.split(rf"(?<!\w){re.escape(secret)}(?!\w)", said))
        text = " ".join(hidden.get(word, word) for word in words)
        self._fault(number, said, text="" if text in said else text, fix=self._fix(words, said))

    def _fix(self, words: list[str], said: str) -> str:
        known = self.handler.commands
        if said.startswith("Unknown command"):
            return self._other_command(words[0])
        if said.startswith(LEFT_OVER):
            parser = getattr(known.get(words[0]), "op", None)
            options = [name for action in getattr(parser, "_actions", ()) for name in action.option_strings]
            return _other_option(said.removeprefix(LEFT_OVER), options)
        return "leave it out" if said.endswith("has been removed.") else ""

    def _other_command(self, name: str) -> str:
        """What to write for a command that this version does not know."""
        if any(name in known for version, known in commandMap.items() if version > self.handler.version):
            return "a newer version knows it: raise syntax in the recipe"
        if any(name in known for known in commandMap.values()):
            return "leave it out: this version knows it no more"
        near = difflib.get_close_matches(name, self.handler.commands, n=2)
        return f"did you mean {' or '.join(near)}?" if near else ""

    def _open_section(self, number: int, words: list[str]) -> None:
        name = words[0]
        if name == "%end":
            self._fault(number, "%end without a section")
            return
        self._open = (name, number)
        if name not in self.parser._sections:
            self._fault(number, f"Unknown kickstart section: {name}")
            return
        self.sections.append({"line": number, "name": name})
        try:
            self.parser.getSection(name).handleHeader(number, words)
        except REFUSALS as error:
            self._refused(number, words, error)

    def _section_line(self, number: int, line: str) -> None:
        assert self._open
        name, _ = self._open
        first = line.split()[0] if line.split() else ""
        if first == "%end":
            self._close_section()
        elif first in NOT_FOLLOWED:
            self._fault(number, f"{first} is not followed")
        elif first in self.parser._sections:
            self._missing_end()
            self._command_line(number, line)
        elif name in self.parser._sections:
            self._body_line(name, number, line)

    def _body_line(self, name: str, number: int, line: str) -> None:
        section = self.parser.getSection(name)
        if not section.allLines and (not line.strip() or line.lstrip().startswith("#")):
            return
        if name == "%packages" and line.partition("#")[0].strip() in ("-", "@", "-@", "@^"):
            self._fault(number, "a sign without a name")
            return
        try:
            section.handleLine(line + "\n")
        except REFUSALS as error:
            self._fault(number, _said(error))
            return
        if name == "%packages":
            self.entries.append({"line": number, "text": line.partition("#")[0].strip()})

    def _close_section(self) -> None:
        assert self._open
        name, number = self._open
        self._open = None
        if name in self.parser._sections:
            try:
                self.parser.getSection(name).finalize()
            except REFUSALS as error:
                self._fault(number, _said(error))

    def _missing_end(self) -> None:
        assert self._open
        name, number = self._open
        self._fault(number, f"{name} has no %end")
        self._close_section()

    def _split(self, number: int, line: str) -> list[str]:
        try:
            return shlex.split(line, comments=True)
        except ValueError as error:
            self._fault(number, str(error), text=line.split()[0], fix="close the quotes, or take them out")
            return []

    def _fault(self, number: int, said: str, *, text: str = "", fix: str = "") -> None:
        self.faults.append({"line": number, "said": said, "text": text, "fix": fix})

    def result(self) -> dict[str, Any]:
        """All that was found, as JSON values; statements in the order of their lines."""
        return {
            "faults": sorted(self.faults, key=lambda fault: fault["line"]),
            "commands": self.commands,
            "sections": self.sections,
            "packages": self._packages(),
            "scripts": [_script(script) for script in self.handler.scripts],
        }

    def _packages(self) -> dict[str, Any]:
        found = self.handler.packages
        return {
            "entries": self.entries,
            "names": found.packageList,
            "excluded": found.excludedList,
            "groups": [{"name": group.name, "include": group.include} for group in found.groupList],
            "excluded_groups": [group.name for group in found.excludedGroupList],
            "environment": found.environment or "",
            "exclude_weak": bool(found.excludeWeakdeps),
            "exclude_docs": bool(found.excludeDocs),
            "languages": found.instLangs,
            "ignore_missing": bool(found.handleMissing),
            "no_core": bool(found.nocore),
        }


def _other_option(given: str, options: list[str]) -> str:
    """What to write for a word that a command has no place for."""
    if not given.startswith("--"):
        return "take it out; a value with spaces stands in quotes"
    near = difflib.get_close_matches(re.split("[= ]", given)[0], options, n=1)
    return f"did you mean {near[0]}?" if near else "take it out"


def _hidden(words: list[str]) -> dict[str, str]:
    """The words of a line that may hold a secret, each as it may be repeated."""
    hidden: dict[str, str] = {}
    for before, word in itertools.pairwise(filter(None, words)):
        name, _, value = word.partition("=")
        if not name.startswith("--"):
            hidden |= {word: "…"} if words[0] in ACCOUNTS or SECRET_OPTION.match(before) else {}
        elif value and (words[0] in ACCOUNTS or SECRET_OPTION.match(name)):
            hidden[word] = f"{name}=…"
    return hidden


def _script(script: Any) -> dict[str, Any]:
    return {
        "line": script.lineno,
        "kind": SCRIPT_KINDS[script.type],
        "text": script.script,
        "interpreter": script.interp,
        "in_chroot": bool(script.inChroot),
        "log": script.logfile or "",
        "error_on_fail": bool(script.errorOnFail),
    }


def _values(found: Any) -> dict[str, Any]:
    """What a command's object holds now, as far as it is JSON and no secret."""
    plain = {name: value for name, value in vars(found).items() if not name.startswith("_") and _is_json(value)}
    return {name: _is_secret(found, value) if name in SECRETS else value for name, value in plain.items()}


def _is_secret(found: Any, value: Any) -> bool:
    """Whether it opens anything: a hash that crypt(5) never makes, like `locked` or `*`, is a way to lock an account."""
    is_hash = re.fullmatch(r"\$.+|grub\..+|[./0-9A-Za-z]{13}", str(value))
    return bool(value) and not (getattr(found, "isCrypted", False) and not is_hash)


def _is_json(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_json(part) for part in value)
    return value is None or isinstance(value, (str, int, float, bool))


def _said(error: Exception) -> str:
    """pykickstart's message on one line, without its preamble about a line that is given anyway."""
    text = error.message if isinstance(error, KickstartError) else f"{type(error).__name__}: {error}"
    return " ".join(str(text).split())


def main() -> None:
    """Answer one question. An unknown version is a fault of line 0."""
    asked = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    try:
        reader = Reader(asked["version"])
    except KickstartError as error:
        json.dump({"faults": [{"line": 0, "said": _said(error), "text": "", "fix": ""}]}, sys.stdout)
        return
    reader.read(asked["text"])
    json.dump(reader.result(), sys.stdout)


if __name__ == "__main__":
    main()
