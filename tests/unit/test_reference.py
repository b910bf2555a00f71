"""docs/reference.md lists what there is to say to flight. Its tables are made from the code here, by `pytest --regenerate`."""

from __future__ import annotations

import argparse
import ast
import configparser
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import luigi
import pytest

import flight.workflows
from flight.workflows import artefact, cli, luigicfg, recipe, settings
from flight.workflows.cli import recipes
from flight.workflows.cli.verbs import FAULT, OK, UNUSABLE
from flight.workflows.kit import errors, run
from flight.workflows.rehearsal import install
from flight.workflows.stage import Stage

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "reference.md"
Rows = Iterator[tuple[str, ...]]


def code(value: object) -> str:
    """As Markdown's code; nothing for nothing. A bar would end the table's cell."""
    return f"`{value}`".replace("|", "\\|") if str(value) else ""


def table(*head: str, rows: Rows) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("|" + "|".join(f" {cell} ".replace("  ", " ") for cell in line) + "|" for line in lines)


# Settings and recipes -----------------------------------------------------------------------------------------------


def default_of(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "*required*"
    if isinstance(value, tuple):
        return code(", ".join(map(str, value))) or "*empty*"
    return code(str(value).lower() if isinstance(value, bool) else value) or "*empty*"


def takes(kind: Any, rules: Any) -> str:
    """What a setting or key takes, in words."""
    if "one_of" in rules:
        return ", ".join(map(code, rules["one_of"]))
    if "within" in rules:
        return luigicfg.words_of(rules["within"])
    if "least" in rules:
        return f"{rules['least']} to {rules['most']}"
    if "form" in rules:
        return f"a list of texts: {rules['form']}" if get_origin(kind) is tuple else rules["form"]
    if get_origin(kind) is tuple:
        return {Path: "paths, separated by commas", str: "a list of texts"}[get_args(kind)[0]]
    return {str: "text", int: "a whole number", bool: "true or false", Path: "a path"}[kind]


def entries(kind: type, *, prefix: str = "") -> Rows:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.metadata:
            yield (
                code(f"{prefix}{field.name}"),
                default_of(field),
                takes(hints[field.name], field.metadata),
                field.metadata["sentence"],
            )


def sections(kind: Any, within: str = "") -> Iterator[tuple[str, str, Any]]:
    """The tables below a dataclass, as they are headed, with what they are and their class; tables in tables too."""
    for field in dataclasses.fields(kind):
        hint = get_type_hints(kind)[field.name]
        if dataclasses.is_dataclass(hint) and field.name != "where":
            yield f"[{within}{field.name}]", field.name, hint
            yield from sections(hint, f"{within}{field.name}.")
        elif get_origin(hint) is tuple and dataclasses.is_dataclass(get_args(hint)[0]):
            yield f"[[{within}{field.name}]]", field.name, get_args(hint)[0]


def first_paragraph(kind: Any) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def settings_tables() -> str:
    head = "setting", "default", "takes", "what it is"
    return "\n\n".join(
        f"### `{heading}`\n\n{first_paragraph(kind)}\n\n{table(*head, rows=entries(kind))}"
        for heading, _, kind in sections(settings.Settings)
    )


def recipe_tables() -> str:
    head = "key", "default", "takes", "what it is"
    parts = [table(*head, rows=entries(recipe.Recipe))]
    for heading, _, kind in sections(recipe.Recipe):
        parts.append(f"### `{heading}`\n\n{first_paragraph(kind)}\n\n{table(*head, rows=entries(kind))}")
    return "\n\n".join(parts)


# Tasks and commands -------------------------------------------------------------------------------------------------


def tasks() -> list[type[Stage]]:
    return [getattr(flight.workflows, name) for name in flight.workflows.__all__]


def in_walk_order() -> list[type[Stage]]:
    def depth(task: type[Stage]) -> int:
        one, count = task(recipe="x", version="1"), 0
        while before := luigi.task.flatten(one.requires()):
            one, count = before[0], count + 1
        return count

    return sorted(tasks(), key=depth)


def task_table() -> str:
    def rows() -> Rows:
        for task in in_walk_order():
            before = [type(one).__name__ for one in luigi.task.flatten(task(recipe="x", version="1").requires())]
            yield code(task.__name__), code(f".{task.makes}"), ", ".join(before) or "–", first_paragraph(task)

    return table("task", "makes", "needs", "which is", rows=rows())


def parameter_table() -> str:
    def rows() -> Rows:
        seen: dict[str, luigi.Parameter] = {name: each for task in in_walk_order() for name, each in task.get_params()}
        for name, each in seen.items():
            having = [task.__name__ for task in in_walk_order() if name in dict(task.get_params())]
            place: dict[str, str] = each._config_path or {}
            is_in = f"`[{place['section']}] {place['name']}`" if place else "–"
            of = "every task" if len(having) == len(tasks()) else ", ".join(having)
            option = f"--{name.replace('_', '-')}" + (
                "" if isinstance(each, luigi.BoolParameter) else f" {name.upper()}"
            )
            yield code(option), of, is_in, each.description or ""

    return table("option", "of", "its default stands in", "what it is", rows=rows())


def command_table() -> str:
    parts: list[str] = []
    for name, each, sentence in verbs():
        words = [f"flight {name}", *(word_of(one) for one in each._actions if not one.option_strings)]
        shown = [f"`flight show {word}`: {what}" for word, what in recipes.SHOWN.items()] if name == "show" else []
        said = [line for action in each._actions if action.dest != "what" and (line := said_of(action))]
        lines = [f"* {line}" for line in (*shown, *said)]
        parts.append(
            "\n".join(
                [f"### `{' '.join(words)}`\n\n{sentence[0].upper()}{sentence[1:]}.", *([""] if lines else []), *lines]
            )
        )
    return "\n\n".join(parts)


def verbs() -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    (group,) = (action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction))
    for name, each in group.choices.items():
        (sentence,) = (choice.help for choice in group._choices_actions if choice.dest == name)
        yield name, each, sentence or ""


def word_of(action: argparse.Action) -> str:
    if action.choices and not action.metavar:
        return "|".join(map(str, action.choices))
    word = str(action.metavar or action.dest.upper())
    return f"[{word}]" if action.nargs == "?" else word


def said_of(action: argparse.Action) -> str:
    """One line of a list: an option or a positional argument, and its help. `--help` goes without saying."""
    if isinstance(action, argparse._HelpAction) or not action.help:
        return ""
    if not action.option_strings:
        return f"{code(word_of(action))}: {action.help}"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return f"{code(action.option_strings[-1] + value)}: {action.help}"


# Exit codes and errors ----------------------------------------------------------------------------------------------

FLIGHT_CODES = {
    OK: "as asked",
    FAULT: "looked, and found a fault: `doctor`, `inspect`, `certify` (not certified), `verify` (not what was "
    "sealed), `show walk --check`, `status` of a server",
    UNUSABLE: "could not be done, or (`certify`) not looked into; the reason is on stderr, in up to three lines",
    130: "interrupted (Ctrl-C)",
    141: "whoever read its output has gone, as `head` does",
}
LUIGI_CODES = {
    "already_running": "another run holds Luigi's lock (not with `no_lock = true`)",
    "missing_data": "something that Luigi cannot make is missing; no stage of flight has that",
    "not_run": "the scheduler let nothing run: another worker has the task",
    "task_failed": "a stage failed; what and why is said in three lines",
    "scheduling_error": "refused before anything ran: luigi.cfg, recipe, kickstart, the name of a task or in Azure, "
    "no scheduler, a port of the rehearsal that is taken",
    "unhandled_exception": "a defect, with its traceback",
}


def exit_codes() -> str:
    shipped = configparser.ConfigParser()
    shipped.read(TOP / "luigi.cfg")
    luigis = {"0": "all was made, or was there"}
    luigis |= {
        number: LUIGI_CODES[name] for name, number in sorted(shipped["retcode"].items(), key=lambda one: int(one[1]))
    }
    luigis |= {"2": "an option that the task has not, or a luigi.cfg that cannot be parsed at all"}
    luigis |= {"130": "interrupted (Ctrl-C, SIGTERM)"}
    by_flight = table("`flight`", "means", rows=((str(number), said) for number, said in FLIGHT_CODES.items()))
    by_luigi = table("`luigi`", "means", rows=iter(sorted(luigis.items(), key=lambda one: int(one[0]))))
    return f"{by_flight}\n\n{by_luigi}"


def error_table() -> str:
    kinds = sorted(errors.FlightError.__subclasses__(), key=lambda kind: list(vars(errors)).index(kind.__name__))
    ours = [kind for kind in kinds if kind.__module__ == errors.__name__]
    return table("error", "is raised when", rows=((code(kind.__name__), first_paragraph(kind)) for kind in ours))


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings_tables,
    "recipe": recipe_tables,
    "tasks": task_table,
    "parameters": parameter_table,
    "commands": command_table,
    "exit codes": exit_codes,
    "errors": error_table,
}


def test_the_page_lists_what_there_is(golden: Callable[[str, str], None]) -> None:
    page = PAGE.read_text()
    for name, made in PARTS.items():
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert begin and end, f"the page has no place for the {name}"
        page = f"{before}{begin}{made()}\n{end}{after}"
    golden("../../docs/reference.md", page)


# What is written by hand, held to the code --------------------------------------------------------------------------

OF_OTHERS = {"LUIGI_CONFIG_PATH", "NO_COLOR", "TERM"}
"""Variables that Luigi, rich and the terminal are told by; azure-identity's begin with AZURE_."""

OS_RELEASES = {"PRETTY_NAME", "VERSION_CODENAME"}
"""What /etc/os-release sets for a script that reads it."""


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for path in sorted((TOP / "workflows").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path, node


def is_environ(node: ast.AST) -> bool:
    return ast.unparse(node) == "os.environ"


def variables_read() -> set[str]:
    """The environment variables whose names stand in the code, where it looks into the environment."""
    found: set[str] = {*run.PASSED_ON, *install.PASSED_ON}
    for _, node in sources():
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[ast.Constant(value=str(name)), *_]) if (
                is_environ(of)
            ):
                found.add(name)
            case ast.Subscript(value=of, slice=ast.Constant(value=str(name))) if is_environ(of):
                found.add(name)
            case ast.Compare(left=ast.Constant(value=str(name)), comparators=[of]) if is_environ(of):
                found.add(name)
    for script in (TOP / "scripts").iterdir():
        if script.is_file():
            found |= set(re.findall(r"\$\{([A-Z][A-Z_]+):-", script.read_text()))
    return {name.upper() for name in found} - OS_RELEASES


def part_of_page(heading: str) -> str:
    found = re.search(rf"(?ms)^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text())
    assert found, f"the page has no part {heading}"
    return found[1]


def test_every_variable_that_is_read_is_on_the_page_and_no_other() -> None:
    rows = re.findall(r"(?m)^\| (`.*?) \|", part_of_page("Environment variables"))
    named = {name.upper() for row in rows for name in re.findall(r"`(\w+)`", row)}
    read = variables_read()
    assert read - named == set()
    assert {name for name in named if not name.startswith("AZURE_")} - read - OF_OTHERS == set()


def test_every_log_that_is_written_is_on_the_page() -> None:
    page, missing = part_of_page("Files"), set()
    for path, node in sources():
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            name = re.sub(r"\{[^}]*\}", "*", ast.unparse(node.right).lstrip("f").strip("'\""))
            if re.fullmatch(r"[\w*-]+\.log", name) and "hypervisor" not in path.parts and name not in page:
                missing.add(f"{path.name}: {name}")
    assert missing == set()


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(artefact.Facts)])
def test_every_fact_of_an_artefact_is_on_the_page(field: str) -> None:
    assert f"`{field}`" in part_of_page("Files")
