"""apt's lists: a Release file names a suite and its date, the Packages files beside it what the suite offers.

The name of each is its URL with "_" for "/"; the part before InRelease or Release is that of its Packages files too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Final

from flight.workflows.certify.reading.index import Offer, Source
from flight.workflows.certify.reading.unpacking import load_index

RELEASE: Final = re.compile(r"(.*_)?(InRelease|Release)")
PACKAGES: Final = re.compile(r"(.*_)?Packages(\.(lz4|xz|gz|bz2|zst|lzma))?")
SUITE_IN_NAME: Final = re.compile(r"_dists_([^_]+)_")
DISTRIBUTIONS: Final = ("Debian", "Ubuntu")
"""Origins whose suites are releases: those of another release tell nothing of an image. Others name them as they like."""
FIELDS: Final = re.compile(r"(?m)^(Origin|Label|Suite|Codename|Date|NotAutomatic): *(.*?) *$")


def sources_in(folder: Path, *, release: str = "") -> list[Source]:
    """The Packages files in a folder, as sources: not those of other releases, nor what apt does not install by itself."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    releases = {match[1] or "": _fields(folder / name) for name in names if (match := RELEASE.fullmatch(name))}
    found = []
    for name in names:
        if PACKAGES.fullmatch(name):
            fields = _release_of(name, releases)
            if _is_apt(fields, release):
                found.append(_source(folder / name, fields))
    return found


def _release_of(name: str, releases: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """The Release file of a Packages file; without one what its own name says."""
    fitting = [prefix for prefix in releases if name.startswith(prefix)]
    if fitting:
        return releases[max(fitting, key=len)]
    suite = SUITE_IN_NAME.search(name)
    return {"Codename": suite[1], "Origin": DISTRIBUTIONS[0]} if suite else {}


def _is_apt(fields: Mapping[str, str], release: str) -> bool:
    """Whether apt would take packages from there for an image of this release. Source: apt_preferences(5)."""
    if fields.get("NotAutomatic", "").lower() == "yes":
        return False
    if not release or fields.get("Origin") not in DISTRIBUTIONS:
        return True
    words = (fields.get("Codename", ""), fields.get("Suite", ""))
    return any(re.split(r"[-/]", word)[0] == release for word in words)


def _source(path: Path, fields: Mapping[str, str]) -> Source:
    said = " ".join(fields.get(name, "") for name in ("Suite", "Codename", "Label"))
    is_security = "security" in said.lower()
    suite = fields.get("Suite", "")
    codename = fields.get("Codename", "")
    name = suite if suite.startswith(f"{codename}-") else codename or suite or path.name
    return Source(name, _day(fields.get("Date", "")), partial(_offers, path), is_security, is_security)


def _fields(path: Path) -> dict[str, str]:
    """What stands above the checksums."""
    head = path.read_bytes()[: 1 << 16].decode(errors="replace")
    return {name: value for name, value in reversed(FIELDS.findall(re.split(r"(?m)^(MD5Sum|SHA\d+):", head)[0]))}


def _day(date: str) -> str:
    try:
        return parsedate_to_datetime(date).astimezone(UTC).date().isoformat()
    except (ValueError, OverflowError):
        return ""


def _offers(path: Path, names: frozenset[str]) -> Iterator[Offer]:
    """A whole index has 70,000 paragraphs: most are passed over by their first line."""
    wanted = frozenset(name.encode() for name in names)
    for paragraph in load_index(path).split(b"\n\n"):
        name = _value(paragraph, b"Package")
        if name in wanted and (version := _value(paragraph, b"Version")):
            found = name, _value(paragraph, b"Architecture"), version
            yield Offer(*(part.decode(errors="replace") for part in found))


def _value(paragraph: bytes, field: bytes) -> bytes:
    """A field's value; empty where it is not there."""
    sign = field + b":"
    at = 0 if paragraph.startswith(sign) else paragraph.find(b"\n" + sign) + 1
    if not at and not paragraph.startswith(sign):
        return b""
    return paragraph[at + len(sign) :].partition(b"\n")[0].strip()
