"""A recipe's file on its way to a Recipe: found, read, checked; every fault at once, with its line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.finding import Finding, Where, refuse, shown
from flight.workflows.kit.tables import KeyPath, TableReader, lines_of_keys, where_of
from flight.workflows.kit.text import CREDENTIALS, has_controls, line_of, quoted, split_url, texts_in
from flight.workflows.recipe.values import (
    AS_CLAIMED,
    EL_RELEASES,
    FAMILIES,
    MOST_IN_VERSION,
    RESERVED,
    VOLATILE,
    Recipe,
    Repository,
    Sources,
    VendorFile,
)

AZURES_DEBIAN: Final = "http://debian-archive.trafficmanager.net"


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
        return None, [Finding(Where(shown(path), line_of(error)), "not text in UTF-8", "save it as UTF-8")]
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
            self.fault(("variables",), "variables is not a table", "write [variables], and each on a line below")
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
        recipe = dataclasses.replace(recipe, sources=self.sources(recipe))
        self.of_the_family(given, recipe)
        self.gallery(recipe)
        return None if self.findings else recipe

    def of_the_family(self, given: Mapping[str, Any], recipe: Recipe) -> None:
        """The release, and no keys of the other family. A family or a table that is none is told already."""
        if given.get("family", recipe.family) != recipe.family:
            return
        if recipe.family == "el" and not re.fullmatch(rf"({'|'.join(EL_RELEASES)})(\.\d+)?", recipe.release):
            fix = f"give one of {', '.join(EL_RELEASES)}, or one of their minors, like 9.4"
            self.fault(("release",), f"release = '{quoted(recipe.release)}' is not built for Enterprise Linux", fix)
        tables: list[tuple[type, Any, KeyPath]] = [(Sources, given.get("sources"), ("sources",))]
        repositories = given.get("repositories")
        for number, table in enumerate(repositories if isinstance(repositories, list) else ()):
            tables.append((Repository, table, ("repositories", number)))
        for kind, table, place in tables:
            for each in dataclasses.fields(kind):
                only = each.metadata.get("only", recipe.family)
                if only != recipe.family and isinstance(table, dict) and each.name in table:
                    self.fault((*place, each.name), f"{each.name} is for {FAMILIES[only]} only", "leave it out")

    def gallery(self, recipe: Recipe) -> None:
        """What no pattern says: numbers and dates that exist, regions given once, a security that the image can have."""
        gallery = recipe.gallery
        if any(int(number) > MOST_IN_VERSION for number in gallery.version.split(".") if number):
            fix = f"give three whole numbers up to {MOST_IN_VERSION}"
            self.fault(("gallery", "version"), f"version = '{gallery.version}' has a number too large", fix)
        if gallery.end_of_life and not _is_day(gallery.end_of_life):
            self.fault(
                ("gallery", "end_of_life"), f"end_of_life = '{gallery.end_of_life}': there is no such day", "give one"
            )
        short = [region.replace(" ", "").lower() for region in gallery.regions]
        for region in sorted({region for region in short if short.count(region) > 1}):
            self.fault(("gallery", "regions"), f"the region '{region}' is given twice", "give each one once")
        self.security(recipe)

    def security(self, recipe: Recipe) -> None:
        """A SecurityType needs generation 2, and Trusted Launch a certificate that says so."""
        place, wanted = ("gallery", "security_type"), recipe.gallery.security_type
        if wanted in (AS_CLAIMED, "none"):
            return
        if recipe.azure.generation != "V2":
            fix = "set [azure] generation = 'V2', or give none"
            self.fault(place, f"security_type = '{wanted}' is for generation V2 only", fix)
        if wanted.startswith("TrustedLaunch") and "trusted-launch" not in recipe.certify.claims:
            fix = "add trusted-launch to [certify] claims, so that it is looked at"
            self.fault(place, f"security_type = '{wanted}' says what is not claimed", fix)

    def kickstart(self, recipe: Recipe) -> str:
        """The name of the kickstart's file beside the recipe."""
        wanted = [recipe.kickstart] if recipe.kickstart else [f"{recipe.name}.ks.j2", f"{recipe.name}.ks"]
        for name in wanted:
            inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
            if inside and (self.path.parent / name).is_file():
                return name
        self.fault(("kickstart",), f"no kickstart {' or '.join(wanted)} beside the recipe", "write it, or name another")
        return wanted[0]

    def sources(self, recipe: Recipe) -> Sources:
        """With the family's defaults, and the key's digest and path on this host."""
        given = recipe.sources
        if recipe.family == "debian":
            archive = given.archive or f"{AZURES_DEBIAN}/debian"
            given = dataclasses.replace(
                given, archive=archive, security=given.security or f"{AZURES_DEBIAN}/debian-security"
            )
            if given.key:
                self.fault(("sources", "key"), "Debian's key comes in a package of this host", "leave it out")
        else:
            if not given.archive:
                self.fault(("sources",), "'archive' is missing", "name the mirror that packages are taken from")
            key, key_sha256 = self.key(("sources",), given.key)
            given = dataclasses.replace(given, key=key, key_sha256=key_sha256)
        for name in ("archive", "security"):
            if getattr(given, name):
                self.url(("sources", name), getattr(given, name))
        return given

    def file(self, number: int, file: VendorFile) -> VendorFile:
        """With its digest and its path on this host."""
        place = ("files", number)
        path, raw = self.beside((*place, "source"), file.source)
        to = PurePosixPath(file.to)
        if ".." in to.parts or file.to.endswith("/"):
            self.fault(
                (*place, "to"),
                f"to = '{quoted(file.to)}' is not the path of a file",
                "give an absolute path without '..'",
            )
        if any(to.is_relative_to(folder) for folder in VOLATILE):
            self.fault(
                (*place, "to"),
                f"to = '{quoted(file.to)}' would be hidden in the running system",
                "choose another folder",
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
        components = source.components or (("main",) if family == "debian" else ())
        where = where_of(self.path, self.lines, place)
        key, key_sha256 = self.key(place, source.key)
        return dataclasses.replace(source, key=key, key_sha256=key_sha256, components=components, where=where)

    def key(self, place: KeyPath, name: str) -> tuple[str, str]:
        """A signing key's path on this host and its digest."""
        if not name:
            self.fault(
                place, "'key' is missing: packages are taken only under a signature", "give its public key's file"
            )
            return "", ""
        path, raw = self.beside((*place, "key"), name)
        if raw and not _is_public_key(raw):
            self.fault((*place, "key"), f"key = {name!r} is not an OpenPGP public key", "export it with gpg --export")
        return str(path), hashlib.sha256(raw).hexdigest()

    def beside(self, place: KeyPath, name: str) -> tuple[Path, bytes]:
        """A file in the recipe's folder or below, and what it holds (nothing where it cannot be had)."""
        folder = self.path.parent.resolve()
        path = folder / name
        if not path.resolve().is_relative_to(folder) or ".." in PurePosixPath(name).parts:
            self.fault(
                place, f"{place[-1]} = '{quoted(name)}' lies outside the recipe's folder", "move it beside the recipe"
            )
        elif not path.is_file():
            self.fault(place, f"{place[-1]} = '{quoted(name)}': there is no such file", f"put it at {shown(path)}")
        else:
            return path, path.read_bytes()
        return path, b""

    def url(self, place: KeyPath, url: str) -> None:
        if CREDENTIALS.search(url):
            self.fault(place, f"{place[-1]} holds credentials", "name variables with user_from and password_from")
        elif not split_url(url):
            self.fault(place, f"{place[-1]} = '{quoted(url)}' is not a URL", "give http://…, https://… or file:///…")

    def twice(self, table: str, name: str, entries: Sequence[Any]) -> None:
        seen: set[str] = set()
        for number, each in enumerate(entries):
            value = getattr(each, name)
            if value in seen:
                self.fault((table, number, name), f"{name} = '{quoted(value)}' is given twice", "give each one once")
            seen.add(value)


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_public_key(raw: bytes) -> bool:
    """Armoured, or a binary packet of tag 6 in either format. Source: RFC 4880, 4.2 and 6.2."""
    armoured = raw.lstrip().startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    return armoured or raw[:1] in (b"\x98", b"\x99", b"\x9a", b"\xc6")
