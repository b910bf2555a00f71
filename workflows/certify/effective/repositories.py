"""Where a system would get its packages from: apt's sources in both forms, and dnf's repositories.

Source: sources.list(5), apt-transport-mirror(1); dnf.conf(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from flight.workflows.certify.effective.networkd import files_in
from flight.workflows.certify.effective.unitfiles import read_unit
from flight.workflows.certify.tree import Tree

APT: Final = "/etc/apt/sources.list"
APT_FOLDER: Final = "/etc/apt/sources.list.d"
APT_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\.(list|sources)")
MOST_SOURCES: Final = 1000
MOST_LINE: Final = 4096
MOST_LIST: Final = 16384
"""Characters of a list of mirrors."""
OPTIONS: Final = re.compile(r"(?<=[ \t])\[[^]]*\]")
NO: Final = ("no", "false", "without", "off", "disable", "0")
"""What apt takes for no."""
DNF_FOLDERS: Final = ("/etc/yum.repos.d", "/etc/dnf/repos.d", "/etc/distro.repos.d", "/usr/share/dnf5/repos.d")


@dataclass(frozen=True)
class Source:
    """One address and suite of apt's. `uri` of a mirror list is what the list names."""

    uri: str
    suite: str
    at: str


@dataclass(frozen=True)
class Repository:
    """A repository of dnf's; `uri` is a base URL, a mirror list or a metalink."""

    id: str
    is_enabled: bool
    uri: str
    at: str


def apt_sources(tree: Tree) -> tuple[Source, ...]:
    """Every enabled source for binary packages. Raises NotTaken."""
    paths = [APT, *(f"{APT_FOLDER}/{name}" for name in tree.names(APT_FOLDER) if APT_NAME.fullmatch(name))]
    each = ((_stanzas if path.endswith(".sources") else _lines)(tree.text(path) or "", path) for path in paths)
    sources = islice(chain.from_iterable(each), MOST_SOURCES)
    return tuple(islice((found for source in sources for found in _through_lists(tree, source)), MOST_SOURCES))


def _lines(text: str, path: str) -> Iterator[Source]:
    """deb [option=value …] URI suite component…"""
    for number, line in enumerate(text.split("\n"), 1):
        words = OPTIONS.sub(" ", line.partition("#")[0][:MOST_LINE], count=1).split()
        if len(words) > 2 and words[0] == "deb":
            yield Source(words[1], words[2], f"{path}:{number}")


def _stanzas(text: str, path: str) -> Iterator[Source]:
    """Paragraphs of fields; a line that begins with a blank goes on with the field before it."""
    for paragraph in re.split(r"\n[ \t]*\n", "\n".join(line for line in text.split("\n") if not line.startswith("#"))):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t"):
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in NO:
            continue
        if "deb" in fields.get("types", "").split():
            for uri in fields.get("uris", "").split():
                yield from (Source(uri, suite, path) for suite in fields.get("suites", "").split())


def _through_lists(tree: Tree, source: Source) -> Iterator[Source]:
    """A source whose URI is a list of mirrors on this disk stands for each of them."""
    scheme, sign, path = source.uri.partition("file:")
    if not sign or not scheme.startswith("mirror"):
        yield source
        return
    for line in (tree.text("/" + path.lstrip("/")) or "")[:MOST_LIST].split("\n"):
        words = line.partition("#")[0].split()
        if words:
            yield Source(words[0], source.suite, source.at)


def dnf_repositories(tree: Tree) -> tuple[Repository, ...]:
    """Every repository with where it is. Raises NotTaken."""
    found: list[Repository] = []
    for folder in DNF_FOLDERS:
        for path in files_in(tree, (folder,), ".repo"):
            own: dict[str, dict[str, str]] = {}
            for setting in read_unit(tree.text(path) or ""):
                own.setdefault(setting.section, {})[setting.name.lower()] = setting.value
            for name, fields in own.items():
                uri = fields.get("baseurl") or fields.get("mirrorlist") or fields.get("metalink") or ""
                is_enabled = fields.get("enabled", "1").lower() in ("1", "yes", "true", "on")
                if name and name != "main":
                    found.append(Repository(name, is_enabled, uri, path))
    return tuple(found[:MOST_SOURCES])
