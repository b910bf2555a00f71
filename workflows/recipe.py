"""Recipe: what a person wrote in kickstarts/NAME.toml, checked; every fault at once, with its line.

A recipe names a kickstart (a Jinja template `NAME.ks.j2`, or a plain `NAME.ks`) and says what a kickstart cannot: the
distribution, the disk's size, a vendor's own files, private package sources. Folders are searched in their order, so that
a vendor's folder can shadow what the project ships. No secret stands in a recipe: it names environment variables.
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
from typing import Any, Final

from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.finding import NOWHERE, Finding, Where, refuse, shown
from flight.workflows.kit.tables import KeyPath, TableReader, entry, lines_of_keys, where_of
from flight.workflows.kit.text import CREDENTIALS, has_controls, quoted, split_url, texts_in

VOLATILE: Final = ("/proc", "/sys", "/dev", "/run", "/tmp")
"""Folders of a running system that hide what an image holds there."""
RESERVED: Final = ("recipe", "version", "family", "release", "mirror", "security_mirror", "disk_gib")
"""Names that every template is given; a variable cannot take them."""
WORD: Final = r"[\w.+~/-]+"
"""A suite or component in a sources line. Source: sources.list(5)."""


@dataclass(frozen=True)
class Disk:
    """The OS disk. Azure takes 1 to 1023 GiB; 30 GiB is what its reviewers expect at least."""

    size_gib: int = entry("The virtual size of the disk, in GiB.", 32, least=1, most=1023)


@dataclass(frozen=True)
class Azure:
    """What Azure is told about the image."""

    generation: str = entry(
        "The generation of virtual machines the image is registered for.", "V2", one_of=("V1", "V2")
    )


@dataclass(frozen=True)
class Sources:
    """The image's own package sources; the defaults are Azure's mirrors of Debian, in every region."""

    archive: str = entry("The archive's URL.", "http://debian-archive.trafficmanager.net/debian")
    security: str = entry("The security archive's URL.", "http://debian-archive.trafficmanager.net/debian-security")
    components: tuple[str, ...] = entry("The components to take packages from.", ("main",), each=WORD)


@dataclass(frozen=True)
class VendorFile:
    """A vendor's own file (`[[files]]`): `source` on the build host, `to` in the image, `mode` as octal text."""

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
    suite: str = entry("The suite (Debian's word for a release within it).", "", like=rf"({WORD})?")
    components: tuple[str, ...] = entry("The suite's components.", (), each=WORD)
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
    description: str = entry("A paragraph for people.", "", lines=True)
    family: str = entry("The family of distributions.", "debian", one_of=("debian", "el"))
    kickstart: str = entry("The kickstart's file; empty: NAME.ks.j2 or NAME.ks.", "", like=r"[\w./-]*")
    syntax: str = entry("The kickstart version that pykickstart checks against.", "RHEL9", like=r"RHEL\d+|F\d+")
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
        return where_of(self.path, self.lines, place)


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
    given = f"give one of {', '.join(known)}" if known else "write one: these folders hold none"
    raise RecipeError(
        f"there is no recipe '{name}'",
        why=f"looked for {name}.toml in {', '.join(shown(folder) for folder in folders)}",
        fix=f"did you mean {' or '.join(near)}?" if near else given,
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
    try:
        text = path.read_text(encoding="utf-8-sig")
        given = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return None, [Finding(Where(shown(path), 0), "not text in UTF-8", str(error))]
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        return None, [Finding(Where(shown(path), line), f"not TOML: {error}")]
    except (ValueError, RecursionError):
        return None, [Finding(Where(shown(path), 0), "not TOML: a number too long, or brackets nested too deep")]
    reading = _Reading(path, lines_of_keys(text))
    recipe = reading.recipe(given)
    return recipe, reading.findings


class _Reading(TableReader):
    """One file on its way to a Recipe."""

    def recipe(self, given: Mapping[str, Any]) -> Recipe | None:
        fixed = {"name": self.path.stem, "path": self.path, "lines": self.lines}
        variables = given.get("variables", {})
        if not isinstance(variables, dict):
            self.fault(("variables",), "variables is not a table", "write [variables]")
            variables = {}
        plain = {name: value for name, value in given.items() if name != "variables"}
        recipe = self.table(Recipe, plain, (), {**fixed, "variables": variables})
        for name, value in variables.items():
            if any(has_controls(text, besides="\n\t") for text in texts_in(value)):
                self.fault(("variables", name), f"a control character stands in '{quoted(name)}'", "take it out")
            if name in RESERVED:
                self.fault(("variables", name), f"the name '{name}' is given to every template", "choose another")
            if not name.isidentifier():
                self.fault(("variables", name), f"a template cannot name '{quoted(name)}'", "use letters, digits and _")
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

    def kickstart(self, recipe: Recipe) -> str:
        """The name of the kickstart's file beside the recipe."""
        wanted = [recipe.kickstart] if recipe.kickstart else [f"{recipe.name}.ks.j2", f"{recipe.name}.ks"]
        for name in wanted:
            inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
            if inside and (self.path.parent / name).is_file():
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
        where = where_of(self.path, self.lines, place)
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
        if CREDENTIALS.search(url):
            self.fault(place, f"{place[-1]} holds credentials", "name variables with user_from and password_from")
        elif not split_url(url):
            self.fault(
                place, f"{place[-1]} = {quoted(repr(url))} is not a URL", "give http://…, https://… or file:///…"
            )

    def twice(self, table: str, name: str, entries: Sequence[Any]) -> None:
        seen: set[str] = set()
        for number, each in enumerate(entries):
            value = getattr(each, name)
            if value in seen:
                self.fault((table, number, name), f"{name} = {value!r} is given twice", "give each one once")
            seen.add(value)


def _is_public_key(raw: bytes) -> bool:
    """Armoured, or a binary packet of tag 6 in either format. Source: RFC 4880, 4.2 and 6.2."""
    armoured = raw.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    return armoured or raw[:1] in (b"\x98", b"\x99", b"\x9a", b"\xc6")
