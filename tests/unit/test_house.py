"""The house's own rules: which room may import which, where programs are run, and that every folder is packaged."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ROOMS = TOP / "workflows"

STEPS = (
    {"kit"},
    {"luigicfg"},
    {"artefact", "recipe", "settings"},
    {"kickstart", "vhd", "gpt", "digest", "hypervisor", "cloud"},
    {"guestfs"},
    {"install", "prepare", "certify", "azureboot", "upload", "arm"},
    {"image", "gallery", "release", "rehearsal", "report", "doctor", "clean", "scheduler", "init", "reading"},
    {"telling", "commandline", "stage"},
    {"remote"},
    {"pipeline"},
    {"show"},
    {"cli"},
)
"""From the ground up; a room imports from steps below its own."""
SAME_STEP = {
    ("stage", "telling"): "how progress is told is a part of every stage",
    ("stage", "commandline"): "a stage is what the command line makes",
    ("commandline", "stage"): "for its type only",
    ("digest", "vhd"): "a digest is of a VHD",
    ("vhd", "gpt"): "a fixed VHD holds a partition table",
}
LUIGI = {"stage", "remote", "pipeline", "luigicfg", "telling", "commandline", "scheduler"}


def modules() -> list[Path]:
    return sorted(ROOMS.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(ROOMS).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def step_of(room: str) -> int:
    for number, step in enumerate(STEPS):
        if room in step:
            return number
    raise AssertionError(f"the room '{room}' has no place among the steps")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOMS)))
def test_a_room_imports_only_from_the_steps_below_it(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    for name in imports(path):
        if not name.startswith("flight.workflows."):
            continue
        other = name.split(".")[2]
        if other == room or (room, other) in SAME_STEP:
            continue
        assert step_of(other) < step_of(room), f"{path.relative_to(TOP)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOMS)))
def test_programs_are_run_through_one_door_only(path: Path) -> None:
    text = path.read_text()
    if path != ROOMS / "kit" / "run.py":
        assert "subprocess" not in {name.split(".")[0] for name in imports(path)}
    assert "os.system" not in text
    assert "shell=True" not in text


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOMS)))
def test_luigi_is_known_to_the_few_that_need_it(path: Path) -> None:
    if room_of(path) not in LUIGI:
        assert "luigi" not in {name.split(".")[0] for name in imports(path)}


def test_the_listed_packages_are_the_folders() -> None:
    listed = configparser.ConfigParser()
    listed.read(TOP / "setup.cfg")
    packages = set(listed["options"]["packages"].split())
    folders = {path.parent.relative_to(ROOMS) for path in ROOMS.rglob("__init__.py")}
    rooms = {".".join(("flight.workflows", *folder.parts)) for folder in folders}
    assert packages == {*rooms, "flight.kickstarts"}  # recipes and partials: no code, but shipped


def test_no_module_grows_out_of_hand() -> None:
    long = {
        str(path.relative_to(TOP)): count for path in modules() if (count := len(path.read_text().splitlines())) > 350
    }
    assert not long
