"""Where systemd's unit files lie, which of several wins, and what stands in them.

Source: systemd.unit(5), "Unit File Load Path" and "Description"; systemd.syntax(7).
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

from flight.workflows.certify.tree import NotTaken, Tree

FOLDERS: Final = (
    "/etc/systemd/system.control",
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""The first that has a name wins. /run is empty when a machine starts."""
MOST_ALIASES: Final = 16
MOST_LINE: Final = 1 << 16
"""Characters of one setting, as systemd bounds them (1 MiB there); a longer one is left out."""


MOST_READ: Final = 8 << 20
"""Characters of all unit files together; those beyond count as not taken. A large system has 2 MiB."""
PULLING: Final = (".wants", ".requires", ".upholds")
"""How the folders end whose links are dependencies."""


class Setting(NamedTuple):
    section: str
    name: str
    value: str


class Found(NamedTuple):
    """A unit: its own name (an alias followed), the file it is read from, and whether it is masked."""

    name: str
    path: str
    is_masked: bool = False


def read_unit(text: str) -> Iterator[Setting]:
    """The settings of a unit file in their order, lines continued by a backslash put together."""
    section, held = "", ""
    for line in text.split("\n"):
        bare = line.strip()
        if bare[:1] in ("#", ";"):
            continue
        if bare.endswith("\\"):
            held = (held + bare[:-1] + " ")[: MOST_LINE + 1]
            continue
        bare, held = (held + bare).strip(), ""
        if bare.startswith("[") and bare.endswith("]"):
            section = bare[1:-1]
        elif "=" in bare and len(bare) <= MOST_LINE:
            name, _, value = bare.partition("=")
            yield Setting(section, name.strip(), value.strip())


def values(settings: tuple[Setting, ...], section: str, name: str) -> tuple[str, ...]:
    """The values of a setting; an empty one takes back those before it."""
    found: list[str] = []
    for setting in settings:
        if (setting.section, setting.name) == (section, name):
            found = [*found, setting.value] if setting.value else []
    return tuple(found)


def words(settings: tuple[Setting, ...], section: str, name: str) -> tuple[str, ...]:
    """The words of a list like WantedBy=."""
    return tuple(word for value in values(settings, section, name) for word in unquoted(value))


def unquoted(value: str) -> list[str]:
    """The words of a value, their quotes taken away."""
    if not any(sign in value for sign in "\"'\\"):
        return value.split()
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def template_of(name: str) -> str:
    """getty@.service of getty@tty1.service; empty where it is no instance."""
    stem, dot, kind = name.rpartition(".")
    prefix, sign, instance = stem.partition("@")
    return f"{prefix}@{dot}{kind}" if sign and instance else ""


def instance_of(name: str) -> str:
    return name.rpartition(".")[0].partition("@")[2]


def with_instance(template: str, instance: str) -> str:
    """getty@tty1.service of getty@.service; a name without a place for an instance stays as it is."""
    stem, dot, kind = template.rpartition(".")
    return f"{stem}{instance}{dot}{kind}" if stem.endswith("@") else template


def expanded(text: str, name: str) -> str:
    """The few specifiers that names of units are made with: %i %I %p %P %n %N %j."""
    stem = name.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {"%i": instance, "%I": instance, "%p": prefix, "%P": prefix, "%n": name, "%N": stem}
    known["%j"] = prefix.rpartition("-")[2]
    for sign, value in known.items():
        text = text.replace(sign, value)
    return text


def folders_of(tree: Tree) -> tuple[str, ...]:
    """Those of FOLDERS that are there, one folder once (/lib is a link to /usr/lib since the merge)."""
    by_place = {tree.real(folder): folder for folder in reversed(FOLDERS) if tree.is_folder(folder)}
    return tuple(folder for folder in FOLDERS if folder in by_place.values())


class UnitFiles:
    """The unit files of a tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.folders = tree, folders_of(tree)
        self._read: dict[str, tuple[Setting, ...]] = {}
        self._found: dict[str, Found | None] = {}
        self._left = MOST_READ

    @cached_property
    def _beside(self) -> frozenset[str]:
        """The names of folders beside units: drop-ins, and links that pull others in."""
        ends = (".d", *PULLING)
        return frozenset(name for folder in self.folders for name in self.tree.names(folder) if name.endswith(ends))

    def find(self, name: str) -> Found | None:
        """The unit of a name, through aliases and, for an instance, its template."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> Found | None:
        for _ in range(MOST_ALIASES):
            path = self.first(name) or self.first(template_of(name))
            if not path:
                return None
            if self.is_null(path):
                return Found(name, path, is_masked=True)
            following = self._aliased(path, name)
            if following == name:
                return Found(name, path)
            name = following
        return None

    def first(self, name: str) -> str:
        """The path of a name in the first folder that has a unit there, unfollowed; empty where none has."""
        places = (f"{folder}/{name}" for folder in self.folders) if name else iter(())
        return next((path for path in places if self._counts(path, name)), "")

    def _counts(self, path: str, name: str) -> bool:
        """A file, a mask, an alias (found by its name, wherever it leads), or a link to a file of the same name."""
        entry = self.tree.entry(path)
        if entry is not None:
            return entry.kind == "f" or self.is_null(path)
        return self.tree.lentry(path) is not None and (self.is_null(path) or self._aliased(path, name) != name)

    def _aliased(self, path: str, name: str) -> str:
        """The name that a link gives to a unit; the same where it is a file, or links to a file of its own name."""
        entry = self.tree.lentry(path)
        if entry is None or entry.kind != "l":
            return name
        other = posixpath.basename(entry.target.rstrip("/"))
        if other in (name, template_of(name)) or "." not in other:
            return name
        return with_instance(other, instance_of(name))

    def is_null(self, path: str) -> bool:
        """A mask: a link to /dev/null, whether or not the disk has that, or an empty file."""
        for _ in range(MOST_ALIASES):
            place = self.tree.place(path)
            entry = self.tree.entries.get(place) if place else None
            if entry is None or place is None:
                return path == "/dev/null"
            if entry.kind != "l":
                return place == "/dev/null" or (entry.kind == "f" and entry.size == 0)
            path = posixpath.normpath(posixpath.join(posixpath.dirname(place), entry.target))
        return False

    def settings(self, name: str) -> tuple[Setting, ...]:
        """What stands in a unit's file and its drop-ins; nothing where it is not there or masked. Raises NotTaken."""
        if name not in self._read:
            found = self.find(name)
            paths = [found.path, *self.dropins(found.name)] if found and not found.is_masked else []
            self._read[name] = tuple(one for path in paths for one in read_unit(self._text(path)))
        return self._read[name]

    def _text(self, path: str) -> str:
        text = self.tree.text(path) or ""
        self._left -= len(text)
        if self._left < 0:
            raise NotTaken(path)
        return text

    def dropins(self, name: str) -> list[str]:
        """The drop-ins of a unit by file name; of two with one name that of the earlier folder."""
        found: dict[str, str] = {}
        for owner in (owner for owner in self._owners(name) if f"{owner}.d" in self._beside):
            for folder in self.folders:
                for each in self.tree.names(f"{folder}/{owner}.d"):
                    if each.endswith(".conf"):
                        found.setdefault(each, f"{folder}/{owner}.d/{each}")
        return [found[each] for each in sorted(found)]

    def _owners(self, name: str) -> Iterator[str]:
        """Whose drop-ins a unit reads, the most special first: its own, its template's, its prefixes', its kind's."""
        yield name
        if template := template_of(name):
            yield template
        stem, _, kind = name.rpartition(".")
        parts = stem.partition("@")[0].split("-")
        if any(each.endswith(f"-.{kind}.d") for each in self._prefixed):
            yield from ("-".join(parts[:count]) + f"-.{kind}" for count in range(len(parts) - 1, 0, -1))
        yield kind

    @cached_property
    def _prefixed(self) -> tuple[str, ...]:
        """The drop-ins for a whole prefix; seldom there are any."""
        return tuple({each[each.rindex("-.") :] for each in self._beside if "-." in each and each.endswith(".d")})

    def pulled(self, name: str) -> dict[str, str]:
        """What the .wants, .requires and .upholds folders of a unit name, with the link's path; masked ones are out."""
        found: dict[str, str] = {}
        for owner in filter(None, (name, template_of(name))):
            for folder in self.folders:
                for ending in (ending for ending in PULLING if f"{owner}{ending}" in self._beside):
                    for each in self.tree.names(f"{folder}/{owner}{ending}"):
                        found.setdefault(each, f"{folder}/{owner}{ending}/{each}")
        return {each: path for each, path in found.items() if self._is_link(path) and not self.is_null(path)}

    def _is_link(self, path: str) -> bool:
        entry = self.tree.lentry(path)
        return entry is not None and entry.kind == "l"
