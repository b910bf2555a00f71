"""What `flight init` writes, and what it leaves alone."""

from __future__ import annotations

import configparser
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from flight.workflows import init, kickstart, luigicfg, recipe
from flight.workflows.kickstart.mirrors import Mirrors
from flight.workflows.kit import arriving
from flight.workflows.kit.errors import ConfigError
from flight.workflows.settings import SHIPPED, Rehearsal, Settings, parse_settings

BASE = Path("/somewhere")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    return tmp_path


def sections(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def without_its_hashes(text: str) -> str:
    return "\n".join(line[1:] if line[:1] == "#" and line[1:2] not in ("", " ") else line for line in text.split("\n"))


def test_what_is_written_says_no_more_than_the_recipe() -> None:
    given = {name: keys for name, keys in sections(init.luigi_cfg("mine")).items() if keys}
    assert given == {"image": {"recipe": "mine"}}
    assert "\nrecipe = flight-compute-debian13\n" in init.luigi_cfg("flight-compute-debian13")


def test_what_stands_behind_a_hash_is_the_default() -> None:
    given = sections(without_its_hashes(init.luigi_cfg("mine")))
    assert {one.name for one in dataclasses.fields(Settings)} | {*luigicfg.LUIGIS} == set(given)
    own = {name: keys for name, keys in given.items() if name not in luigicfg.LUIGIS}
    expected = parse_settings({"image": {"recipe": "mine"}}, base=BASE)
    assert parse_settings(own, base=BASE) == expected
    for preset in luigicfg.PRESETS:
        assert given[preset.section][preset.key] == preset.value


def test_every_setting_stands_there_with_its_sentence() -> None:
    text = init.luigi_cfg("mine")
    for section in dataclasses.fields(Settings):
        for one in dataclasses.fields(getattr(Settings(), section.name)):
            assert f"# {one.metadata['sentence']}\n" in text


def test_the_luigi_cfg_of_a_clone_says_of_luigi_what_the_presets_say() -> None:
    shipped = sections((SHIPPED.parent / "luigi.cfg").read_text())
    said = {(name, key): value for name in luigicfg.LUIGIS for key, value in shipped[name].items()}
    assert said.pop(("core", "autoload_range")) == "false"  # Luigi reads it before it reads us
    presets = {(preset.section, preset.key): preset.value for preset in luigicfg.PRESETS}
    assert said == presets


def test_the_recipe_has_no_fault_and_renders(here: Path) -> None:
    init.write_first(here, "mine")
    folders = parse_settings({}, base=here).paths.searched
    found = recipe.load("mine", folders)
    mirrors = Mirrors("http://mirror.example/debian", "http://mirror.example/security")
    text = kickstart.render_recipe(found, version="1.0.0", mirrors=mirrors, folders=folders).text
    assert "\nhtop\n" in text
    assert 'echo "mine 1.0.0" > /etc/image-version' in text
    assert "NAME" not in text + found.path.read_text()


def test_the_recipe_for_enterprise_linux_has_its_key_and_renders(here: Path) -> None:
    init.write_first(here, "mine", family="el")
    folders = parse_settings({}, base=here).paths.searched
    found = recipe.load("mine", folders)
    assert found.family == "el"
    assert Path(found.sources.key).is_relative_to(here)
    text = kickstart.render_recipe(found, version="1.0.0", mirrors=Mirrors(found.sources.archive), folders=folders).text
    assert "\nvim-enhanced\n" in text
    assert "url --url=https://repo.almalinux.org/almalinux/9/BaseOS" in text
    assert "services --enabled=sshd" in text
    assert "NAME" not in text + found.path.read_text()


def test_a_rehearsal_gets_the_usual_ports_or_the_next_that_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[int] = set()
    monkeypatch.setattr(init, "is_taken", lambda port: port in taken)
    assert init.free_ports() == Rehearsal()
    taken |= {10000, 10030}
    ports = init.free_ports()
    assert ports == Rehearsal(10040, 10050)
    text = init.luigi_cfg("mine", ports=ports)
    assert sections(text)["rehearsal"] == {"blob_port": "10040", "compute_port": "10050"}
    assert "# Not the usual 10000 and 10010:" in text
    assert "Not the usual" not in init.luigi_cfg("mine")


def test_no_unit_is_named_that_its_packages_do_not_bring(here: Path) -> None:
    text = init.first_texts("mine")["kickstarts/mine.ks.j2"]
    assert "services.ks.j2" not in text  # the compute nodes' disables Slurm's units, which are not there to disable


@pytest.mark.parametrize("taken", ["luigi.cfg", "kickstarts/mine.toml", "kickstarts/mine.ks.j2"])
def test_what_is_there_already_is_named_and_nothing_is_written(here: Path, taken: str) -> None:
    (here / "kickstarts").mkdir()
    (here / taken).write_text("theirs")
    with pytest.raises(ConfigError) as caught:
        init.write_first(here, "mine")
    assert caught.value.what == f"{taken} is there already"
    assert "another folder" in caught.value.fix
    assert [path for path in here.rglob("*") if path.is_file()] == [here / taken]
    assert (here / taken).read_text() == "theirs"


def test_a_link_to_nowhere_is_something_that_is_there(here: Path) -> None:
    (here / "luigi.cfg").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="is there already"):
        init.write_first(here, "mine")


def test_a_second_time_is_refused_and_another_folder_is_not(here: Path) -> None:
    init.write_first(here, "mine")
    with pytest.raises(ConfigError, match=r"luigi\.cfg is there already"):
        init.write_first(here, "other")
    assert (here / "kickstarts" / "other.toml").exists() is False
    assert init.write_first(here / "a" / "b", "mine")[-1] == here / "a" / "b" / "luigi.cfg"


@pytest.mark.parametrize("before", [0, 1, 2])
def test_after_a_kill_the_same_command_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    def killed(count: int) -> Callable[[Path, str], None]:
        made: list[Path] = []

        def write(path: Path, text: str) -> None:
            if len(made) == count:
                (path.parent / f"{arriving.MARK}0-{path.name}").write_text(text[:9])
                raise KeyboardInterrupt
            made.append(path)
            arriving.write_whole(path, text)

        return write

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(init, "write_whole", killed(before))
        init.write_first(here, "mine")
    assert not (here / "luigi.cfg").exists()
    init.write_first(here, "mine")
    texts = {here / place: text for place, text in init.first_texts("mine").items()}
    assert {path: path.read_text() for path in here.rglob("*") if path.is_file()} == texts


@pytest.mark.parametrize("name", ["", "../mine", "a b", "-mine", "mine\n", "_", "x" * 65])
def test_a_name_that_no_file_or_image_could_have_is_refused(here: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="a recipe cannot be named") as caught:
        init.write_first(here, name)
    assert "\n" not in caught.value.what
    assert not list(here.iterdir())


def test_the_next_steps_start_where_it_was_written(here: Path) -> None:
    written = init.write_first(here / "my images", "mine")
    steps = "\n".join(init.next_steps(here / "my images", written))
    assert f"cd '{here}/my images'; flight show kickstart" in steps
    assert "RenderKickstart --local-scheduler" in steps
    assert "unset" not in steps


def test_a_configuration_that_would_have_the_last_word_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = init.write_first(Path(), "mine")
    monkeypatch.setenv("LUIGI_CONFIG_PATH", "/etc/other.cfg")
    steps = list(init.next_steps(Path(), written))
    assert steps[-1] == "But first    unset LUIGI_CONFIG_PATH: it names /etc/other.cfg, which has the last word"
    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(here / "luigi.cfg"))
    assert "unset" not in "\n".join(init.next_steps(Path(), written))
