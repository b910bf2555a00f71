"""Where Debian's packages are taken from while building: by default the mirror that this host's own apt uses.

It is read when it is needed and stands in no file of the project; the image's own sources are another matter (`Sources`
of a recipe).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flight.workflows.kit.errors import ConfigError

RELEASES: Final = "bullseye bookworm trixie forky duke sid oldoldstable oldstable stable testing unstable"
SCHEMES: Final = ("http://", "https://", "file:/")


@dataclass(frozen=True)
class Mirrors:
    """URLs of an archive and of its security archive (empty: there is none to be had)."""

    archive: str
    security: str = ""


def named_mirrors(archive: str) -> Mirrors:
    """A mirror that a person named, and the security archive beside it where its name follows Debian's own custom."""
    archive = archive.rstrip("/")
    return Mirrors(archive, f"{archive}-security" if archive.endswith("/debian") else "")


def host_mirrors(apt: Path = Path("/etc/apt")) -> Mirrors:
    """The mirrors of Debian that this host's apt uses. Raises ConfigError where it uses none."""
    sources = list(_sources(apt))
    archive = next((url for url, suite in sources if suite in RELEASES.split()), "")
    security = next(
        (url for url, suite in sources if _release_of(suite, "-security", "/updates") in RELEASES.split()), ""
    )
    if not archive:
        raise ConfigError(
            "this host's apt names no mirror of Debian",
            why=f"looked in {apt}/sources.list and {apt}/sources.list.d",
            fix="set mirror in the section [image] of luigi.cfg",
        )
    return Mirrors(archive, security)


def _release_of(suite: str, *endings: str) -> str:
    return next((suite.removesuffix(ending) for ending in endings if suite.endswith(ending)), "")


def _sources(apt: Path) -> Iterator[tuple[str, str]]:
    """URL and suite of each binary source of Debian's main component, in apt's order."""
    listed = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    for path in filter(Path.is_file, sorted([*listed, *(apt / "sources.list.d").glob("*.sources")])):
        read = _read_deb822 if path.suffix == ".sources" else _read_lines
        for url, suite, components in read(path.read_text()):
            url = _first_of_list(url)
            if url.startswith(SCHEMES) and "main" in components:
                yield url.rstrip("/"), suite.rstrip("/")


def _read_lines(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """`deb [options] URL SUITE COMPONENT…`, one a line. Source: sources.list(5)."""
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)", line)
        if found:
            yield found[1], found[2], found[3].split()


def _read_deb822(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Paragraphs of fields. Source: sources.list(5), "DEB822-STYLE FORMAT"."""
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n\s*\n", kept):
        pairs = re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t]+.*)*)", paragraph, re.MULTILINE)
        fields = {name.lower(): value.split() for name, value in pairs}
        if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "0"):
            continue
        for url in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield url, suite, fields.get("components", [])


def _first_of_list(url: str) -> str:
    """`mirror+file:PATH` names a file of mirrors, the best first; anything else is itself."""
    if not url.startswith("mirror+file:"):
        return url
    path = Path("/" + url.removeprefix("mirror+file:").lstrip("/"))
    listed = path.read_text().split() if path.is_file() else []
    return next((word for word in listed if word.startswith(SCHEMES)), "")
