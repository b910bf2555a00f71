"""A dataclass from a TOML table: types, limits and unknown keys checked, every fault with the line it stands on.

A field made with `entry` is read from the table; its other fields are the caller's.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from flight.workflows.kit.finding import Finding, Where, shown
from flight.workflows.kit.text import as_written, has_controls, quoted

KeyPath = tuple[str | int, ...]
"""Where a value stands in a TOML document: ("files", 0, "mode")."""


def entry(sentence: str, default: Any = dataclasses.MISSING, **rules: Any) -> Any:
    """A dataclass field read from TOML, with its own documentation.

    `rules`: one_of, like (a regex), each (a regex for a list's texts), form (either regex in words), least and most,
    lines=True (a text of several), only (the family of distributions whose word it is).
    """
    return field(default=default, metadata={"sentence": sentence, **rules})


class TableReader:
    """One TOML file on its way to dataclasses; gathers the faults."""

    def __init__(self, path: Path, lines: Mapping[KeyPath, int]) -> None:
        self.path, self.lines = path, lines
        self.findings: list[Finding] = []

    def fault(self, place: KeyPath, what: str, fix: str = "") -> None:
        self.findings.append(Finding(where_of(self.path, self.lines, place), what, fix))

    def table(self, kind: type, given: Mapping[str, Any], place: KeyPath, fixed: Mapping[str, Any]) -> Any:
        """A dataclass from a table; None where a required key is missing or refused."""
        hints = get_type_hints(kind)
        readable = {
            each.name: each for each in dataclasses.fields(kind) if each.metadata or _holds_tables(hints[each.name])
        }
        for name in given:
            if name not in readable:
                near = difflib.get_close_matches(name, readable, n=1)
                meant = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(readable)}"
                self.fault((*place, name), f"unknown key '{quoted(name)}'", meant)
        values = dict(fixed)
        for name, each in readable.items():
            if name in given:
                value = self.value(given[name], hints[name], each.metadata, (*place, name))
                if value is not None:
                    values[name] = value
            elif each.default is dataclasses.MISSING:
                self.fault(place, f"'{name}' is missing", f"give it: {_within(each.metadata['sentence'])}")
        needed = [n for n, each in readable.items() if each.default is dataclasses.MISSING]
        return kind(**values) if all(n in values for n in needed) else None

    def value(self, given: Any, kind: Any, rules: Mapping[str, Any], place: KeyPath) -> Any:
        """One value, checked; None (and a fault) where it is refused."""
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self.table(kind, given, place, {}) if self.typed(given, dict, "a table", place) else None
        if get_origin(kind) is tuple:
            return self.values(given, get_args(kind)[0], rules, place)
        wanted = {str: "text in quotes", int: "a whole number", bool: "true or false"}[kind]
        if not self.typed(given, kind, wanted, place):
            return None
        return given if self.fits(given, rules, place) else None

    def fits(self, given: Any, rules: Mapping[str, Any], place: KeyPath) -> bool:
        refused = _refusal(given, rules)
        if refused:
            self.fault(place, f"{place[-1]} = {as_written(given)} is refused: {refused}", rules["sentence"])
        return not refused

    def values(self, given: Any, kind: Any, rules: Mapping[str, Any], place: KeyPath) -> Any:
        if not self.typed(given, list, "a list", place):
            return None
        if dataclasses.is_dataclass(kind):
            tables = [self.value(each, kind, {}, (*place, n)) for n, each in enumerate(given)]
        else:
            each_rules = {"sentence": rules["sentence"], "like": rules.get("each", ".*"), "form": rules.get("form")}
            texts = [each for each in given if self.typed(each, kind, "a list of texts in quotes", place)]
            tables = [each for each in texts if self.fits(each, each_rules, place)]
        return tuple(each for each in tables if each is not None)

    def typed(self, given: Any, kind: type, wanted: str, place: KeyPath) -> bool:
        fits = type(given) is kind
        if not fits:
            self.fault(place, f"{place[-1]} = {as_written(given)} is not {wanted}", f"give {wanted}")
        return fits


def lines_of_keys(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of every key and table header of a TOML text that is known to be valid."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            closing = "" if closing in line else closing
            continue
        header = re.match(r"\s*(\[\[?)\s*([\w.\"'-]+)\s*\]", line)
        if header:
            table = tuple(part.strip("\"'") for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif assigned := re.match(r"\s*([\w.\"'-]+)\s*=\s*(.*)", line):
            lines.setdefault((*table, *(part.strip("\"'") for part in assigned[1].split("."))), number)
            opened = next((quotes for quotes in ('"""', "'''") if assigned[2].startswith(quotes)), "")
            closing = opened if opened and opened not in assigned[2][3:] else ""
    return lines


def where_of(path: Path, lines: Mapping[KeyPath, int], place: KeyPath) -> Where:
    """The line that sets a key, else the one that opens its table, else the file."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return Where(shown(path), lines[place[:length]])
    return Where(shown(path), 0)


def _holds_tables(kind: Any) -> bool:
    return (dataclasses.is_dataclass(kind) and kind is not Where) or any(map(dataclasses.is_dataclass, get_args(kind)))


def _within(sentence: str) -> str:
    """A sentence as a part of another one."""
    return sentence[0].lower() + sentence[1:].rstrip(".")


def _refusal(value: Any, rules: Mapping[str, Any]) -> str:
    """Why a value is refused; empty where it is not."""
    if isinstance(value, str) and has_controls(value, besides="\n\t" if rules.get("lines") else ""):
        return "a control character or a line break stands in it"
    if "one_of" in rules and value not in rules["one_of"]:
        return f"it takes one of {', '.join(rules['one_of'])}"
    if "like" in rules and not re.fullmatch(rules["like"], value):
        return f"it takes {rules['form']}"
    if "least" in rules and not rules["least"] <= value <= rules["most"]:
        return f"it takes {rules['least']} to {rules['most']}"
    return ""
