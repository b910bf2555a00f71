"""Where RPM packages come from, and which are asked for: a plan's words in dnf's. Text from values."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.install.trust import variable
from flight.workflows.kickstart.plan import InstallPlan, Repository
from flight.workflows.kit.errors import ConfigError

ARCHITECTURES = ("x86_64",)
NAME = r"[A-Za-z0-9][\w.-]*"
BASE = "base"
"""What the source that the kickstart's `url` names is called; every other has its own name."""
GROUP_PACKAGES = {"": "mandatory,default,conditional", "mandatory": "mandatory", "all": "mandatory,default,optional"}
"""Which packages of a group come along, in dnf.conf's words."""


@dataclass(frozen=True)
class Database:
    """Where a release keeps the list of its packages, and in which format (rpm's macros _dbpath and _db_backend)."""

    path: str
    backend: str


RELEASES = {
    8: Database("/var/lib/rpm", "bdb"),
    9: Database("/var/lib/rpm", "sqlite"),
    10: Database("/usr/lib/sysimage/rpm", "sqlite"),
}
"""Source: `rpm --eval '%_dbpath %_db_backend'` of each release."""


@dataclass(frozen=True)
class Source:
    """One repository. `login`: user and password, never part of the URL."""

    name: str
    url: str
    key: Path
    key_sha256: str = ""
    login: tuple[str, str] = ("", "")
    cost: int = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    signed_index: bool = False

    @property
    def named(self) -> str:
        return "the distribution" if self.name == BASE else f"the repository '{self.name}'"

    @property
    def folder(self) -> str:
        """The folder of this host that it is, if it is one."""
        parts = urllib.parse.urlsplit(self.url)
        return urllib.parse.unquote(parts.path) if parts.scheme == "file" else ""


def major(plan: InstallPlan) -> int:
    """9 of "9" and of "9.4"; 0 where the release is no number."""
    found = re.fullmatch(r"([1-9]\d?)(\.\d{1,2})?", plan.release)
    return int(found[1]) if found else 0


def problems(plan: InstallPlan) -> Iterator[str]:
    """What dnf cannot take, each with file and line."""
    if major(plan) not in RELEASES:
        known = ", ".join(map(str, RELEASES))
        yield f"{plan.recipe}: release = '{plan.release}' is not built; the releases are {known}"
    if plan.architecture not in ARCHITECTURES:
        yield f"{_place(plan)}: the architecture {plan.architecture} is not built here; give x86_64"
    if not plan.mirror_key:
        yield f"{plan.recipe}: [sources] names no key, and packages are taken under a signature only"
    if len(plan_words(plan)) == 1 + len(plan.packages.excluded):
        yield f"{_place(plan)}: no package and no group is asked for"
    for where, url in ((_place(plan), plan.mirror), *((each.where, each.url) for each in plan.repositories)):
        if fault := _url_fault(url):
            yield f"{where}: {url}: {fault}"
    names = [each.name for each in plan.repositories]
    for each in plan.repositories:
        if not re.fullmatch(NAME, each.name) or each.name == "main" or names.count(each.name) > 1:
            yield f"{each.where}: '{each.name}' is no name for a repository: each takes one of its own, of letters and digits"
        if each.name == BASE:
            yield f"{each.where}: '{BASE}' is what the url line's repository is called; give this one another name"


def _place(plan: InstallPlan) -> str:
    """Where %packages stands; a kickstart may have none."""
    return str(plan.packages.where) if plan.packages.where.file else plan.recipe


def _url_fault(url: str) -> str:
    """Why dnf would read another address than this one, or nothing."""
    parts = urllib.parse.urlsplit(url)
    if parts.username:
        return "the address of a repository holds a login"
    if any(char.isspace() or char == "," for char in url):
        return "the address of a repository holds a space or a comma; write %20 or %2C"
    if parts.scheme == "file" and (parts.netloc or "$" in url):
        return "the address of a folder is file:///PATH, without variables"
    return ""


def sources_of(plan: InstallPlan, environment: Mapping[str, str]) -> tuple[Source, ...]:
    """What to build from: the mirror, then the plan's repositories. Raises ConfigError where a login is missing."""
    mirror = Source(
        BASE, plan.mirror, Path(plan.mirror_key), plan.mirror_key_sha256, signed_index=plan.mirror_signs_index
    )
    return (mirror, *(_source(each, environment) for each in plan.repositories))


def _source(each: Repository, environment: Mapping[str, str]) -> Source:
    login = tuple(_word(name, each.name, environment) for name in (each.user_from, each.password_from))
    return Source(
        each.name,
        each.url,
        Path(each.key),
        each.key_sha256,
        (login[0], login[1]),
        each.cost,
        each.include,
        each.exclude,
        each.signed_index,
    )


def _word(name: str, repository: str, environment: Mapping[str, str]) -> str:
    """Half of a login. Raises ConfigError for what dnf's configuration cannot hold as it is."""
    value = variable(name, repository, environment)
    if re.search(r"[\0-\x1f\x7f$]|^[\s\"']|[\s\"']$", value):
        raise ConfigError(
            f"the login of the repository '{repository}' cannot be told to dnf ({name})",
            why="dnf replaces what follows a '$', and takes line breaks, and quotes and spaces at the ends, for its own",
            fix="let the repository have a login without them",
        )
    return value


def render_repository(source: Source, key: str, *, login: bool = False) -> str:
    """A section of yum.repos.d; `key` is where its key lies for who reads this. `login`: whether it may hold secrets."""
    lines = [
        f"[{source.name}]",
        f"name={source.name}",
        f"baseurl={source.url}",
        f"gpgkey=file://{key}",
        "enabled=1",
        "gpgcheck=1",
        f"repo_gpgcheck={int(source.signed_index)}",
    ]
    lines += [f"cost={source.cost}"] if source.cost else []
    lines += [f"includepkgs={','.join(source.include)}"] if source.include else []
    lines += [f"excludepkgs={','.join(source.exclude)}"] if source.exclude else []
    user, password = source.login
    if login and (user or password):
        lines += [f"username={user}", f"password={password}"]
    return "\n".join(lines) + "\n"


def render_configuration(plan: InstallPlan) -> str:
    """dnf.conf for both phases: the best version of everything or an error, and nothing of the host's."""
    wanted = plan.packages
    lines = [
        "[main]",
        "assumeyes=1",
        "best=1",
        f"strict={int(not wanted.ignore_missing)}",
        "gpgcheck=1",
        "localpkg_gpgcheck=1",
        f"install_weak_deps={int(wanted.recommends)}",
        f"group_package_types={GROUP_PACKAGES[wanted.group_packages]}",
        f"module_platform_id=platform:el{major(plan)}",
        "keepcache=1",
        "metadata_expire=0",
        "deltarpm=0",
        "zchunk=0",
        "plugins=0",
        "retries=3",
        "timeout=30",
        "logfilelevel=9",
        "varsdir=/nonexistent",
    ]
    lines += ["tsflags=nodocs"] if not wanted.docs else []
    return "\n".join(lines) + "\n"


def render_macros(plan: InstallPlan) -> str:
    """~/.rpmmacros of a host whose own rpm keeps its list elsewhere. Its plugins stay away: they are the host's.

    /dev, /proc and /sys are mounted while packages are installed, the latter two read-only.
    """
    database = RELEASES[major(plan)]
    backend = "sqlite" if database.backend == "bdb" else database.backend  # no host can write bdb; see transaction.py
    lines = [
        f"%_dbpath {database.path}",
        f"%_db_backend {backend}",
        "%__plugindir %{nil}",
        "%_netsharedpath /dev:/proc:/sys",
    ]
    lines += [f"%_install_langs {':'.join(plan.packages.languages)}"] if plan.packages.languages else []
    return "\n".join(lines) + "\n"


def module_files(plan: InstallPlan) -> Iterator[tuple[str, str]]:
    """Path and text of what `dnf module enable` and `disable` write: the kickstart's choice of streams."""
    for each in plan.packages.modules:
        state = "enabled" if each.stream else "disabled"
        text = f"[{each.name}]\nname={each.name}\nstream={each.stream}\nprofiles=\nstate={state}\n"
        yield f"/etc/dnf/modules.d/{each.name}.module", text


def plan_words(plan: InstallPlan) -> list[str]:
    """What dnf is asked to do: exclusions first, then environment, groups, packages."""
    wanted = plan.packages
    groups = [f"@{name}" for name in (wanted.environment, *wanted.groups) if name]
    excluded = [f"--exclude={name}" for name in wanted.excluded]
    return ["install", *excluded, *dict.fromkeys((*groups, *wanted.names))]


def key_of(sources: Iterable[Source]) -> str:
    """Names what these sources' indexes are kept under: another key makes it another place."""
    told = (f"{render_repository(each, '')}{_digest(each.key)}" for each in sources)
    return hashlib.sha256("".join(told).encode()).hexdigest()[:12]


def _digest(key: Path) -> str:
    return hashlib.sha256(key.read_bytes()).hexdigest() if key.is_file() else ""
