"""RPM packages, found and fetched: the signed indexes, what would be installed, every file checked by its signature.

Runs on the host, with a configuration of its own and an empty root that is thrown away: no script of a package runs
here. Logins live in `private`, a folder in memory that ends with the namespace.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Any

from flight.workflows.install.el.comps import expanded, read_comps
from flight.workflows.install.el.sources import (
    Source,
    key_of,
    major,
    module_files,
    plan_words,
    render_configuration,
    render_macros,
    render_repository,
)
from flight.workflows.install.el.trouble import explained, explained_module, missing_from_groups
from flight.workflows.install.trust import read_key
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.arriving import arriving, remove
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import run

PLANNED = re.compile(r"---> Package (\S+)\.(\S+) (\S+) will be installed$", re.M)
"""What dnf notes in its log of each package. Source: dnf 4, cli/output.py, DepSolveProgressCallBack."""
NO_GROUPS = r"is not available|killed by SIGSEGV"
"""What a dnf says that finds no groups, or falls over them (comps.py)."""
REPOMD = "{http://linux.duke.edu/metadata/repo}"


@dataclass(frozen=True)
class Planned:
    """What dnf decided: versions (epoch:version-release.architecture) by package, and the words it was asked in."""

    packages: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]
    indexes: tuple[Mapping[str, str], ...]
    fetched_bytes: int

    @property
    def many(self) -> int:
        return sum(map(len, self.packages.values()))


def write_settings(plan: InstallPlan, sources: Sequence[Source], to: Path, *, seen_at: Path, login: bool) -> None:
    """dnf's configuration in the folder `to`, for a reader who finds that folder at `seen_at`."""
    for folder in (to, to / "repos", to / "home"):
        folder.mkdir(mode=0o700 if login else 0o755, exist_ok=True)
    (to / "dnf.conf").write_text(render_configuration(plan))
    (to / "home/.rpmmacros").write_text(render_macros(plan))
    for place, source in enumerate(sources):
        (to / f"key-{place}").write_bytes(read_key(source.key, sha256=source.key_sha256, named=source.named))
        text = render_repository(source, str(seen_at / f"key-{place}"), login=login)
        (to / "repos" / f"{place:02}-{source.name}.repo").write_text(text)


def arguments(plan: InstallPlan, *, settings: Path, root: Path, cache: Path) -> list[str]:
    """dnf's command line up to its verb. What is set here and not in the file does not move into the root."""
    return [
        "dnf",
        f"--config={settings / 'dnf.conf'}",
        f"--installroot={root}",
        f"--releasever={plan.release}",
        f"--setopt=reposdir={settings / 'repos'}",
        f"--setopt=cachedir={cache}",
    ]


class Dnf:
    """dnf on an empty root: it plans and fetches, and installs nothing."""

    def __init__(self, plan: InstallPlan, sources: Sequence[Source], *, private: Path, scratch: Path) -> None:
        self.plan, self.sources, self.private, self.scratch = plan, sources, private, scratch
        self.indexes, self.root, self.logs = scratch / "indexes", scratch / "planned", scratch / "dnf-logs"
        for folder in (self.indexes, self.root, self.logs):
            folder.mkdir()
        for path, text in module_files(plan):
            at = Path(f"{self.root}{path}")
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_text(text)
        write_settings(plan, sources, private, seen_at=private, login=True)

    def fetch(self, cache: Path, *, log_to: Path, told: Told) -> Planned:
        """Read the indexes anew, work out what is needed, bring what `cache` does not hold yet.

        Raises RecipeError (no such package, a conflict), RemoteError, SpaceError, ProgramError.
        """
        kept, packages = cache / f"rpm-index-{key_of(self.sources)}", cache / "rpms"
        packages.mkdir(parents=True, exist_ok=True)
        if kept.is_dir():
            shutil.copytree(kept, self.indexes, dirs_exist_ok=True)
        told(Progress(0, 0, "reading the package indexes"))
        with _alone(packages):
            _drop_strangers(packages)
            before = _files(packages)
            words, said = self._download(packages, log_to=log_to, told=told)
            fetched = sum(size for path, (size, _) in _files(packages).items() if before.get(path) != (size, _))
        with arriving(kept) as fresh:
            shutil.copytree(self.indexes, fresh, ignore=shutil.ignore_patterns("pubring"))
        planned = planned_in(self._log())
        missing_from_groups(said, self.plan)
        return Planned(planned, tuple(words), tuple(map(self._index, self.sources)), fetched)

    def _download(self, packages: Path, *, log_to: Path, told: Told) -> tuple[list[str], str]:
        """What dnf was asked in the end, and what it said. A dnf that finds no groups is told their packages."""
        words = plan_words(self.plan)
        self._check_modules(log_to)
        try:
            return words, self._ask(words, packages, log_to=log_to, told=told)
        except (RecipeError, ProgramError) as error:
            known = expanded(words, read_comps(self.indexes), self.plan.packages)
            if not re.search(NO_GROUPS, f"{error.what} {error.why}") or known == words:
                raise
        return known, self._ask(known, packages, log_to=log_to, told=told)

    def _check_modules(self, log_to: Path) -> None:
        """Raise RecipeError for a stream that no source has: dnf passes over it in silence."""
        for module in (each for each in self.plan.packages.modules if each.stream):
            name = f"{module.name}:{module.stream}"
            try:
                self._run(["module", "info", name], why=f"look for the module {name}", log_to=log_to)
            except ProgramError as error:
                raise explained_module(error, module, self.sources) from None

    def _ask(self, words: Sequence[str], packages: Path, *, log_to: Path, told: Told) -> str:
        argv = ["--downloadonly", f"--downloaddir={packages}", *words]
        lines: list[str] = []

        def heard(line: str) -> None:
            lines.append(line)
            if found := re.match(r"\((\d+)/(\d+)\): ", line):
                told(Progress(int(found[1]), int(found[2]), "fetching packages"))

        try:
            self._run(argv, why="work out and fetch the packages", log_to=log_to, heard=heard)
        except ProgramError as error:
            raise explained(error, "\n".join(lines), self.plan, self.sources) from None
        return "\n".join(lines)

    def _run(self, words: Sequence[str], **how: Any) -> None:
        where = arguments(self.plan, settings=self.private, root=self.root, cache=self.indexes)
        env = {"HOME": str(self.private / "home"), "TMPDIR": str(self.private)}
        trusted = [f"--setopt=sslcacert={os.environ[name]}" for name in ("SSL_CERT_FILE",) if os.environ.get(name)]
        run([*where, f"--setopt=logdir={self.logs}", *trusted, *words], env=env, **how)

    def _log(self) -> str:
        """dnf's own log; it lies below the root, and its library's part does not."""
        found = [*self.logs.glob("dnf.log"), *Path(f"{self.root}{self.logs}").glob("dnf.log")]
        return "".join(path.read_text(errors="replace") for path in found)

    def _index(self, source: Source) -> dict[str, str]:
        """What was read of one repository: date and SHA-256 of its repomd.xml."""
        found = sorted(self.indexes.glob(f"{source.name}-{'?' * 16}/repodata/repomd.xml"))
        raw = found[0].read_bytes() if found else b""
        return {
            "file": f"{source.name}/repomd.xml",
            "suite": f"{source.name} {major(self.plan)}",
            "date": formatdate(newest_in(raw), usegmt=True) if raw else "",
            "sha256": sha256(raw).hexdigest(),
        }


def planned_in(log: str) -> dict[str, tuple[str, ...]]:
    """The packages that dnf's log says will be installed."""
    packages: dict[str, tuple[str, ...]] = {}
    for name, architecture, version in PLANNED.findall(log):
        packages[name] = (*packages.get(name, ()), f"{version}.{architecture}")
    return packages


def newest_in(repomd: bytes) -> int:
    """When the newest part of an index was made, in seconds since 1970."""
    stamps = (stamp.text or "0" for stamp in ET.fromstring(repomd).iter(f"{REPOMD}timestamp"))
    return max((int(float(stamp)) for stamp in stamps), default=0)


@contextlib.contextmanager
def _alone(packages: Path) -> Iterator[None]:
    """dnf writes a package under its final name while it arrives: two runs take turns."""
    lock = os.open(packages / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _drop_strangers(packages: Path) -> None:
    """What is no plain file goes: dnf would write through a link, and wait at a pipe for ever."""
    for entry in os.scandir(packages):
        if not entry.is_file(follow_symlinks=False):
            remove(Path(entry.path))


def _files(folder: Path) -> dict[str, tuple[int, Any]]:
    """Size and time of each file; what changed is what was fetched."""
    return {entry.name: (entry.stat().st_size, entry.stat().st_mtime_ns) for entry in os.scandir(folder)}
