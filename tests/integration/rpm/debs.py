"""Debian's packages of the release that this host runs, from its own mirror: asked for by name, read member by member.

apt plans for a root that holds nothing, so the answer is the same whatever is installed here; it checks what it
downloads. Nothing is installed, and no script of a package runs.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rpm.programs import ran

MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders of / that are links into /usr; packages up to Debian 12 still hold files below the old names."""


@dataclass(frozen=True)
class Deb:
    """A package file; `needs` are the first names of its Depends."""

    name: str
    version: str
    path: Path
    needs: tuple[str, ...]

    def members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        """Everything in it, in its order, each with the stream to read it from."""
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", self.path], stdout=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdout, mode="r|") as stream:
                for member in stream:
                    yield stream, member
        if process.returncode:
            raise OSError(f"dpkg-deb ended with {process.returncode} for {self.path}")

    def extract(self, start: str, to: Path) -> None:
        """Write the plain files whose paths begin with `start` below `to`, without that beginning."""
        for stream, member in self.members():
            path = merged(member.name)
            source = stream.extractfile(member) if path.startswith(start) else None
            if source is not None:
                at = to / path.removeprefix(start)
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_bytes(source.read())


def merged(path: str) -> str:
    """A member's path as it is with a merged /usr, without a leading slash."""
    path = path.removeprefix(".").strip("/")
    return f"usr/{path}" if path.split("/")[0] in MERGED and "/" in path else path


def stem(name: str) -> str:
    """A library's package name without the mark of the 64-bit time transition."""
    return re.sub(r"t64$", "", name)


class Mirror:
    """apt-get for a root that holds nothing; package files are kept in `cache`."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        (cache / "partial").mkdir(parents=True, exist_ok=True)
        (cache / "status").touch()

    def plan(self, names: Sequence[str]) -> dict[str, str]:
        """Every package that `names` would bring, with its version."""
        said = self._apt("--simulate", *names)
        return dict(re.findall(r"^Inst (\S+) \((\S+) ", said, re.M))

    def fetch(self, names: Sequence[str]) -> dict[str, Deb]:
        """Download what `names` would bring; the packages by name, libraries by their stem."""
        planned = self.plan(names)
        self._apt("--download-only", *names)
        return {stem(name): self._read(name, version) for name, version in planned.items()}

    def _read(self, name: str, version: str) -> Deb:
        found = sorted(self.cache.glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
        fields = ran(["dpkg-deb", "--field", found[0], "Pre-Depends", "Depends"])
        alternatives = re.split(r",|\n", re.sub(r"(?m)^[\w-]+: ", "", fields))
        needs = (re.match(r"\s*([a-z0-9][a-z0-9+.-]+)", each) for each in alternatives)
        return Deb(name, version, found[0], tuple(stem(each[1]) for each in needs if each))

    def _apt(self, *words: str) -> str:
        settings = {
            "Dir::State::status": self.cache / "status",
            "Dir::Cache::archives": self.cache,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
        }
        options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        return ran(["apt-get", "--yes", "-q", *options, words[0], "install", *words[1:]])
