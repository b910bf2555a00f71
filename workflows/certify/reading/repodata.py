"""RPM repositories' metadata: updateinfo says which packages mend security, primary what there is at all."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from flight.workflows.certify.reading.index import Offer, Source
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.reading.unpacking import load_index
from flight.workflows.kit.errors import FlightError

REPOMD: Final = "{http://linux.duke.edu/metadata/repo}"
COMMON: Final = "{http://linux.duke.edu/metadata/common}"
MOST_REPOSITORIES: Final = 100
TAG: Final = re.compile(r"\.((?:el|fc|amzn|azl|cm)\d+)")
"""What a release ends with names the distribution's own release. Source: Fedora's packaging guidelines, "DistTag"."""
MODULAR: Final = ".module"
"""In the release of every package of a module."""


def tags_of(packages: Sequence[Package]) -> frozenset[str]:
    """The distribution's release as most packages have it in theirs: {"el9"}."""
    tags = Counter(match[1] for package in packages if (match := TAG.search(package.version)))
    return frozenset(tag for tag, _ in tags.most_common(1))


def sources_in(folder: Path, *, streams: frozenset[str], tags: frozenset[str]) -> list[Source]:
    """Every repository below a folder. One that does not say what mends security may mean it with every update."""
    found = sorted(folder.rglob("repomd.xml"))[:MOST_REPOSITORIES] if folder.is_dir() else []
    return [_source(path, folder, streams, tags) for path in found]


def _source(repomd: Path, top: Path, streams: frozenset[str], tags: frozenset[str]) -> Source:
    places, stamps = dict[str, Path](), [0]
    for part in _tree(repomd).iter(f"{REPOMD}data"):
        location = part.find(f"{REPOMD}location")
        href = location.get("href", "") if location is not None else ""
        places[part.get("type", "")] = repomd.parent / href.rpartition("/")[2]
        stamp = part.findtext(f"{REPOMD}timestamp") or ""
        stamps.append(int(float(stamp)) if re.fullmatch(r"\d{1,11}(\.\d*)?", stamp) else 0)
    dated = datetime.fromtimestamp(max(stamps), UTC).date().isoformat() if max(stamps) else ""
    relative = repomd.parent.parent.relative_to(top)
    name = re.sub(r"-[0-9a-f]{16}$", "", str(relative)) if relative.parts else top.resolve().name
    if "updateinfo" in places:
        offers = partial(_mending, places["updateinfo"], streams, tags)
        return Source(name, dated, offers, is_security=True, tells_security=True)
    if "primary" not in places:
        raise FlightError(f"{repomd} names no list of packages", fix="copy the whole folder repodata")
    return Source(f"{name} (all updates)", dated, partial(_all, places["primary"], tags), True, True)


def _tree(path: Path) -> ET.Element:
    try:
        return ET.fromstring(load_index(path))
    except ET.ParseError as error:
        raise _torn(path, error) from None


def _torn(path: Path, error: ET.ParseError) -> FlightError:
    return FlightError(f"cannot read the package index {path}", why=f"it is no XML: {error}", fix="copy it anew")


def _elements(path: Path, tag: str) -> Iterator[ET.Element]:
    """The elements of a name, one after the other; those that were seen are dropped."""
    depth, root = 0, None
    try:
        for event, element in ET.iterparse(io.BytesIO(load_index(path)), ("start", "end")):
            depth += 1 if event == "start" else -1
            root = element if root is None else root
            if event == "end" and element.tag == tag:
                yield element
            if event == "end" and depth == 1:
                root.clear()
    except ET.ParseError as error:
        raise _torn(path, error) from None


def _mending(path: Path, streams: frozenset[str], tags: frozenset[str], names: frozenset[str]) -> Iterator[Offer]:
    """The packages of security advisories; of a module's only where its stream is enabled."""
    for update in _elements(path, "update"):
        if update.get("type") != "security":
            continue
        for collection in update.iter("collection"):
            module = collection.find("module")
            if module is not None and f"{module.get('name')}:{module.get('stream')}" not in streams:
                continue
            for package in collection.iter("package"):
                if package.get("name") in names:
                    yield from _offer(package, package, package.get("arch", ""), tags)


def _all(path: Path, tags: frozenset[str], names: frozenset[str]) -> Iterator[Offer]:
    """Every package; a module's are passed over, since this list does not say of which stream they are."""
    for package in _elements(path, f"{COMMON}package"):
        version = package.find(f"{COMMON}version")
        if version is not None and MODULAR not in version.get("rel", "") and package.findtext(f"{COMMON}name") in names:
            yield from _offer(package, version, package.findtext(f"{COMMON}arch") or "", tags)


def _offer(package: ET.Element, version: ET.Element, architecture: str, tags: frozenset[str]) -> Iterator[Offer]:
    """The version as `Package` has it; none that was built for another release of the distribution."""
    name = package.get("name") or package.findtext(f"{COMMON}name") or ""
    epoch = version.get("epoch") or "0"
    release = version.get("rel") or version.get("release") or ""
    whole = f"{'' if epoch == '0' else f'{epoch}:'}{version.get('version') or version.get('ver') or ''}-{release}"
    tag = TAG.search(whole)
    if architecture != "src" and (not tags or not tag or tag[1] in tags):
        yield Offer(name, architecture, whole)
