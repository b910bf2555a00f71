"""The wheel as a stranger meets it: built, installed where no clone is, run in an empty folder."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from home import TOP, Ran, free_ports


def run(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Ran:
    done = subprocess.run(
        argv, cwd=cwd, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=300,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy: setuptools keeps what it built beside the sources, and packs what was removed there meanwhile."""
    folder = tmp_path_factory.mktemp("wheel")
    source, built = folder / "source", folder / "dist"
    source.mkdir()
    for path in (*TOP.glob("LICENSE*"), *(TOP / name for name in ("setup.cfg", "pyproject.toml", "README.md"))):
        shutil.copy(path, source)
    for name in ("workflows", "kickstarts", "tests"):
        shutil.copytree(TOP / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    ran = run(sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", built, source, cwd=folder)
    assert ran.code == 0, ran.said
    (found,) = built.glob("flight-*.whl")
    return found


@dataclass(frozen=True)
class Stranger:
    """A virtual environment that holds the wheel, and an empty folder; `env` leads to nothing of the clone."""

    venv: Path
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LUIGI_", "PYTHON"))}
        return {**kept, "PATH": f"{self.venv / 'bin'}:{os.environ['PATH']}", "HOME": str(self.folder)}

    @property
    def package(self) -> Path:
        (found,) = self.venv.glob("lib/python*/site-packages/flight")
        return found

    def flight(self, *args: str) -> Ran:
        return run(self.venv / "bin" / "flight", *args, cwd=self.folder, env=self.env)

    def luigi(self, *args: str) -> Ran:
        module = "from luigi.cmdline import luigi_run; luigi_run()"
        return run(
            self.venv / "bin" / "python", "-c", module, "--module", "flight.workflows", *args, cwd=self.folder, env=self.env
        )  # fmt: skip


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone is installed; the packages it needs are seen where this Python has them (without this clone)."""
    folder = tmp_path_factory.mktemp("stranger") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
    ran = run(*pip, "install", *offline, wheel, cwd=folder)
    assert ran.code == 0, ran.said
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


@pytest.fixture
def stranger(venv: Path, tmp_path: Path) -> Stranger:
    return Stranger(venv, tmp_path)


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def test_the_wheel_holds_what_the_clone_holds_and_no_test(wheel: Path) -> None:
    packed = {name for name in names_in(wheel) if not name.split("/")[0].endswith(".dist-info")}
    files = (path for folder in ("workflows", "kickstarts") for path in (TOP / folder).rglob("*") if path.is_file())
    assert packed == {f"flight/{path.relative_to(TOP)}" for path in files if path.parent.name != "__pycache__"}


def test_its_licences_are_told_and_enclosed(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (told,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(file.read(told))
        names = metadata.get_all("License-File", [])
        enclosed = {name: file.read(f"{Path(told).parent}/licenses/{name}") for name in names}
    assert metadata["License-Expression"] == "Apache-2.0 AND GPL-2.0-only"
    assert set(enclosed) == {"LICENSE", "LICENSE-GPL-2.0"}
    assert b"Apache License" in enclosed["LICENSE"]
    assert b"flight/workflows/kickstart/ksread.py" in enclosed["LICENSE"]
    assert b"GNU GENERAL PUBLIC LICENSE\n                       Version 2, June 1991" in enclosed["LICENSE-GPL-2.0"]


def test_the_one_file_under_the_gpl_imports_nothing_of_flight_s() -> None:
    text = (TOP / "workflows" / "kickstart" / "ksread.py").read_text()
    assert text.startswith("# SPDX-License-Identifier: GPL-2.0-only\n")
    assert "import flight" not in text
    assert "from flight" not in text
    modules = (TOP / "workflows").rglob("*.py")
    assert [path.name for path in modules if re.search(r"(?m)^\s*(import|from) pykickstart", path.read_text())] == [
        "ksread.py"
    ]


def test_a_stranger_reads_in_an_empty_folder_and_leaves_it_empty(stranger: Stranger) -> None:
    shown = stranger.flight("show", "recipes")
    assert shown.code == 0, shown.said
    assert f"Flight compute, Debian 13  ({stranger.package / 'kickstarts'})" in shown.said
    kickstart = stranger.flight("show", "kickstart", "flight-compute-debian12")
    assert kickstart.code == 0, kickstart.said
    told, first = kickstart.said.splitlines()[:2]
    assert told.startswith("flight: there is no luigi.cfg here: the defaults hold")
    assert first == "# Debian 12 compute node for Azure."
    for args in (("plan",), ("recipe",), ("walk",), ("made",), ("made", "--next")):
        assert (ran := stranger.flight("show", *args)).code == 0, ran.said
    settings = stranger.flight("settings")
    assert settings.code == 0
    assert f"work = {stranger.folder / 'work'}" in settings.said
    assert not list(stranger.folder.iterdir())


def test_a_stranger_s_host_is_examined(stranger: Stranger) -> None:
    ran = stranger.flight("doctor")
    assert ran.code in (0, 1), ran.said  # the rehearsal's storage is not installed there
    assert "to mend" in ran.said
    assert "Traceback" not in ran.said


def test_a_stranger_renders_in_an_empty_folder(stranger: Stranger) -> None:
    ran = stranger.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 0, ran.said
    assert ran.made == ["RenderKickstart"]
    assert (stranger.folder / "work" / "flight-compute-debian13.ks").read_text().startswith("# Debian 13")
    assert stranger.luigi("RenderKickstart", "--local-scheduler").made == []


def test_exit_codes_are_the_same_without_a_luigi_cfg(stranger: Stranger) -> None:
    assert stranger.luigi("RenderKickstart", "--local-scheduler", "--recipe", "none").code == 35
    (stranger.folder / "work").write_text("in the way")
    ran = stranger.luigi("RenderKickstart", "--local-scheduler")
    assert ran.code == 30, ran.said


def test_a_stranger_begins_with_flight_init(stranger: Stranger) -> None:
    (port,) = free_ports(1)
    wrote = stranger.flight("init", "--name", "appliance")
    assert wrote.code == 0, wrote.said
    config = stranger.folder / "luigi.cfg"
    config.write_text(config.read_text().replace("#scheduler_port = 8082", f"scheduler_port = {port}"))
    assert "appliance                    appliance  (kickstarts)" in stranger.flight("show", "recipes").said
    assert stranger.flight("scheduler", "start").code == 0
    try:
        ran = stranger.luigi("RenderKickstart")
        assert ran.code == 0, ran.said
        assert 'echo "appliance 1.0.0"' in (stranger.folder / "work" / "appliance.ks").read_text()
        (stranger.folder / "work" / "appliance.ks").unlink()
        shutil.rmtree(stranger.folder / "work" / "appliance")
        again = stranger.luigi("RenderKickstart")  # at once: luigid would refuse for ten seconds without the presets
        assert again.made == ["RenderKickstart"], again.said
    finally:
        stranger.flight("scheduler", "stop")
    refused = stranger.flight("init")
    assert refused.code == 2
    assert "luigi.cfg is there already" in refused.said


def test_a_recipe_of_one_s_own_is_searched_before_what_is_shipped(stranger: Stranger) -> None:
    assert stranger.flight("init").code == 0
    shutil.copytree(stranger.package / "kickstarts" / "partials", stranger.folder / "kickstarts" / "partials")
    partial = stranger.folder / "kickstarts" / "partials" / "sshd.ks.j2"
    partial.write_text("# mine\n" + partial.read_text())
    assert "\n# mine\n" in stranger.flight("show", "kickstart").said
    assert "(kickstarts)" in stranger.flight("show", "recipes").said
