"""luigi.cfg as Luigi reads and merges it, or one error that says where it is wrong and what would do.

Luigi reads it as it is imported, and meets a wrong value with a traceback only when it needs it: here all are looked at
first, Luigi's own among them. A text that is no luigi.cfg at all stops the command `luigi` before it imports us.

Where there is none, or it says nothing of them, flight's defaults hold for Luigi's own sections too (`PRESETS`): the same
exit codes, the same locks.
"""

from __future__ import annotations

import configparser
import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from flight.workflows.kit.errors import ConfigError
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    import luigi
    from luigi.configuration import LuigiConfigParser

REFERENCES: Final = "%(name)s stands for another setting there, ${NAME} for a variable of the environment"
PORTS: Final = range(1, 65536)
LUIGIS: Final = ("core", "worker", "scheduler", "retcode")
"""Luigi's own sections in the luigi.cfg that is shipped."""
NAMED_BY: Final = "LUIGI_CONFIG_PATH"
DEFAULTS_HOLD: Final = (
    "there is no luigi.cfg here: the defaults hold, and the work folder is ./work (`flight init` writes one)"
)


class Preset(NamedTuple):
    """What flight wants of Luigi where luigi.cfg does not say otherwise."""

    section: str
    key: str
    value: str
    sentence: str


PRESETS: Final = (
    Preset("core", "scheduler_host", "127.0.0.1", "Where Luigi's scheduler listens."),
    Preset("core", "scheduler_port", "8082", "Its port, and that of its page."),
    Preset("core", "no_lock", "true", "flight has locks of its own: Luigi's would refuse a second recipe."),
    Preset("core", "log_level", "INFO", "How much a run says; DEBUG is more."),
    Preset("worker", "check_complete_on_run", "true", "A stage that made nothing has failed."),
    Preset(
        "scheduler",
        "stable_done_cooldown_secs",
        "0",
        "How long a luigid refuses to rerun what was just done, in seconds.",
    ),
    Preset("retcode", "already_running", "10", "Exit code: another run is making it."),
    Preset("retcode", "missing_data", "20", "Exit code: something that flight does not make is missing."),
    Preset("retcode", "not_run", "25", "Exit code: the scheduler let a stage not run."),
    Preset("retcode", "task_failed", "30", "Exit code: a stage failed."),
    Preset("retcode", "scheduling_error", "35", "Exit code: a setting, an option or the recipe is wrong."),
    Preset("retcode", "unhandled_exception", "40", "Exit code: a defect of flight's or Luigi's."),
)


def config_path() -> Path | None:
    """The luigi.cfg that was read last and so has the last word, as an absolute path; None where there is none.

    ConfigError for one that Luigi would pass over: named but not there, or not readable.
    """
    there = [str(path) for path in _luigi_config()._config_paths if Path(path).is_file()]
    _current_folder()
    named = os.environ.get(NAMED_BY)
    if named and not Path(named).is_file():
        raise ConfigError(
            f"{NAMED_BY} names a file that is not there",
            why=f"there is no {quoted(named)}",
            fix="set it to the path of a luigi.cfg, or unset it",
        )
    for path in there:
        if not os.access(path, os.R_OK, effective_ids=True):
            raise ConfigError(
                f"{path} cannot be read",
                why="this user may not read it, and Luigi would pass over it in silence",
                fix="see that you may read it",
            )
    return Path(os.path.abspath(there[-1])) if there else None


def base_folder() -> Path:
    """Where relative paths start: the folder of luigi.cfg, or where there is none the current one."""
    path = config_path()
    return path.parent if path else _current_folder()


def wanted_path(what: str) -> Path:
    """The luigi.cfg that has the last word; ConfigError where there is none. `what` would otherwise hit the wrong folder."""
    path = config_path()
    if path:
        return path
    raise ConfigError(
        "there is no luigi.cfg",
        why=f"{what}, and {_current_folder()} holds none",
        fix=f"run in the folder that holds it, or set {NAMED_BY} to its path; `flight init` writes a first one",
    )


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder has been removed", fix="change to a folder that is there") from None


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
    return _with_presets(get_config())


def _with_presets(config: LuigiConfigParser) -> LuigiConfigParser:
    """Luigi's parameters look into this one object whenever they are asked: what stands in it is their default."""
    for preset in PRESETS:
        names = preset.key, f"default-{preset.key}"  # Luigi 3.8 still takes the older names of the scheduler's address
        if not any(config.has_option(preset.section, name) for name in names):
            config.set(preset.section, preset.key, preset.value)
    return config


def _is_luigis(section: str) -> bool:
    import luigi.retcodes  # noqa: F401 -- or [retcode] is not known
    from luigi.task_register import Register

    return section in Register.task_names()


def _read_section(config: configparser.ConfigParser, name: str) -> dict[str, str]:
    try:
        return {key: config.get(name, key) for key in config.options(name)}
    except configparser.InterpolationError as error:
        fix = "set that variable" if "environment variable" in error.message else "write %% for %"
        text = config.get(error.section, error.option, raw=True)
        raise refused(error.section, error.option, text, why=REFERENCES, fix=fix) from None


def check_readable() -> None:
    """ConfigError where luigi.cfg cannot be parsed. To be called before Luigi is imported, which reads it and says less."""
    _luigi_config()


def unreadable(error: configparser.Error | UnicodeDecodeError) -> ConfigError:
    """What a person is told when a luigi.cfg is not one."""
    match error:
        case UnicodeDecodeError():
            return ConfigError(
                "luigi.cfg is not text in UTF-8", why="a byte in it is no letter there", fix="save it as UTF-8"
            )
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
            return ConfigError(
                "luigi.cfg cannot be read",
                why=quoted(str(error), most=300),
                fix="compare it with the one that `flight init` writes",
            )
    return ConfigError(f"{file}:{line}: {what}", fix=fix)


def words_of(numbers: range) -> str:
    """A range of whole numbers as an error names it."""
    most = f"to {numbers[-1]}" if numbers[-1] in PORTS else "or more"
    return f"a whole number, {numbers[0]} {most}"
