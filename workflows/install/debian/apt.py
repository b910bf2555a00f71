"""Debian packages, found and fetched: signed indexes, what would be installed, every .deb checked by its SHA-256.

Runs on the host with a configuration of its own: no script of a package runs here, nothing of the host's apt is read
but how it reaches the network. Logins live in `private`, a folder in memory that ends with the namespace.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.parse
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.workflows.install.debian.sources import Source, place_key, render_logins, render_sources
from flight.workflows.kit.arriving import MARK, arriving, remove
from flight.workflows.kit.errors import FlightError, ProgramError, RecipeError, RemoteError, SpaceError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import run

REACHING = re.compile(
    r"^Acquire::(https?::(Proxy|Verify|CaInfo|CaPath|No-Cache)|Check-(Valid-Until|Date)|Retries)", re.I
)
"""What the host's administrator decided about reaching mirrors; nothing else of the host's configuration applies."""


@dataclass(frozen=True)
class Deb:
    """A package file: its name in apt's cache, and what the signed index says of it."""

    file: str
    package: str
    version: str
    sha256: str
    stanza: str

    @property
    def installed(self) -> str:
        """What dpkg's status file would hold, had it been installed."""
        return f"{self.stanza.rstrip()}\nStatus: install ok installed\n"


def render_configuration(private: Path, *, settings: Iterable[str]) -> str:
    """apt.conf for a root that does not exist yet. `settings` are whole lines that come last."""
    none = ("preferences", "preferencesparts", "sourceparts", "parts", "main", "trusted", "trustedparts", "netrcparts")
    lines = [
        f'Dir "{private}/";',
        f'Dir::State "{private}/state/";',
        f'Dir::State::status "{private}/status";',
        f'Dir::State::Lists "{private}/lists/";',
        f'Dir::Cache "{private}/cache/";',
        f'Dir::Cache::Archives "{private}/archives/";',
        f'Dir::Etc::sourcelist "{private}/sources.list";',
        f'Dir::Etc::netrc "{private}/auth.conf";',
        *(f'Dir::Etc::{name} "/dev/null";' for name in none),
        'APT::Architecture "amd64";',
        'APT::Architectures { "amd64"; };',
        'Acquire::Languages "none";',
        'Acquire::Retries "3";',
        'Acquire::http::Timeout "30";',
        'Acquire::https::Timeout "30";',
        *settings,
    ]
    return "\n".join(lines) + "\n"


def reaching() -> list[str]:
    """How the host's apt reaches mirrors (proxies, certificates, clocks), as lines of apt.conf."""
    dump = run(["apt-config", "dump"], why="read how this host's apt reaches its mirrors").out
    return [line for line in dump.splitlines() if REACHING.match(line)]


class Apt:
    """apt-get on a root that does not exist yet. `private` is in memory; `lists` and `archives` are this run's own."""

    def __init__(self, private: Path, sources: Sequence[Source], *, scratch: Path, settings: Sequence[str]) -> None:
        self.private, self.sources = private, sources
        self.lists, self.archives = scratch / "lists", scratch / "archives"
        for folder in (private / "state", private / "cache", self.lists / "partial", self.archives / "partial"):
            folder.mkdir(parents=True)
        for folder in (self.lists, self.archives):
            (private / folder.name).symlink_to(folder)  # apt.conf has no way to write a path that holds a quote
        keys = [place_key(source, private / f"key-{place}") for place, source in enumerate(sources)]
        (private / "sources.list").write_text(render_sources(sources, keys))
        logins = os.open(private / "auth.conf", os.O_WRONLY | os.O_CREAT, 0o600)
        with open(logins, "w") as file:
            file.write(render_logins(sources))
        (private / "status").touch()
        text = render_configuration(private, settings=settings)
        (private / "apt.conf").write_text(text)

    def update(self, kept: Path, *, log_to: Path) -> None:
        """Read the signed indexes. `kept` holds an earlier run's: what did not change is not sent again."""
        if kept.is_dir():
            shutil.copytree(kept, self.lists, dirs_exist_ok=True)
        self._get("update", "--error-on=any", why="read the package indexes", log_to=log_to)
        with arriving(kept) as fresh:
            shutil.copytree(self.lists, fresh, ignore=shutil.ignore_patterns("partial", "lock", "auxfiles"))

    def indexes(self) -> list[dict[str, str]]:
        """What was read: suite, date and SHA-256 of every signed Release file."""
        files = sorted([*self.lists.glob("*_InRelease"), *self.lists.glob("*_Release")])
        return [_release(path) for path in files]

    def would_install(self, *asked: str, after: Iterable[Deb] = (), log_to: Path) -> list[Deb]:
        """The packages that `apt-get ASKED` would bring to a root that holds `after`."""
        (self.private / "status").write_text("\n".join(deb.installed for deb in after))
        why = "work out which packages are needed"
        uris = self._get("--print-uris", "-qq", *asked, why=why, log_to=log_to)
        files = [line.split("' ")[1].split()[0] for line in uris.splitlines() if line.startswith("'")]
        return self._described(files, log_to=log_to)

    def fetch(
        self, rounds: Sequence[tuple[Sequence[str], Sequence[Deb]]], cache: Path, *, log_to: Path, told: Told
    ) -> int:
        """Bring every package file of `rounds` (what to ask apt, which files that brings) into `archives`.

        What the cache holds is linked if its SHA-256 is right and thrown away if not; what apt downloads, and checks,
        moves into the cache. Returns the bytes downloaded.
        """
        cache.mkdir(parents=True, exist_ok=True)
        debs = [deb for _, brought in rounds for deb in brought]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            sound = list(pool.map(lambda deb: _is_sound(cache / deb.file, deb.sha256), debs))
        missing = sum(not each for each in sound)
        told(Progress(0, 0, f"fetching {missing} of {len(debs)} packages"))
        for deb, is_sound in zip(debs, sound, strict=True):
            if is_sound:
                (self.archives / deb.file).symlink_to(cache / deb.file)
        after: list[Deb] = []
        for asked, brought in rounds:
            (self.private / "status").write_text("\n".join(deb.installed for deb in after))
            if missing:
                self._get("--download-only", *asked, why="download the packages", log_to=log_to)
            after += brought
        return sum(_keep(self.archives / deb.file, cache / deb.file) for deb in debs)

    def _described(self, files: Sequence[str], *, log_to: Path) -> list[Deb]:
        """The stanzas that the signed index holds for package files, in their order."""
        names = [urllib.parse.unquote(file.removesuffix(".deb")).split("_") for file in files]
        asked = [f"{name}:{architecture}={version}" for name, version, architecture in names]
        if not asked:
            return []
        asked = [word.replace(":all=", "=") for word in asked]
        show = ["apt-cache", "show", "--no-all-versions", *asked]
        text = run(show, why="read what the package index says", log_to=None, env=self._environment).out
        stanzas = {(f["Package"], f["Version"]): (f, raw) for f, raw in map(_fields, text.strip().split("\n\n"))}
        debs = []
        for file, (name, version, _) in zip(files, names, strict=True):
            fields, raw = stanzas[name, version]
            debs.append(Deb(file, name, version, fields["SHA256"], raw))
        return debs

    @property
    def _environment(self) -> dict[str, str]:
        return {"APT_CONFIG": str(self.private / "apt.conf"), "TMPDIR": str(self.private)}

    def _get(self, *words: str, why: str, log_to: Path) -> str:
        try:
            argv = ["apt-get", "--yes", "-o", "Dpkg::Use-Pty=0", *words]
            return run(argv, why=why, log_to=log_to, env=self._environment).out
        except ProgramError as error:
            raise explained(error, self.sources) from None


def explained(error: ProgramError, sources: Sequence[Source] = ()) -> FlightError:
    """apt's own words, sorted into what a person can do about them."""
    said = error.why
    where = ", ".join(f"{source.url} {source.suite}" for source in sources)
    if re.search(r"\b40[13] +\w", said):
        return RemoteError(
            "a package source refused the login", why=said, fix="check the variables that hold its login"
        )
    if re.search(
        r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|not signed|signatures? (were|could|couldn)|NODATA|Clearsigned", said
    ):
        return RemoteError(
            "the package index is not signed by a key we trust",
            why=said,
            fix=f"check the sources ({where}) and their keys; debian-archive-keyring holds the distribution's",
        )
    if re.search(r"enough free space|No space left|Disk quota", said):
        return SpaceError("the disk is full where packages are downloaded to", why=said, fix="free some space")
    if re.search(r"Unable to locate|no installation candidate|Version '.*' for '.*' was not found", said):
        names = re.findall(r"(?:locate package |Package '?|candidate for |for ')([a-z0-9][a-z0-9+.:-]+)", said)
        return RecipeError(
            f"no package source has {', '.join(dict.fromkeys(names)) or 'one of the packages'}",
            why=said,
            fix=f"correct the names in %packages, or add the repository that has them; searched {where}",
        )
    if re.search(r"unmet dependencies|held broken|Unable to correct", said):
        return RecipeError(
            "the packages cannot be installed together",
            why=said,
            fix="look which of them exclude each other, and which of the excluded ones are needed",
        )
    if re.search(r"Hash Sum mismatch|unexpected size|Mirror sync", said):
        return RemoteError(
            "the mirror sent something else than its signed index says", why=said, fix="try again, or another mirror"
        )
    if re.search(r"does not have a Release file", said) and re.search(r"\b404\b", said):
        return RecipeError(
            "a mirror does not have the release that was asked for",
            why=said,
            fix=f"correct `release` in the recipe, or the name of a repo line; searched {where}",
        )
    if re.search(r"resolve|connect|Connection|timed out|Failed to fetch|404", said):
        return RemoteError(
            "a package source cannot be reached", why=said, fix=f"check the network, the proxy and {where}"
        )
    return error


def _release(path: Path) -> dict[str, str]:
    fields = dict(re.findall(r"^(Suite|Codename|Date|Origin): (.*)$", path.read_text(errors="replace"), re.M))
    return {
        "file": path.name,
        "suite": fields.get("Codename") or fields.get("Suite", ""),
        "date": fields.get("Date", ""),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _fields(stanza: str) -> tuple[dict[str, Any], str]:
    return dict(re.findall(r"^(Package|Version|SHA256): (.*)$", stanza, re.M)), stanza


def _is_sound(path: Path, sha256: str) -> bool:
    """Whether a cached file is what the index says; one that is not is thrown away."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
            return True
    remove(path)
    return False


def _keep(fetched: Path, cached: Path) -> int:
    """Move what was downloaded into the cache, leaving a link; the bytes it has."""
    if fetched.is_symlink():
        return 0
    size = fetched.stat().st_size
    fetched.chmod(0o644)
    arrived = cached.with_name(f"{MARK}{os.getpid()}-{cached.name}")  # another run may bring the same file just now
    shutil.move(fetched, arrived)
    os.replace(arrived, cached)
    fetched.symlink_to(cached)
    return size
