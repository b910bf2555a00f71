"""Which packages of an image are older than a package index knows: apt's lists, or the metadata of RPM repositories.

    find_index      the index that an image was built from, among those that are kept
    read_pending    what is newer in an index than in the image
    streams_in      the modules of an image that it is to be compared for

Source: apt's and Debian's "RepositoryFormat" (Release, Packages), deb-version(7); createrepo_c's repomd.xml, primary.xml,
updateinfo.xml.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.reading.versions import Key, debian_key, rpm_key
from flight.workflows.certify.tree import NotTaken, Tree
from flight.workflows.kit.errors import FlightError

KEPT: Final = ("index-*", "rpm-index-*")
"""What `install` calls the folders in its cache that hold indexes."""
KEYS: Final[Mapping[str, Callable[[str], Key]]] = {"dpkg": debian_key, "rpm": rpm_key}
EVERYWHERE: Final = ("all", "noarch")


class Offer(NamedTuple):
    """A package as an index offers it."""

    name: str
    architecture: str
    version: str


@dataclass(frozen=True)
class Source:
    """One index of a package source: `offers` of the names that are asked for. `tells_security`: whether it says which
    are security updates; `is_security`: whether all of them are. `dated` is an ISO date, or empty.
    """

    name: str
    dated: str
    offers: Callable[[frozenset[str]], Iterator[Offer]]
    is_security: bool = False
    tells_security: bool = False


@dataclass(frozen=True)
class Pending:
    """What an index knows newer: `versions` by name. `security` names those of them that are security updates.

    `dated`: the day (ISO) of the newest index; `indexes`: their names; `known`: how many of the image's packages they
    name. `tells_security`: whether they hold security updates at all, and say which.
    """

    versions: Mapping[str, str]
    security: tuple[str, ...] = ()
    dated: str = ""
    indexes: tuple[str, ...] = ()
    known: int = 0
    tells_security: bool = False


def find_index(cache: Path, indexes: Sequence[Mapping[str, Any]]) -> Path | None:
    """The folder in a cache that holds these very indexes (InstallPackages found them); None where none does any more.

    Of several the one that holds the least besides.
    """
    folders = [folder for pattern in KEPT for folder in sorted(cache.glob(pattern))]
    fitting = [folder for folder in folders if indexes and all(_holds(folder, each) for each in indexes)]
    return min(fitting, key=lambda folder: sum(1 for _ in folder.rglob("*")), default=None)


def _holds(folder: Path, index: Mapping[str, Any]) -> bool:
    """apt's lists have names of their own; dnf keeps NAME-16DIGITS/repodata for what is called NAME/repomd.xml here."""
    file = str(index.get("file", ""))
    found = folder.glob(f"{file.partition('/')[0]}-{'?' * 16}/repodata/repomd.xml") if "/" in file else [folder / file]
    return any(
        path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == index.get("sha256") for path in found
    )


def read_pending(
    packages: Sequence[Package],
    package_format: str,
    folder: Path,
    *,
    release: str = "",
    streams: frozenset[str] = frozenset(),
) -> Pending:
    """What the indexes in a folder know newer than the packages.

    `release`: Debian's codename, so that another release's lists are passed over. `streams` of modules that are enabled,
    as "nodejs:20". Raises FlightError where the folder holds no index that speaks of this image.
    """
    from flight.workflows.certify.reading import aptlists, repodata

    installed = _newest(packages, package_format)
    names = frozenset(name for name, _ in installed)
    if package_format == "dpkg":
        sources = aptlists.sources_in(folder, release=release)
    else:
        sources = repodata.sources_in(folder, streams=streams, tags=repodata.tags_of(packages))
    known, newer = set[str](), dict[str, str]()
    security = set[str]()
    key = KEYS[package_format]
    for source in sources:
        for offer in source.offers(names):
            have = _installed(installed, offer)
            known.add(offer.name)
            if have is None or key(offer.version) <= key(have):
                continue
            if offer.name not in newer or key(newer[offer.name]) < key(offer.version):
                newer[offer.name] = offer.version
            if source.is_security:
                security.add(offer.name)
    if not known:
        no_index = "there are neither apt's lists nor repodata of its release"
        raise FlightError(
            f"{folder} holds no package index of this image",
            why="it names no package of it" if sources else no_index,
            fix="give a copy of /var/lib/apt/lists, or of a repository's repodata, for the same release and architecture",
        )
    return Pending(
        versions=dict(sorted(newer.items())),
        security=tuple(sorted(security)),
        dated=max(source.dated for source in sources),
        indexes=tuple(source.name for source in sources),
        known=len(known),
        tells_security=any(source.tells_security for source in sources),
    )


def streams_in(tree: Tree) -> frozenset[str]:
    """The streams of modules that a system has enabled, as "nodejs:20". Source: dnf's modularity, /etc/dnf/modules.d."""
    found = set[str]()
    for path in tree.glob("/etc/dnf/modules.d/*.module"):
        text = _module_text(tree, path)
        name, stream = (re.search(rf"(?m)^{word} *= *(\S+)", text) for word in ("name", "stream"))
        if name and stream and re.search(r"(?m)^state *= *enabled", text):
            found.add(f"{name[1]}:{stream[1]}")
    return frozenset(found)


def _module_text(tree: Tree, path: str) -> str:
    try:
        return tree.text(path) or ""
    except NotTaken:
        return ""


def _newest(packages: Sequence[Package], package_format: str) -> dict[tuple[str, str], str]:
    """The newest installed version by name and architecture: kernels stand side by side."""
    key, newest = KEYS[package_format], dict[tuple[str, str], str]()
    for package in packages:
        at = package.name, package.architecture
        if package.is_installed and (at not in newest or key(newest[at]) < key(package.version)):
            newest[at] = package.version
    return newest


def _installed(installed: Mapping[tuple[str, str], str], offer: Offer) -> str | None:
    """What is installed of an offer's name, for its architecture or for any."""
    for architecture in (offer.architecture, *EVERYWHERE):
        if (offer.name, architecture) in installed:
            return installed[offer.name, architecture]
    if offer.architecture not in EVERYWHERE:
        return None
    return next((version for (name, _), version in installed.items() if name == offer.name), None)
