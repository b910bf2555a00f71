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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.arriving import MARK, arriving, remove
from flight.workflows.kit.errors import ConfigError, FlightError, ProgramError, RecipeError, RemoteError, SpaceError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""The distribution's own keys, from the package debian-archive-keyring."""
REACHING = re.compile(
    r"^Acquire::(https?::(Proxy|Verify|CaInfo|CaPath|No-Cache)|Check-(Valid-Until|Date)|Retries)", re.I
)
"""What the host's administrator decided about reaching mirrors; nothing else of the host's configuration applies."""
NAME = re.compile(r"[a-z0-9][a-z0-9+.]*(-[a-z0-9+.]+)*(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+)?")
"""A package as apt-get takes it: an option, a pattern or a trailing minus (which removes) does not match.

Source: Debian Policy 5.6.7 (Package) and 5.6.12 (Version).
"""
ARCHITECTURES = {"x86_64": "amd64"}


@dataclass(frozen=True)
class Source:
    """One line of sources.list. `login`: user and password, never part of the URL."""

    url: str
    suite: str
    components: tuple[str, ...] = ("main",)
    key: Path = KEYRING
    key_sha256: str = ""
    login: tuple[str, str] = ("", "")
    named: str = "the distribution's mirror"


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


def sources_of(plan: InstallPlan, environment: Mapping[str, str]) -> tuple[Source, ...]:
    """The sources to build from: the mirror, then the plan's repositories. Raises ConfigError where a login is missing."""
    private = (
        Source(
            url=each.url,
            suite=each.suite or plan.release,
            components=each.components or ("main",),
            key=Path(each.key) if each.key else KEYRING,
            key_sha256=each.key_sha256,
            login=(
                _variable(each.user_from, each.name, environment),
                _variable(each.password_from, each.name, environment),
            ),
            named=f"the repository '{each.name}'",
        )
        for each in plan.repositories
    )
    return (Source(plan.mirror, plan.release), *private)


def _variable(name: str, repository: str, environment: Mapping[str, str]) -> str:
    if name and not environment.get(name):
        raise ConfigError(
            f"the repository '{repository}' needs a login, and the environment variable {name} is not set",
            why="a recipe names where its credentials come from and never holds them",
            fix=f"set {name} and run it again",
        )
    return environment.get(name, "") if name else ""


def render_sources(sources: Iterable[Source], keys: Sequence[Path] = ()) -> str:
    """sources.list, each line bound to its key where `keys` are given."""
    bound = [f"[signed-by={key}] " for key in keys] or [""] * len(tuple(sources))
    lines = (f"deb {by}{s.url} {s.suite} {' '.join(s.components)}\n" for s, by in zip(sources, bound, strict=True))
    return "".join(lines)


def render_logins(sources: Iterable[Source]) -> str:
    """auth.conf(5): each login bound to its host and folder. The scheme stands there since apt else insists on https."""
    lines = []
    for source in sources:
        user, password = source.login
        if user or password:
            parts = urllib.parse.urlsplit(source.url)
            lines.append(f"machine {parts.scheme}://{parts.netloc}{parts.path} login {user} password {password}\n")
    return "".join(lines)


def render_configuration(private: Path, *, lists: Path, archives: Path, settings: Iterable[str]) -> str:
    """apt.conf for a root that does not exist yet. `settings` are whole lines that come last."""
    none = ("preferences", "preferencesparts", "sourceparts", "parts", "main", "trusted", "trustedparts", "netrcparts")
    lines = [
        f'Dir "{private}/";',
        f'Dir::State "{private}/state/";',
        f'Dir::State::status "{private}/status";',
        f'Dir::State::Lists "{lists}/";',
        f'Dir::Cache "{private}/cache/";',
        f'Dir::Cache::Archives "{archives}/";',
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


def problems(plan: InstallPlan) -> Iterator[str]:
    """What apt cannot take, each with file and line."""
    wanted = plan.packages
    for name in (*wanted.names, *wanted.excluded):
        if not NAME.fullmatch(name):
            yield f"{wanted.where}: '{name}' is no name of a Debian package"
    if plan.architecture not in ARCHITECTURES:
        yield f"{wanted.where}: the architecture {plan.architecture} is not built here; give x86_64"
    for each in plan.repositories:
        if any(char.isspace() for char in each.url + each.suite) or urllib.parse.urlsplit(each.url).username:
            yield f"{each.where}: the URL of repository '{each.name}' holds a space or a login"


class Apt:
    """apt-get on a root that does not exist yet. `private` is in memory; `lists` and `archives` are this run's own."""

    def __init__(self, private: Path, sources: Sequence[Source], *, scratch: Path, settings: Sequence[str]) -> None:
        self.private, self.sources = private, sources
        self.lists, self.archives = scratch / "lists", scratch / "archives"
        for folder in (private / "state", private / "cache", self.lists / "partial", self.archives / "partial"):
            folder.mkdir(parents=True)
        keys = [_key(source, private / f"key-{place}") for place, source in enumerate(sources)]
        (private / "sources.list").write_text(render_sources(sources, keys))
        logins = os.open(private / "auth.conf", os.O_WRONLY | os.O_CREAT, 0o600)
        with open(logins, "w") as file:
            file.write(render_logins(sources))
        (private / "status").touch()
        text = render_configuration(private, lists=self.lists, archives=self.archives, settings=settings)
        (private / "apt.conf").write_text(text)

    def update(self, kept: Path, *, log_to: Path) -> None:
        """Read the signed indexes. `kept` holds those of an earlier run, so that what did not change is not sent again."""
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

        What the cache holds is linked if its SHA-256 is right and thrown away if not; what apt downloads, and checks, moves
        into the cache. Returns the bytes downloaded.
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
        names = re.findall(r"(?:locate package|Package '?|candidate for |for ')([a-z0-9][a-z0-9+.:-]+)", said)
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
    if re.search(r"401|403", said):
        return RemoteError(
            "a package source refused the login", why=said, fix="check the variables that hold its login"
        )
    if re.search(r"resolve|connect|Connection|timed out|Failed to fetch|404", said):
        return RemoteError(
            "a package source cannot be reached", why=said, fix=f"check the network, the proxy and {where}"
        )
    return error


def _key(source: Source, to: Path) -> Path:
    """The source's key at a path without spaces, with the ending that apt tells its format by; checked by its digest."""
    if not source.key.is_file():
        raise ConfigError(
            f"the signing key of {source.named} is not here: {source.key}",
            why="packages are only taken from indexes that are signed by a known key",
            fix="install debian-archive-keyring"
            if source.key == KEYRING
            else "put the key there, or correct the recipe",
        )
    raw = source.key.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if source.key_sha256 and found != source.key_sha256.lower():
        raise ConfigError(
            f"the signing key of {source.named} is another one: {source.key}",
            why=f"its SHA-256 is {found}, the recipe says {source.key_sha256}",
            fix="fetch the key anew from a source you trust, or correct the recipe",
        )
    named = to.with_suffix(".asc" if raw.startswith(b"-----BEGIN") else ".gpg")
    named.write_bytes(raw)
    named.chmod(0o644)
    return named


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
