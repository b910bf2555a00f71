"""A disk's files as one tree: entries and the contents of some, links followed inside it only."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple

MOST_LINKS: Final = 40
"""Links followed for one path, as Linux does (path_resolution(7))."""


class Entry(NamedTuple):
    """One entry. `kind`: f(ile), d(irectory), l(ink), c, b, p, s as find(1) says it; `mode` without the kind's bits.

    `mtime` in seconds; `target` of a link; `owner` is the package that owns it, empty for none; `capability` the
    extended attribute in hex.
    """

    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    target: str = ""
    owner: str = ""
    capability: str = ""


class NotTaken(Exception):
    """A file is there, and its content is not known: too large, or not readable."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the content of {path} was not taken")
        self.path = path


class Tree:
    """`entries` by absolute path (without a slash at the end; the root is "/"), `contents` of some files in bytes."""

    def __init__(self, entries: Mapping[str, Entry], contents: Mapping[str, bytes]) -> None:
        self.entries, self.contents = entries, contents

    @cached_property
    def _names(self) -> Mapping[str, list[str]]:
        names: dict[str, list[str]] = {}
        for path in self.entries:
            folder, _, name = path.rpartition("/")
            if name:
                names.setdefault(folder or "/", []).append(name)
        return names

    def real(self, path: str) -> str | None:
        """The path without links, all of them followed; None where it leads nowhere, or for ever."""
        return self._resolve(path, follow_last=True)

    def place(self, path: str) -> str | None:
        """The same, but a link at the end stays one; None where there is nothing."""
        return self._resolve(path, follow_last=False)

    def _resolve(self, path: str, *, follow_last: bool) -> str | None:
        todo, done, links = path.strip("/").split("/")[::-1], "", 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{done}/{part}"
            entry = self.entries.get(here)
            if entry is None:
                return None
            if entry.kind == "l" and (todo or follow_last):
                links += 1
                if links > MOST_LINKS:
                    return None
                done = "" if entry.target.startswith("/") else done
                todo += entry.target.split("/")[::-1]
                continue
            if todo and entry.kind != "d":
                return None
            done = here
        return done or "/"

    def entry(self, path: str) -> Entry | None:
        """What a path names, links followed."""
        real = self.real(path)
        return self.entries.get(real) if real is not None else None

    def lentry(self, path: str) -> Entry | None:
        """What a path names, a link at its end as the link itself."""
        place = self.place(path)
        return self.entries.get(place) if place is not None else None

    def is_file(self, path: str) -> bool:
        entry = self.entry(path)
        return entry is not None and entry.kind == "f"

    def is_folder(self, path: str) -> bool:
        entry = self.entry(path)
        return entry is not None and entry.kind == "d"

    def read(self, path: str) -> bytes | None:
        """A file's content, None where there is no such file. Raises NotTaken where it is not known."""
        real = self.real(path)
        if real is None or self.entries[real].kind != "f":
            return None
        if real in self.contents:
            return self.contents[real]
        if self.entries[real].size == 0:
            return b""
        raise NotTaken(real)

    def text(self, path: str) -> str | None:
        """The same as text; what is no UTF-8 in it is replaced."""
        content = self.read(path)
        return None if content is None else content.decode(errors="replace")

    def lines(self, path: str) -> list[str]:
        """The lines of a file, none where there is no such file."""
        return (self.text(path) or "").splitlines()

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none where it is none."""
        real = self.real(folder)
        return sorted(self._names.get(real, [])) if real is not None else []

    def glob(self, pattern: str) -> list[str]:
        """The paths that a pattern names, sorted; a wildcard matches within one name, as in a shell (dot files too)."""
        found = [""]
        for part in pattern.strip("/").split("/"):
            if any(sign in part for sign in "*?["):
                found = [
                    f"{at}/{name}" for at in found for name in self.names(at or "/") if fnmatch.fnmatchcase(name, part)
                ]
            else:
                found = [f"{at}/{part}" for at in found if self.place(f"{at}/{part}") is not None]
        return found

    def under(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Everything below a folder, sorted; links are not followed below it."""
        real = self.real(folder)
        todo = self._below(real) if real is not None else []
        while todo:
            path = todo.pop()
            entry = self.entries[path]
            yield path, entry
            if entry.kind == "d":
                todo += self._below(path)

    def _below(self, folder: str) -> list[str]:
        """What stands in a folder, as paths, the last by name first."""
        top = "" if folder == "/" else folder
        return [f"{top}/{name}" for name in sorted(self._names.get(folder, ()), reverse=True)]

    def files(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """The regular files below a folder."""
        return ((path, entry) for path, entry in self.under(folder) if entry.kind == "f")
