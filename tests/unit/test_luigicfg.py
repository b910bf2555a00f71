from __future__ import annotations

import configparser
import warnings
from pathlib import Path

import pytest
from luigi.configuration import LuigiConfigParser
from luigi.interface import core
from luigi.retcodes import retcode

from flight.workflows import luigicfg
from flight.workflows.kit.errors import ConfigError

OWN = ("image", "paths", "azure")


@pytest.fixture
def luigi_cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one luigi.cfg there is; `read` makes Luigi know what is written in it."""
    path = tmp_path / "luigi.cfg"
    monkeypatch.setattr(LuigiConfigParser, "_config_paths", [str(path)])
    return path


def read(monkeypatch: pytest.MonkeyPatch, path: Path, text: str | bytes) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    parser = LuigiConfigParser()
    parser.read([path])
    monkeypatch.setattr(LuigiConfigParser, "_instance", parser)


UNREADABLE = {
    "no section": ("version = 1\n", ":1: 'version = 1' stands before any section", "[image]"),
    "a byte order mark": ("\ufeff[image]\n", ":1: a byte order mark", "without a byte order mark"),
    "a section twice": ("[image]\n[paths]\n[image]\n", ":3: the section [image] is there already", "together"),
    "a key twice": ("[image]\nversion = 1\nversion = 2\n", ":3: [image] version is there already", "one of them"),
    "no value": ("[image]\nrecipe tiny\n", ":2: this is neither", "name = value"),
    "latin-1": (b"[image]\nversion = \xe9\n", "luigi.cfg is not text in UTF-8", "UTF-8"),
    "utf-16": ("[image]\n".encode("utf-16"), "luigi.cfg is not text in UTF-8", "UTF-8"),
}


@pytest.mark.parametrize(("text", "what", "fix"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_text_that_is_no_luigi_cfg_is_told_with_its_line_and_what_would_do(
    luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, what: str, fix: str
) -> None:
    with pytest.raises((configparser.Error, UnicodeDecodeError)) as caught:
        read(monkeypatch, luigi_cfg, text)
    told = luigicfg.unreadable(caught.value)
    assert what in told.what
    assert fix in told.fix


def test_what_else_may_be_wrong_with_a_luigi_cfg_is_quoted() -> None:
    told = luigicfg.unreadable(configparser.Error("something new"))
    assert (told.what, told.why) == ("luigi.cfg cannot be read", "something new")
    assert "flight init" in told.fix


@pytest.mark.parametrize(
    ("value", "fix"),
    [("1%0", "write %% for %"), ("%(nosuch)s", "write %% for %"), ("${NO_SUCH_VARIABLE}", "set that variable")],
)
def test_a_value_that_refers_to_nothing_is_told_with_its_key(
    luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch, value: str, fix: str
) -> None:
    monkeypatch.delenv("NO_SUCH_VARIABLE", raising=False)
    read(monkeypatch, luigi_cfg, f"[image]\nversion = {value}\n")
    with pytest.raises(ConfigError) as caught:
        luigicfg.read_sections(own=OWN)
    assert f"[image] version = {value} is refused" in caught.value.what
    assert caught.value.fix == fix


def test_own_sections_are_read_and_those_of_others_left_alone(luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(monkeypatch, luigi_cfg, "[image]\nversion = 2\n[email]\nmethod = smtp\n[MyTask]\nx = 1\n[azureblob]\n")
    assert luigicfg.read_sections(own=OWN) == {"image": {"version": "2"}}


@pytest.mark.parametrize(
    ("name", "meant"), [("imgae", "image"), ("Image", "image"), ("path", "paths"), ("schedular", "scheduler")]
)
def test_a_section_misspelt_is_an_error_that_guesses_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        luigicfg.check_sections(["core", name], known=(*OWN, *luigicfg.LUIGIS))
    assert caught.value.what == f"luigi.cfg: there is no section [{name}]"
    assert caught.value.fix == f"did you mean [{meant}]?"


LUIGIS = {
    "port": ("core", "scheduler_port", "abc", "give a whole number"),
    "no port": ("core", "scheduler_port", "", "give a whole number"),
    "port too high": ("core", "scheduler_port", "99999", "give a whole number, 1 to 65535"),
    "level": ("core", "log_level", "NOSUCH", "give one of CRITICAL, DEBUG, ERROR, INFO, NOTSET, WARNING"),
    "lock": ("core", "no_lock", "yes", "give true or false"),
    "code": ("retcode", "task_failed", "x", "give a whole number"),
    "ping": ("worker", "ping_interval", "x", "give a number"),
    "delay": ("scheduler", "retry_delay", "x", "give a number"),
}


@pytest.mark.parametrize(("section", "key", "text", "fix"), LUIGIS.values(), ids=LUIGIS)
def test_a_value_that_luigi_would_trip_over_is_told_as_flights_own_are(
    luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch, section: str, key: str, text: str, fix: str
) -> None:
    read(monkeypatch, luigi_cfg, f"[{section}]\n{key} = {text}\n")
    with pytest.raises(ConfigError) as caught:
        luigicfg.check_luigis_sections()
    assert f"[{section}] {key} = {text}" in caught.value.what
    assert caught.value.fix == fix
    assert caught.value.why


def test_the_luigi_cfg_that_is_shipped_is_in_order(luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(monkeypatch, luigi_cfg, (Path(__file__).parents[2] / "luigi.cfg").read_bytes())
    assert luigicfg.config_path() == luigi_cfg
    assert luigicfg.read_sections(own=OWN)
    luigicfg.check_luigis_sections()


def test_without_a_luigi_cfg_paths_start_in_the_current_folder(
    luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.chdir(luigi_cfg.parent)
    assert luigicfg.config_path() is None
    assert luigicfg.base_folder() == luigi_cfg.parent
    with pytest.raises(ConfigError, match=r"there is no luigi\.cfg") as caught:
        luigicfg.wanted_path("it says which work folder to clean")
    assert caught.value.why == f"it says which work folder to clean, and {luigi_cfg.parent} holds none"
    assert "`flight init`" in caught.value.fix


def test_a_luigi_cfg_is_where_paths_start(luigi_cfg: Path) -> None:
    luigi_cfg.write_text("[image]\n")
    assert luigicfg.base_folder() == luigi_cfg.parent
    assert luigicfg.wanted_path("whatever") == luigi_cfg


def test_a_luigi_cfg_that_is_named_and_not_there_is_an_error(luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    luigi_cfg.write_text("[image]\n")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", "/no/such/luigi.cfg")
    with pytest.raises(ConfigError, match="LUIGI_CONFIG_PATH names a file that is not there") as caught:
        luigicfg.config_path()
    assert "/no/such/luigi.cfg" in caught.value.why


def test_what_luigi_cfg_does_not_say_of_luigi_is_preset_and_what_it_says_holds(
    luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(monkeypatch, luigi_cfg, "[retcode]\ntask_failed = 3\n[core]\nlog-level = DEBUG\ndefault-scheduler-host = h\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, of the hyphen
        luigicfg.read_sections(own=OWN)
        level, host = core().log_level, core().scheduler_host
    assert (retcode().task_failed, retcode().scheduling_error) == (3, 35)
    assert (level, host, core().no_lock) == ("DEBUG", "h", True)


def test_a_luigi_cfg_that_luigi_would_pass_over_in_silence_is_an_error(
    luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    luigi_cfg.write_text("[image]\n")
    monkeypatch.setattr("os.access", lambda path, mode, **_: False)
    with pytest.raises(ConfigError, match="cannot be read"):
        luigicfg.config_path()


def test_a_current_folder_that_is_gone_is_told(luigi_cfg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    with pytest.raises(ConfigError, match="the current folder has been removed"):
        luigicfg.config_path()
