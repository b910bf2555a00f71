"""Package groups, read from a repository's own comps file: for a dnf that finds none.

dnf 4.23 of Debian 13 does not, or crashes (its libcomps 0.1.21 fails when Python walks over groups). What is given up
then is that the system's own dnf knows which groups it was installed with.
"""

from __future__ import annotations

import gzip
import lzma
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from flight.workflows.kickstart.plan import Packages
from flight.workflows.kit.run import run

TYPES = {"": ("mandatory", "default"), "mandatory": ("mandatory",), "all": ("mandatory", "default", "optional")}
"""By `Packages.group_packages`."""
OPENERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, ".xml": bytes}


@dataclass(frozen=True)
class Comps:
    """Packages by type of each group, and the groups of each environment; by their ids."""

    groups: Mapping[str, Mapping[str, tuple[str, ...]]]
    environments: Mapping[str, tuple[str, ...]]

    def knows(self, name: str) -> bool:
        return name in self.groups or name in self.environments

    def packages_of(self, name: str, choice: str) -> tuple[str, ...]:
        """What comes along with a group or an environment; `choice` as in `Packages.group_packages`."""
        inside = self.environments.get(name, (name,))
        found = (self.groups.get(group, {}).get(kind, ()) for group in inside for kind in TYPES[choice])
        return tuple(dict.fromkeys(package for packages in found for package in packages))


def parse_comps(texts: Sequence[bytes]) -> Comps:
    """Those of all repositories; what two of them say of one group counts together."""
    groups: dict[str, dict[str, tuple[str, ...]]] = {}
    environments: dict[str, tuple[str, ...]] = {}
    for root in map(ET.fromstring, texts):
        for group in root.iter("group"):
            known = groups.setdefault(group.findtext("id", ""), {})
            for kind, package in _packages(group):
                known[kind] = (*known.get(kind, ()), package)
        for environment in root.iter("environment"):
            inside = tuple(each.text or "" for each in environment.findall("grouplist/groupid"))
            name = environment.findtext("id", "")
            environments[name] = (*environments.get(name, ()), *inside)
    return Comps(groups, environments)


def _packages(group: ET.Element) -> Iterator[tuple[str, str]]:
    for each in group.findall("packagelist/packagereq"):
        yield each.get("type", "mandatory"), each.text or ""


def read_comps(indexes: Path) -> Comps:
    """What dnf keeps of every repository below `indexes`."""
    found = sorted(path for path in indexes.glob("*/repodata/*") if "comps" in path.name or "-group" in path.name)
    return parse_comps([_opened(path) for path in found])


def _opened(path: Path) -> bytes:
    if path.suffix == ".zst":  # Python knows it from 3.14 on
        return run(["zstd", "-dcq", path], why="read the package groups", fix="apt-get install zstd").out.encode()
    return OPENERS[path.suffix](path.read_bytes())


def expanded(words: Sequence[str], comps: Comps, wanted: Packages) -> list[str]:
    """dnf's words with every group that the comps files know replaced by its packages, but for the excluded ones."""
    out: list[str] = []
    for word in words:
        name = word.removeprefix("@")
        if word.startswith("@") and comps.knows(name):
            found = comps.packages_of(name, wanted.group_packages)
            out += [each for each in found if not any(fnmatchcase(each, pattern) for pattern in wanted.excluded)]
        else:
            out.append(word)
    return list(dict.fromkeys(out))
