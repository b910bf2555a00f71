"""Where Debian packages come from, and which are asked for: a plan's words in apt's."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.install.trust import read_key, variable
from flight.workflows.kickstart.plan import InstallPlan

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""The distribution's own keys, from the package debian-archive-keyring."""
NAME = re.compile(r"[a-z0-9][a-z0-9+.]*(-[a-z0-9+.]+)*(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+)?")
"""A package as apt-get takes it: an option, a pattern or a trailing minus (which removes) does not match.

Source: Debian Policy 5.6.7 (Package) and 5.6.12 (Version).
"""
ARCHITECTURES = ("x86_64",)
CORE_GROUPS = ("core", "minimal", "minimal-environment")
"""Anaconda's words for the least that runs; here: the essential packages and apt, which are always installed."""
STANDARD_GROUPS = {"standard": "standard", "server-product-environment": "standard", "base": "important"}
"""Groups that are a priority in Debian (Policy 2.5), by mmdebstrap's name for the variant."""


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
class Wanted:
    """Packages in apt's words: what comes first (a variant of mmdebstrap), and what is asked for by name."""

    variant: str
    names: tuple[str, ...]
    excluded: tuple[str, ...]

    @property
    def asked(self) -> tuple[str, ...]:
        """What always comes along: apt, and passwd, whose programs make accounts and lock root."""
        along = [name for name in ("apt", "passwd") if name not in (*self.names, *self.excluded)]
        return (*self.names, *along, *(f"{name}-" for name in self.excluded))


def problems(plan: InstallPlan) -> Iterator[str]:
    """What apt cannot take, each with file and line."""
    wanted = plan.packages
    for name in (*wanted.names, *wanted.excluded):
        if not NAME.fullmatch(name):
            yield f"{wanted.where_of(name)}: '{name}' is no name of a Debian package"
    if plan.architecture not in ARCHITECTURES:
        yield f"{wanted.where}: the architecture {plan.architecture} is not built here; give x86_64"
    for each in plan.repositories:
        if any(char.isspace() for char in each.url + each.suite) or urllib.parse.urlsplit(each.url).username:
            yield f"{each.where}: the URL of repository '{each.name}' holds a space or a login"


def sources_of(plan: InstallPlan, environment: Mapping[str, str]) -> tuple[Source, ...]:
    """What to build from: the mirror, then the plan's repositories. Raises ConfigError where a login is missing."""
    private = (
        Source(
            url=each.url,
            suite=each.suite or plan.release,
            components=each.components or ("main",),
            key=Path(each.key) if each.key else KEYRING,
            key_sha256=each.key_sha256,
            login=(
                variable(each.user_from, each.name, environment),
                variable(each.password_from, each.name, environment),
            ),
            named=f"the repository '{each.name}'",
        )
        for each in plan.repositories
    )
    return (Source(plan.mirror, plan.release), *private)


def render_sources(sources: Iterable[Source], keys: Sequence[Path] = ()) -> str:
    """sources.list, each line bound to its key where `keys` are given."""
    bound = [f"[signed-by={key}] " for key in keys] or [""] * len(tuple(sources))
    lines = (f"deb {by}{s.url} {s.suite} {' '.join(s.components)}\n" for s, by in zip(sources, bound, strict=True))
    return "".join(lines)


def render_logins(sources: Iterable[Source]) -> str:
    """auth.conf(5): each login bound to its host and folder. apt insists on https where no scheme is named."""
    lines = []
    for source in sources:
        user, password = source.login
        if user or password:
            parts = urllib.parse.urlsplit(source.url)
            lines.append(f"machine {parts.scheme}://{parts.netloc}{parts.path} login {user} password {password}\n")
    return "".join(lines)


def plan_packages(plan: InstallPlan) -> Wanted:
    """Names, groups and exclusions in apt's words. A group that is no priority is a task: `task-NAME`."""
    groups = [group for group in (plan.packages.environment, *plan.packages.groups) if group]
    priorities = [STANDARD_GROUPS[group] for group in groups if group in STANDARD_GROUPS]
    tasks = [f"task-{group}" for group in groups if group not in CORE_GROUPS and group not in STANDARD_GROUPS]
    excluded = (*plan.packages.excluded, *(f"task-{group}" for group in plan.packages.excluded_groups))
    names = [name for name in dict.fromkeys((*tasks, *plan.packages.names)) if name not in excluded]
    variant = "standard" if "standard" in priorities else "important" if priorities else "apt"
    return Wanted(variant, tuple(names), tuple(dict.fromkeys(excluded)))


def place_key(source: Source, to: Path) -> Path:
    """The source's key at a path without spaces, with the ending that apt knows its format by. Raises ConfigError."""
    fix = {"fix": "install debian-archive-keyring"} if source.key == KEYRING else {}
    raw = read_key(source.key, sha256=source.key_sha256, named=source.named, **fix)
    named = to.with_suffix(".asc" if raw.startswith(b"-----BEGIN") else ".gpg")
    named.write_bytes(raw)
    named.chmod(0o644)
    return named
