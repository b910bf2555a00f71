from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows import kickstart
from flight.workflows.kickstart.mirrors import Mirrors, host_mirrors, named_mirrors
from flight.workflows.kit.errors import ConfigError
from flight.workflows.recipe import Recipe

DEB822 = """Types: deb deb-src
# a comment within
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/x.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """
# deb http://old.example/debian bullseye main
deb-src http://source.example/debian trixie main
deb [arch=amd64 signed-by=/x.gpg] https://mirror.example/debian trixie main  # comment
deb http://security.example/debian-security/ trixie-security main
"""
HOSTS = {
    "deb822": ({"sources.list.d/debian.sources": DEB822}, "http://mirror.example/debian", "http://mirror.example/debian-security"),
    "one line": ({"sources.list": ONE_LINE}, "https://mirror.example/debian", "http://security.example/debian-security"),
    "no security": ({"sources.list": "deb http://m.example/d sid main\n"}, "http://m.example/d", ""),
    "old security": (
        {"sources.list": "deb http://m.example/d stable main\ndeb http://s.example/s stable/updates main\n"},
        "http://m.example/d",
        "http://s.example/s",
    ),
    "others beside it": (
        {
            "sources.list.d/a.list": "deb https://docker.example/linux/debian trixie stable\n",
            "sources.list.d/b.list": "deb https://pg.example/pub trixie-pgdg main\ndeb http://n.example nodistro main\n",
            "sources.list.d/c.list": "deb cdrom:[Debian]/ trixie main\ndeb http://mirror.example/debian trixie main\n",
            "sources.list.d/d.list.disabled": "deb http://not.example/debian trixie main\n",
        },
        "http://mirror.example/debian",
        "",
    ),
    "one disabled": (
        {
            "sources.list.d/a.sources": "Enabled: no\n" + DEB822.partition("\n\n")[0],
            "sources.list.d/b.sources": DEB822.replace("mirror.", "second."),
        },
        "http://second.example/debian",
        "http://second.example/debian-security",
    ),
}  # fmt: skip


def apt(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(("files", "archive", "security"), HOSTS.values(), ids=HOSTS.keys())
def test_the_host_s_apt_is_asked(tmp_path: Path, files: dict[str, str], archive: str, security: str) -> None:
    assert host_mirrors(apt(tmp_path, files)) == Mirrors(archive, security)


def test_a_file_of_mirrors_is_read(tmp_path: Path) -> None:
    (tmp_path / "mirrors").write_text("https://best.example/debian\tpriority:1\nhttps://other.example/debian\n")
    files = {"sources.list": f"deb mirror+file:{tmp_path}/mirrors trixie main\n"}
    assert host_mirrors(apt(tmp_path, files)) == Mirrors("https://best.example/debian")


@pytest.mark.parametrize(
    "files",
    [{}, {"sources.list": "deb http://archive.example/ubuntu noble main universe\n"}],
    ids=["no sources", "another distribution"],
)
def test_a_host_without_a_mirror_of_debian_says_what_would_do(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"set mirror in the section \[image\]"):
        host_mirrors(apt(tmp_path, files))


@pytest.mark.parametrize(
    ("named", "security"),
    [
        ("http://mirror.example/debian/", "http://mirror.example/debian-security"),
        ("http://mirror.example/private", ""),
    ],
    ids=["by custom", "otherwise"],
)
def test_a_named_mirror_has_its_security_archive_beside_it(named: str, security: str) -> None:
    assert named_mirrors(named) == Mirrors(named.rstrip("/"), security)


def test_a_named_mirror_goes_before_the_host_s() -> None:
    recipe = Recipe("r", Path("r.toml"), "trixie")
    assert kickstart.mirrors_for(recipe, "http://mirror.example/x") == Mirrors("http://mirror.example/x")


def test_another_family_takes_its_recipe_s_source() -> None:
    recipe = Recipe("r", Path("r.toml"), "9", family="el")
    assert kickstart.mirrors_for(recipe, "") == Mirrors(recipe.sources.archive)
