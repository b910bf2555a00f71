"""luigi.cfg as Luigi reads and merges it, or one error that says where it is wrong and what would do.

Luigi reads it as it is imported, and meets a wrong value with a traceback only when it needs it: here all are looked at
first, Luigi's own among them. A text that is no luigi.cfg at all stops the command `luigi` before it imports us.
"""

from __future__ import annotations

import configparser
import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    import luigi
    from luigi.configuration import LuigiConfigParser

PORTS: Final = range(1, 65536)
LUIGIS: Final = ("core", "worker", "scheduler", "retcode")
"""Luigi's own sections in the luigi.cfg that is shipped."""


def config_path() -> Path:
    """The luigi.cfg that was read last and so has the last word, as an absolute path; ConfigError where there is none."""
    looked_for = [str(path) for path in _luigi_config()._config_paths]
    there = [path for path in looked_for if Path(path).is_file()]
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder has been removed", fix="change to a folder that is there") from None
    if not there:
        raise ConfigError(
            "there is no luigi.cfg",
            why=f"looked for {', '.join(dict.fromkeys(looked_for))} from {here}",
            fix="run in the folder that holds luigi.cfg, or set LUIGI_CONFIG_PATH to its path",
        )
    for path in there:
        if not os.access(path, os.R_OK, effective_ids=True):
            raise ConfigError(f"{path} cannot be read", why="Luigi would pass over it", fix="see that you may read it")
    return Path(os.path.abspath(there[-1]))


def read_sections(*, own: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The texts of flight's `own` sections, as far as they are there."""
    config = _luigi_config()
    check_sections(config.sections(), known=(*own, *LUIGIS))
    sections = {name: _read_section(config, name) for name in config.sections()}
    return {name: keys for name, keys in sections.items() if name in own}


def check_sections(given: Iterable[str], *, known: tuple[str, ...]) -> None:
    """ConfigError for a section that is nearly one of flight's or Luigi's; others are somebody's own tasks'."""
    for name in given:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8)
        if near and name not in known and not _is_luigis(name):
            raise ConfigError(f"luigi.cfg: there is no section [{quoted(name)}]", fix=f"did you mean [{near[0]}]?")


def check_luigis_sections() -> None:
    """ConfigError for a value that a task's or one of Luigi's own parameters would trip over."""
    from luigi.task_register import Register

    config = _luigi_config()
    for section in filter(_is_luigis, config.sections()):
        for name, parameter in Register.get_task_cls(section).get_params():
            try:
                value = parameter.task_value(section, name)
            except (ValueError, TypeError, AttributeError, LookupError):
                value, refusal = config.get(section, name, ""), _words_of_kind(parameter)
            else:
                refusal = words_of(PORTS) if name == "scheduler_port" and value not in PORTS else ""
            if refusal:
                why = quoted(parameter.description or f"a parameter of Luigi's {section}", most=200)
                raise refused(section, name, str(value), why=why, fix=f"give {refusal}")


def _words_of_kind(parameter: luigi.Parameter) -> str:
    """What one of Luigi's parameters takes."""
    import luigi

    kinds = {
        luigi.IntParameter: "a whole number",
        luigi.FloatParameter: "a number",
        luigi.BoolParameter: "true or false",
    }
    if isinstance(parameter, luigi.ChoiceParameter):
        return f"one of {', '.join(sorted(map(str, parameter._choices)))}"
    known = (words for kind, words in kinds.items() if isinstance(parameter, kind))
    return next(known, f"what Luigi's {type(parameter).__name__} takes")


def refused(section: str, key: str, text: str, *, why: str, fix: str) -> ConfigError:
    """The error that names a value of luigi.cfg."""
    return ConfigError(f"luigi.cfg: [{section}] {key} = {quoted(text)} is refused", why=why, fix=fix)


def _luigi_config() -> LuigiConfigParser:
    """What Luigi read as it was imported; ConfigError where it could not."""
    try:
        from luigi.configuration import get_config  # costs a quarter of a second: only those pay who need it
    except (configparser.Error, UnicodeDecodeError) as error:
        raise unreadable(error) from None
    return get_config()


def _is_luigis(section: str) -> bool:
    from luigi.task_register import Register

    return section in Register.task_names()


def _read_section(config: configparser.ConfigParser, name: str) -> dict[str, str]:
    try:
        return {key: config.get(name, key) for key in config.options(name)}
    except configparser.InterpolationError as error:
        fix = "set that variable" if "environment variable" in error.message else "write %% for %"
        text = config.get(error.section, error.option, raw=True)
        raise refused(
            error.section, error.option, text, why=quoted(error.message.split("\n")[0], most=200), fix=fix
        ) from None


def read_or_end() -> None:
    """For a program that imports Luigi: where luigi.cfg cannot be parsed, its end with a message and exit code 2."""
    try:
        _luigi_config()
    except ConfigError as error:
        print(f"flight: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def unreadable(error: configparser.Error | UnicodeDecodeError) -> ConfigError:
    """What a person is told when a luigi.cfg is not one."""
    match error:
        case UnicodeDecodeError():
            return ConfigError("luigi.cfg is not text in UTF-8", why=str(error), fix="save it as UTF-8")
        case configparser.MissingSectionHeaderError(source=file, lineno=line) if error.line.startswith("\ufeff"):
            what, fix = "a byte order mark stands before its first line", "save it as UTF-8 without a byte order mark"
        case configparser.MissingSectionHeaderError(source=file, lineno=line):
            what, fix = f"'{quoted(error.line.strip())}' stands before any section", "begin with one, like [image]"
        case configparser.DuplicateSectionError(source=file, lineno=line):
            what, fix = f"the section [{quoted(error.section)}] is there already", "put its settings together"
        case configparser.DuplicateOptionError(source=file, lineno=line):
            what, fix = f"[{error.section}] {quoted(error.option)} is there already", "keep one of them"
        case configparser.ParsingError(source=file, errors=[(line, _), *_]):
            what, fix = "this is neither a [section] nor a name = value", "write name = value"
        case _:
            return ConfigError("luigi.cfg cannot be read", why=quoted(str(error), most=300))
    return ConfigError(f"{file}:{line}: {what}", fix=fix)


def words_of(numbers: range) -> str:
    """A range of whole numbers as an error names it."""
    most = f"to {numbers[-1]}" if numbers == PORTS else "or more"
    return f"a whole number, {numbers[0]} {most}"
