"""Recipe: what a person wrote in kickstarts/NAME.toml, checked; every fault at once, with its line.

A recipe names a kickstart (a Jinja template `NAME.ks.j2`, or a plain `NAME.ks`) and says what a kickstart cannot: the
distribution, the disk's size, a vendor's own files, private package sources. Folders are searched in their order, so that a
vendor's folder can shadow what the project ships. No secret stands in a recipe: credentials are named by variables of the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.finding import NOWHERE, Finding, Where, refuse, shown

KeyPath = tuple[str | int, ...]
"""Where a value stands in a TOML document: ("files", 0, "mode")."""
VOLATILE: Final = ("/proc", "/sys", "/dev", "/run", "/tmp")
"""Folders of a running system that hide what an image holds there."""
RESERVED: Final = ("recipe", "version", "family", "release", "mirror", "security_mirror", "disk_gib")
"""Names that every template is given; a variable cannot take them."""


def entry(sentence: str, default: Any = dataclasses.MISSING, **rules: Any) -> Any:
    """A dataclass field read from TOML, with its own documentation; `rules`: one_of, like (a regex), least, most."""
    return field(default=default, metadata={"sentence": sentence, **rules})


@dataclass(frozen=True)
class Disk:
    """The OS disk. Azure takes 1 to 1023 GiB; 30 GiB is what its reviewers expect at least."""

    size_gib: int = entry("The virtual size of the disk, in GiB.", 32, least=1, most=1023)


@dataclass(frozen=True)
class Azure:
    """What Azure is told about the image."""

    generation: str = entry("The generation of virtual machines the image is registered for.", "V2", one_of=("V1", "V2"))


@dataclass(frozen=True)
class Sources:
    """The image's own package sources; the defaults are Azure's mirrors of Debian, in every region."""

    archive: str = entry("The archive's URL.", "http://debian-archive.trafficmanager.net/debian")
    security: str = entry("The security archive's URL.", "http://debian-archive.trafficmanager.net/debian-security")
    components: tuple[str, ...] = entry("The components to take packages from.", ("main",))


@dataclass(frozen=True)
class VendorFile:
    """A vendor's own file (`[[files]]` of a recipe): `source` on the build host, `to` in the image, mode as octal text."""

    source: str = entry("The file, relative to the recipe and not above it.")
    to: str = entry("Its absolute path in the image.", like=r"/\S+")
    sha256: str = ""
    mode: str = entry("Its permissions, in octal.", "0644", like=r"0?[0-7]{3,4}")
    owner: str = entry("Its owner.", "root", like=r"[a-z_][a-z0-9_-]*")
    group: str = entry("Its group.", "root", like=r"[a-z_][a-z0-9_-]*")


@dataclass(frozen=True)
class Repository:
    """A package source to build from.

    `suite` and `components` are Debian's words (for RPM both empty). `key` is the path of the signing key or keyring on
    the build host; empty: the distribution's own keyring. `user_from` and `password_from` name environment variables.
    `stays`: whether it is written into the image's own sources (never with its credentials).
    """

    name: str = entry("A short name.", like=r"[a-z0-9][a-z0-9._-]*")
    url: str = entry("Its URL, without credentials.")
    suite: str = entry("The suite (Debian's word for a release within it).", "")
    components: tuple[str, ...] = entry("The suite's components.", ())
    key: str = entry("The public key or keyring its signatures are checked against, relative to the recipe.", "")
    key_sha256: str = ""
    user_from: str = entry("The environment variable that holds the user's name.", "", like=r"[A-Za-z_]\w*|")
    password_from: str = entry("The environment variable that holds the password.", "", like=r"[A-Za-z_]\w*|")
    stays: bool = entry("Whether the image itself keeps this source.", False)
    where: Where = NOWHERE


@dataclass(frozen=True)
class Recipe:
    """One recipe, read and checked. `name` is the file's name without .toml; `path` the file itself."""

    name: str
    path: Path
    release: str = entry("The distribution's release, in its own word: trixie, bookworm, 9.", like=r"[a-z0-9.]+")
    title: str = entry("One line for people.", "")
    description: str = entry("A paragraph for people.", "")
    family: str = entry("The family of distributions.", "debian", one_of=("debian", "el"))
    kickstart: str = entry("The kickstart's file; empty: NAME.ks.j2 or NAME.ks.", "", like=r"[\w./-]*")
    syntax: str = entry("The kickstart version that pykickstart checks against.", "RHEL9", like=r"RHEL\d+|F\d+|DEVEL")
    post_network: bool = entry("Whether %post scripts may use the network.", False)
    security_updates: bool = entry("Whether the distribution's security updates are built in.", True)
    disk: Disk = Disk()
    azure: Azure = Azure()
    sources: Sources = Sources()
    variables: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[VendorFile, ...] = ()
    repositories: tuple[Repository, ...] = ()
    lines: Mapping[KeyPath, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def folder(self) -> Path:
        return self.path.parent

    def where(self, *place: str | int) -> Where:
        """The line that sets a key, else the one that opens its table, else the file."""
        return _where(self.path, self.lines, place)


def names(folders: Sequence[Path]) -> list[str]:
    """The names of all recipes, sorted."""
    return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})


def find(name: str, folders: Sequence[Path]) -> Path:
    """The recipe's file: the first that is there. Raises RecipeError with the names that come near."""
    for folder in folders:
        if re.fullmatch(r"\w[\w.-]*", name) and (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    known = names(folders)
    near = difflib.get_close_matches(name, known, n=3)
    raise RecipeError(
        f"there is no recipe '{name}'",
        why=f"looked for {name}.toml in {', '.join(shown(folder) for folder in folders)}",
        fix=f"did you mean {' or '.join(near)}?"
        if near
        else f"give one of {', '.join(known) or 'none: there is no recipe'}",
    )


def load(name: str, folders: Sequence[Path]) -> Recipe:
    """The recipe of that name, its files' digests taken. Raises RecipeError with every fault at once."""
    path = find(name, folders)
    recipe, findings = read(path)
    refuse(f"the recipe {name}", findings)
    assert recipe
    return recipe


def problems(path: Path) -> list[Finding]:
    """Every fault of one recipe file."""
    return read(path)[1]


def read(path: Path) -> tuple[Recipe | None, list[Finding]]:
    """The recipe as far as it could be read (None where faults keep it from being one), and its faults."""
    text = path.read_text()
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        return None, [Finding(Where(shown(path), line), f"not TOML: {error}")]
    reading = _Reading(path, lines_of_keys(text))
    recipe = reading.recipe(given)
    return recipe, reading.findings


class _Reading:
    """One file on its way to a Recipe; gathers the faults."""

    def __init__(self, path: Path, lines: Mapping[KeyPath, int]) -> None:
        self.path, self.lines = path, lines
        self.findings: list[Finding] = []

    def fault(self, place: KeyPath, what: str, fix: str = "") -> None:
        self.findings.append(Finding(_where(self.path, self.lines, place), what, fix))

    def recipe(self, given: Mapping[str, Any]) -> Recipe | None:
        fixed = {"name": self.path.stem, "path": self.path, "lines": self.lines}
        variables = given.get("variables", {})
        if not isinstance(variables, dict):
            self.fault(("variables",), "variables is not a table", "write [variables]")
            variables = {}
        plain = {name: value for name, value in given.items() if name != "variables"}
        recipe = self.table(Recipe, plain, (), {**fixed, "variables": variables})
        for name in RESERVED:
            if name in variables:
                self.fault(("variables", name), f"the name '{name}' is given to every template", "choose another")
        if recipe is None:
            return None
        recipe = dataclasses.replace(
            recipe,
            kickstart=self.kickstart(recipe),
            files=tuple(self.file(n, file) for n, file in enumerate(recipe.files)),
            repositories=tuple(
                self.repository(n, source, recipe.family) for n, source in enumerate(recipe.repositories)
            ),
        )
        self.twice("files", "to", recipe.files)
        self.twice("repositories", "name", recipe.repositories)
        for name in ("archive", "security"):
            self.url(("sources", name), getattr(recipe.sources, name))
        return None if self.findings else recipe

    def table(self, kind: type, given: Mapping[str, Any], place: KeyPath, fixed: Mapping[str, Any]) -> Any:
        """A dataclass from a table; None where a required key is missing or refused."""
        hints = get_type_hints(kind)
        readable = {
            each.name: each for each in dataclasses.fields(kind) if each.metadata or _holds_tables(hints[each.name])
        }
        for name in given:
            if name not in readable:
                near = difflib.get_close_matches(name, readable, n=1)
                meant = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(readable)}"
                self.fault((*place, name), f"unknown key '{name}'", meant)
        values = dict(fixed)
        for name, each in readable.items():
            if name in given:
                value = self.value(given[name], hints[name], each.metadata, (*place, name))
                if value is not None:
                    values[name] = value
            elif each.default is dataclasses.MISSING:
                self.fault(place, f"'{name}' is missing", each.metadata["sentence"])
        needed = [n for n, each in readable.items() if each.default is dataclasses.MISSING]
        return kind(**values) if all(n in values for n in needed) else None

    def value(self, given: Any, kind: Any, rules: Mapping[str, Any], place: KeyPath) -> Any:
        """One value, checked; None (and a fault) where it is refused."""
        if dataclasses.is_dataclass(kind):
            return self.table(kind, given, place, {}) if self.typed(given, dict, "a table", place) else None
        if get_origin(kind) is tuple:
            return self.values(given, get_args(kind)[0], place)
        wanted = {str: "text in quotes", int: "a whole number", bool: "true or false"}[kind]
        if not self.typed(given, kind, wanted, place):
            return None
        refused = _refusal(given, rules)
        if refused:
            self.fault(place, f"{place[-1]} = {given!r} is refused: {refused}", rules["sentence"])
            return None
        return given

    def values(self, given: Any, kind: Any, place: KeyPath) -> Any:
        if not self.typed(given, list, "a list", place):
            return None
        if dataclasses.is_dataclass(kind):
            tables = [self.value(each, kind, {}, (*place, n)) for n, each in enumerate(given)]
        else:
            tables = [each for each in given if self.typed(each, kind, "a list of texts in quotes", place)]
        return tuple(each for each in tables if each is not None)

    def typed(self, given: Any, kind: type, wanted: str, place: KeyPath) -> bool:
        fits = type(given) is kind
        if not fits:
            self.fault(place, f"{place[-1]} = {given!r} is not {wanted}", f"give {wanted}")
        return fits

    def kickstart(self, recipe: Recipe) -> str:
        """The name of the kickstart's file beside the recipe."""
        wanted = [recipe.kickstart] if recipe.kickstart else [f"{recipe.name}.ks.j2", f"{recipe.name}.ks"]
        for name in wanted:
            if ".." not in PurePosixPath(name).parts and (self.path.parent / name).is_file():
                return name
        self.fault(("kickstart",), f"no kickstart {' or '.join(wanted)} beside the recipe")
        return wanted[0]

    def file(self, number: int, file: VendorFile) -> VendorFile:
        """With its digest and its path on this host."""
        place = ("files", number)
        path, raw = self.beside((*place, "source"), file.source)
        to = PurePosixPath(file.to)
        if ".." in to.parts or file.to.endswith("/"):
            self.fault(
                (*place, "to"), f"to = {file.to!r} is not the path of a file", "give an absolute path without '..'"
            )
        if any(to.is_relative_to(folder) for folder in VOLATILE):
            self.fault(
                (*place, "to"), f"to = {file.to!r} would be hidden in the running system", "choose another folder"
            )
        return dataclasses.replace(file, source=str(path), sha256=hashlib.sha256(raw).hexdigest())

    def repository(self, number: int, source: Repository, family: str) -> Repository:
        """With its key's digest and path on this host."""
        place = ("repositories", number)
        self.url((*place, "url"), source.url)
        if family == "debian" and not source.suite:
            self.fault(place, "'suite' is missing", "give the word that stands in its sources line")
        if bool(source.user_from) != bool(source.password_from):
            self.fault(place, "user_from and password_from go together", "name both variables, or neither")
        if source.password_from and not source.url.startswith("https://"):
            self.fault((*place, "url"), "credentials would travel unencrypted", "give an https URL")
        if not source.key:
            self.fault(
                place, "'key' is missing: packages are taken only under a signature", "give its public key's file"
            )
            return source
        path, raw = self.beside((*place, "key"), source.key)
        if raw and not _is_public_key(raw):
            self.fault(
                (*place, "key"), f"key = {source.key!r} is not an OpenPGP public key", "export it with gpg --export"
            )
        components = source.components or (("main",) if family == "debian" else ())
        key_sha256 = hashlib.sha256(raw).hexdigest()
        where = _where(self.path, self.lines, place)
        return dataclasses.replace(source, key=str(path), key_sha256=key_sha256, components=components, where=where)

    def beside(self, place: KeyPath, name: str) -> tuple[Path, bytes]:
        """A file in the recipe's folder or below, and what it holds (nothing where it cannot be had)."""
        folder = self.path.parent.resolve()
        path = folder / name
        if not path.resolve().is_relative_to(folder) or ".." in PurePosixPath(name).parts:
            self.fault(place, f"{place[-1]} = {name!r} lies outside the recipe's folder", "move it beside the recipe")
        elif not path.is_file():
            self.fault(place, f"{place[-1]} = {name!r}: there is no such file", f"looked for {shown(path)}")
        else:
            return path, path.read_bytes()
        return path, b""

    def url(self, place: KeyPath, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "file") or not (parts.netloc or parts.scheme == "file"):
            self.fault(place, f"{place[-1]} = {url!r} is not a URL", "give http://…, https://… or file:///…")
        if parts.username or parts.password:
            self.fault(place, f"{place[-1]} holds credentials", "name variables with user_from and password_from")

    def twice(self, table: str, name: str, entries: Sequence[Any]) -> None:
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            value = getattr(entry, name)
            if value in seen:
                self.fault((table, number, name), f"{name} = {value!r} is given twice", "give each one once")
            seen.add(value)


def lines_of_keys(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of every key and table header of a TOML text that is known to be valid."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        if closing:
            closing = "" if closing in line else closing
            continue
        header = re.match(r"\s*(\[\[?)\s*([\w.\"'-]+)\s*\]", line)
        if header:
            table = tuple(part.strip("\"'") for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif assigned := re.match(r"\s*([\w.\"'-]+)\s*=\s*(.*)", line):
            lines.setdefault((*table, *(part.strip("\"'") for part in assigned[1].split("."))), number)
            opened = next((quotes for quotes in ('"""', "'''") if assigned[2].startswith(quotes)), "")
            closing = opened if opened and opened not in assigned[2][3:] else ""
    return lines


def _where(path: Path, lines: Mapping[KeyPath, int], place: KeyPath) -> Where:
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return Where(shown(path), lines[place[:length]])
    return Where(shown(path), 0)


def _holds_tables(kind: Any) -> bool:
    return (dataclasses.is_dataclass(kind) and kind is not Where) or any(map(dataclasses.is_dataclass, get_args(kind)))


def _refusal(value: Any, rules: Mapping[str, Any]) -> str:
    """Why a value is refused; empty where it is not."""
    if "one_of" in rules and value not in rules["one_of"]:
        return f"not one of {', '.join(rules['one_of'])}"
    if "like" in rules and not re.fullmatch(rules["like"], value):
        return f"not of the form {rules['like']}"
    if "least" in rules and not rules["least"] <= value <= rules["most"]:
        return f"not from {rules['least']} to {rules['most']}"
    return ""


def _is_public_key(raw: bytes) -> bool:
    """Armoured, or a binary packet of tag 6 in either format. Source: RFC 4880, 4.2 and 6.2."""
    armoured = raw.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    return armoured or raw[:1] in (b"\x98", b"\x99", b"\x9a", b"\xc6")
