"""Snapshots for tests: of a real Debian 13 disk, of Enterprise Linux trees that are made here, and changed ones."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eltree import el

from flight.workflows.certify import saved
from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.reading.secrets import marks_in
from flight.workflows.certify.rule import Outcome
from flight.workflows.certify.rules import RULES
from flight.workflows.certify.tree import Entry, Tree

__all__ = ["DEBIAN", "ask", "changed", "el"]

DATA = Path(__file__).parent / "data"


@functools.cache
def debian() -> Snapshot:
    """A Debian 13 as flight builds it, looked at on its disk: every rule is content with it."""
    return saved.from_json(json.loads(gzip.decompress((DATA / "debian-13.json.gz").read_bytes())))


def changed(
    snapshot: Snapshot,
    *,
    files: Mapping[str, str | bytes | None] = {},
    links: Mapping[str, str] = {},
    entries: Mapping[str, Entry | None] = {},
    packages: Mapping[str, str | None] = {},
    without: Iterable[str] = (),
    **facts: Any,
) -> Snapshot:
    """The snapshot with something changed: a file's content (None: gone), a link, an entry, a package's version.

    Folders on the way are made; whatever replaces a path goes where its folder's links lead.
    """
    new, contents = dict(snapshot.tree.entries), dict(snapshot.tree.contents)
    marks = dict(snapshot.marks)

    def put(path: str, entry: Entry | None, content: bytes | None = None) -> None:
        folder, _, name = path.rpartition("/")
        real = _folder(Tree(new, {}), new, folder)
        at = f"{'' if real == '/' else real}/{name}"
        for gone in [each for each in new if each == at or each.startswith(f"{at}/")] if entry is None else [at]:
            new.pop(gone, None)
            contents.pop(gone, None)
            marks.pop(gone, None)
        if entry is not None:
            new[at] = entry
        if content is not None:
            contents[at] = content
            if found := marks_in(at, content):
                marks[at] = found

    for path, text in files.items():
        if text is None:
            put(path, None)
            continue
        content = text.encode() if isinstance(text, str) else text
        old = snapshot.tree.entry(path)
        entry = old._replace(size=len(content)) if old and old.kind == "f" else Entry("f", size=len(content))
        put(snapshot.tree.real(path) or path if old and old.kind == "f" else path, entry, content)
    for path, target in links.items():
        put(path, Entry("l", 0o777, target=target))
    for path, entry in entries.items():
        put(path, entry)
    for path in without:
        put(path, None)
    return replace(
        snapshot, tree=Tree(new, contents), packages=_packages(snapshot.packages, packages), **{"marks": marks, **facts}
    )


def _folder(tree: Tree, entries: dict[str, Entry], folder: str) -> str:
    """The folder's real path; what is missing of it is made."""
    if not folder:
        return "/"
    real = tree.real(folder)
    if real is not None and entries[real].kind == "d":
        return real
    above, _, name = folder.rpartition("/")
    real = f"{_folder(tree, entries, above).rstrip('/')}/{name}"
    entries[real] = Entry("d", 0o755)
    return real


def _packages(old: tuple[Package, ...], new: Mapping[str, str | None]) -> tuple[Package, ...]:
    kept = tuple(package for package in old if package.name not in new)
    known = {package.name: package for package in old}
    added = (
        replace(known.get(name, Package(name, version, source=name)), version=version, source_version=version)
        for name, version in new.items()
        if version is not None
    )
    return (*kept, *added)


def ask(
    rule_id: str, snapshot: Snapshot, *, generations: Iterable[str] = ("V2",), claims: Iterable[str] = ()
) -> Outcome:
    """One rule's outcome, by its id."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    return rule.ask(Image(snapshot, frozenset(generations), frozenset(claims)))


DEBIAN = debian()
