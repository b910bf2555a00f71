"""Artefacts: named by what decided them, described by a facts.json beside them, guarded by locks.

WORK/RECIPE/STAGE-KEY/RECIPE.EXT      the artefact; it is there wholly or not at all
WORK/RECIPE/STAGE-KEY/facts.json      what decided it and what was found while making it
WORK/RECIPE/STAGE-KEY/*.log           what the programs said
WORK/RECIPE.EXT                       a link to the newest
WORK/.locks/                          flock files; one for all runs, one for each artefact
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import fcntl
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flight.workflows.kit.arriving import link_whole, write_whole
from flight.workflows.kit.errors import BusyError
from flight.workflows.kit.kept import of_its_types

KEY_DIGITS = 12
FACTS = "facts.json"
LOCKS = ".locks"
FOLDER_NAME = re.compile(rf"([A-Z]\w*)-([0-9a-f]{{{KEY_DIGITS}}})")


def key_of(stage: str, *, edition: int, upstream: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Twelve hex digits that name what a stage makes: a hash of the stage, its edition, the keys upstream and its facts.

    `facts` holds JSON values only, and no clock. `edition` is raised when the stage makes something else of the same facts.
    """
    decided = {"stage": stage, "edition": edition, "upstream": list(upstream), "facts": facts}
    text = json.dumps(decided, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


@dataclass(frozen=True)
class Place:
    """Where an artefact lies, whether or not it is there."""

    work: Path
    recipe: str
    stage: str
    key: str
    extension: str

    @property
    def folder(self) -> Path:
        return self.work / self.recipe / f"{self.stage}-{self.key}"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.recipe}.{self.extension}"

    @property
    def facts_path(self) -> Path:
        return self.folder / FACTS

    @property
    def link(self) -> Path:
        return self.work / f"{self.recipe}.{self.extension}"

    @property
    def is_there(self) -> bool:
        return self.path.exists() and not self.damage

    @property
    def damage(self) -> str:
        """Why what lies there is not the artefact: cheap, so its length is looked at and not its content."""
        try:
            length = length_of(self.path)
        except OSError:
            return ""
        facts = load_facts(self.folder)
        if facts is None or not _is_its_own(self.folder, facts):
            return f"its {FACTS} is gone, torn or another's"
        if facts.file_bytes not in (None, length):
            return f"it has {length} bytes, not {facts.file_bytes}"
        return ""


@dataclass(frozen=True)
class Facts:
    """What stands in facts.json: what decided the artefact, and what was found (`found`) while it was made."""

    stage: str
    edition: int
    key: str
    recipe: str
    version: str
    upstream: tuple[str, ...]
    decided_by: Mapping[str, Any]
    found: Mapping[str, Any] = field(default_factory=dict)
    made_at: str = ""
    seconds: float = 0.0
    size_bytes: int = 0
    file_bytes: int | None = None
    """The artefact's length; None for a folder, and where an older flight did not write it."""

    def save(self, folder: Path) -> None:
        write_whole(folder / FACTS, json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def load_facts(folder: Path) -> Facts | None:
    """The facts in a folder, or None where there are none that can be read (a killed run, a foreign folder)."""
    try:
        raw = json.loads((folder / FACTS).read_text())
        return of_its_types(Facts(**{**raw, "upstream": tuple(raw["upstream"])}))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def unreadable_artefacts(work: Path) -> Iterator[tuple[Path, Facts]]:
    """Every folder that is named as an artefact's and holds no facts of its own, with what its name says of it."""
    for folder in sorted(work.glob("*/*")):
        name = FOLDER_NAME.fullmatch(folder.name)
        if name and folder.is_dir() and not folder.is_symlink() and not _is_its_own(folder, load_facts(folder)):
            yield folder, Facts(name[1], 0, name[2], folder.parent.name, "", (), {})


def all_artefacts(work: Path) -> Iterator[tuple[Path, Facts]]:
    """Every folder in the work folder that holds facts of ours, in the order of their names."""
    for path in sorted(work.glob(f"*/*/{FACTS}")):
        facts = load_facts(path.parent)
        if facts is not None and _is_its_own(path.parent, facts):
            yield path.parent, facts


def _is_its_own(folder: Path, facts: Facts | None) -> bool:
    return facts is not None and folder.name == f"{facts.stage}-{facts.key}"


def changed(old: Facts, *, edition: int, upstream: Sequence[str], facts: Mapping[str, Any]) -> list[str]:
    """What of an older artefact's deciders is otherwise now, as `packages.names: added vim`; empty where nothing is."""
    said = [] if old.edition == edition else [f"edition {old.edition} → {edition}"]
    said += _differences("", old.decided_by, json.loads(json.dumps(facts)))
    if tuple(upstream) != old.upstream:
        said.append("a stage before it")
    return said


def _differences(name: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = ((key, old.get(key), new.get(key)) for key in sorted({*old, *new}))
        return [
            line for key, before, after in pairs for line in _differences(f"{name}.{key}".strip("."), before, after)
        ]
    if name.endswith("_sha256"):
        return [f"another {name.removesuffix('_sha256')}"]
    if isinstance(old, list) and isinstance(new, list):
        if lines := _changed_lines(old, new):
            return [f"{name}: {lines}"]
        added = [part for part in new if part not in old]
        removed = [part for part in old if part not in new]
        words = [f"added {_short(part)}" for part in added] + [f"removed {_short(part)}" for part in removed]
        return [f"{name}: {', '.join(words) or 'another order'}"]
    return [f"{name}: {_short(old)} → {_short(new)}"]


def _changed_lines(old: list[Any], new: list[Any]) -> str:
    """Of scripts, the first lines that went and came; empty where these are no scripts, or other things changed too."""
    if not all(isinstance(part, dict) and "text" in part for part in (*old, *new)):
        return ""
    before, after = ([line for part in parts for line in part["text"].splitlines()] for parts in (old, new))
    changed = [line for line in difflib.ndiff(before, after) if line[:2] in ("- ", "+ ") and line[2:].strip()]
    more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
    return "; ".join(_short(line) for line in changed[:2]) + more


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}…"


def point_link(place: Place) -> None:
    """Let the stable name point at this artefact; a real file of the user's at that name is left alone."""
    if place.link.is_symlink() or not place.link.exists():
        link_whole(place.link, place.path)


def size_on_disk(path: Path) -> int:
    """Bytes allocated for a file, or for all below a folder (holes cost nothing)."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_blocks * 512
    return sum(os.lstat(os.path.join(root, name)).st_blocks * 512 for root, _, names in os.walk(path) for name in names)


def length_of(path: Path) -> int | None:
    """The length of a file; None for a folder."""
    there = path.stat()
    return None if stat.S_ISDIR(there.st_mode) else there.st_size


def now() -> str:
    """The time as facts.json holds it: UTC, whole seconds, ISO 8601."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat()


Waiting = Callable[[str], None]


@contextlib.contextmanager
def running(work: Path) -> Iterator[None]:
    """Held by every run: any number at once, but never beside a clean or a prune."""
    with _locked(work / LOCKS / "work", fcntl.LOCK_SH, what=f"the work folder {work}", wait_s=0):
        yield


@contextlib.contextmanager
def alone(work: Path) -> Iterator[None]:
    """Held by what removes artefacts: nothing else runs in this work folder meanwhile."""
    with _locked(work / LOCKS / "work", fcntl.LOCK_EX, what=f"the work folder {work}", wait_s=0):
        yield


@contextlib.contextmanager
def making(place: Place, *, wait_s: float = 4 * 3600, waiting: Waiting | None = None) -> Iterator[None]:
    """Held while one artefact is made; a second maker waits, and should then look whether it is there already."""
    name = f"{place.recipe}.{place.stage}-{place.key}"
    with _locked(place.work / LOCKS / name, fcntl.LOCK_EX, what=f"{place.path}", wait_s=wait_s, waiting=waiting):
        yield


@contextlib.contextmanager
def _locked(path: Path, how: int, *, what: str, wait_s: float, waiting: Waiting | None = None) -> Iterator[None]:
    """An flock: the kernel lets go of it when the holder dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BusyError(
                        f"{what} is in use",
                        why="another run of flight holds its lock",
                        fix="let it end, then run this again",
                    ) from None
                if waiting:
                    waiting(f"waiting for another run that makes {what}")
                time.sleep(0.2)
        yield
    finally:
        os.close(fd)
