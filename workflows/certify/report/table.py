"""The certificate for a terminal: what stands in the way first, what is well in few words, the verdict last."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from flight.workflows.certify.certificate import Certificate, Judged
from flight.workflows.certify.report.wording import (
    by_area,
    counts,
    failures,
    override_line,
    plain,
    sentence,
    source_line,
    worth_telling,
)

Part = tuple[str, str]
"""Words, and their style (rich's: "bold red"; empty: as they are)."""
Line = Sequence[Part]
MARKS: Final = {"blocker": "FAIL", "likely blocker": "FAIL", "warning": "WARN", "info": "INFO"}
STYLES: Final = {"FAIL": "bold red", "WARN": "yellow", "INFO": "cyan", "OVER": "magenta", "?": "yellow", "ok": "green"}
INDENT: Final = 6
"""Columns before what belongs to a row: the width of a mark and its gap."""
LEAST: Final = 28
"""Columns that what was seen wants for itself; where there are fewer it stands below its row."""
UNBROKEN: Final = "\N{NO-BREAK SPACE}"
VERDICTS: Final = {"certified": "bold green", "not certified": "bold red", "unusable": "bold red"}


def for_stdout(certificate: Certificate) -> str:
    """As the terminal is wide, and in colour if it wants that; what is piped is not folded, like every table."""
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else 0
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM", "") in ("", "dumb", "unknown")
    return render_table(certificate, width=width, is_coloured=is_terminal and not is_plain)


def render_table(certificate: Certificate, *, width: int = 0, is_coloured: bool = False) -> str:
    """`width` in columns, 0: no line is folded. Words are never broken: a path can be copied whole."""
    lines = [
        *_head(certificate, width),
        *_rows(certificate, width),
        *_well(certificate, width),
        *_foot(certificate, width),
    ]
    return (
        _coloured(lines)
        if is_coloured
        else "".join(f"{''.join(words for words, _ in line).rstrip()}\n" for line in lines)
    )


def _coloured(lines: Iterable[Line]) -> str:
    from rich.console import Console
    from rich.text import Text

    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="standard", no_color=False, _environ={})
    for line in lines:
        console.print(Text.assemble(*line), soft_wrap=True)
    return written.getvalue()


def _head(certificate: Certificate, width: int) -> Iterator[Line]:
    """The image in a few lines."""
    yield [(plain(certificate.name), "bold")]
    system = [plain(words) for words in certificate.system.values() if words]
    generations = " and ".join(f"generation {plain(each[1:])}" for each in certificate.generations)
    claims = ", ".join(map(plain, certificate.claims))
    parts = filter(None, (*system, generations, f"claims {claims}" if claims else ""))
    words = " · ".join(part.replace(" ", UNBROKEN) for part in parts)
    yield from ([(line.replace(UNBROKEN, " "), "dim")] for line in _folded(words, width))
    yield []


def _rows(certificate: Certificate, width: int) -> Iterator[Line]:
    """A row for each rule that failed or could not be decided; below it what there is to know and to do."""
    shown = [*failures(certificate), *worth_telling(certificate)]
    name_width = max((len(each.rule.id) for each in shown), default=0)
    severity_width = max((len(each.severity) for each in shown), default=0)
    for each in shown:
        mark = _mark(each)
        head = [(f"{mark:<{INDENT}}", STYLES[mark]), (f"{each.rule.id:<{name_width}}  ", "bold")]
        yield from _row([*head, (f"{each.severity:<{severity_width}}  ", "")], plain(each.seen), width)
        yield from _below(each, width)
        yield []


def _mark(judged: Judged) -> str:
    if judged.override:
        return "OVER"
    return "?" if judged.status == "unknown" else MARKS[judged.severity]


def _row(head: Line, words: str, width: int) -> Iterator[Line]:
    """`words` in the column behind `head`, or below it where that is too narrow for them, or for the longest of them."""
    column = sum(len(part) for part, _ in head)
    if width and width - column < max(LEAST, *map(len, words.split() or [""])):
        yield head
        head, column = [(" " * INDENT, "")], INDENT
    first, *more = _folded(words, width - column if width else 0)
    yield [*head, (first, "")]
    for line in more:
        yield [(" " * column, ""), (line, "")]


def _below(judged: Judged, width: int) -> Iterator[Line]:
    """Of what could not be decided nobody knows whether it wants a fix."""
    override, is_failure = judged.override, judged.status == "fail"
    rows = {
        "override": f"by {override.who}: {override.why}" if override else "",
        "required": judged.required,
        "source": source_line(judged.rule) if is_failure else "",
        "fix": judged.fix if is_failure else "",
    }
    for name, words in rows.items():
        if words:
            yield from _row([(" " * INDENT, ""), (f"{name:<8}  ", "dim")], plain(words), width)


def _well(certificate: Certificate, width: int) -> Iterator[Line]:
    """What passed, by the folder of its rules, and what does not apply: ids only."""
    passed = [each for each in certificate.judged if each.status == "pass"]
    if passed:
        yield [(f"{'ok':<{INDENT}}", STYLES["ok"]), (f"{len(passed)} passed", "bold")]
    areas = by_area(passed)
    name_width = max(map(len, areas), default=0)
    for area, judged in areas.items():
        head = [(" " * INDENT, ""), (f"{area:<{name_width}}  ", "dim")]
        yield from _row(head, ", ".join(each.rule.id for each in judged), width)
    if count := counts(certificate)["not applicable"]:
        names = ", ".join(each.rule.id for each in certificate.judged if each.status == "not applicable")
        yield []
        yield from _row([(f"{'n/a':<{INDENT}}", "dim"), (f"{count} not applicable  ", "bold")], names, width)


def _foot(certificate: Certificate, width: int) -> Iterator[Line]:
    """The verdict, then what has to be known beside it."""
    yield []
    for line in _folded(plain(sentence(certificate)), width):
        yield [(line, VERDICTS[certificate.verdict])]
    for words in (*map(override_line, certificate.overrides), *(f"note: {note}" for note in certificate.notes)):
        yield from ([(line, "")] for line in _folded(plain(words), width))
    yield [(f"looked at in {certificate.seconds:.1f} s", "dim")]


def _folded(words: str, width: int) -> list[str]:
    if not width:
        return [words]
    return textwrap.wrap(words, max(width, LEAST), break_long_words=False, break_on_hyphens=False) or [""]
