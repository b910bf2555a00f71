"""What may go: this version's artefacts, all of a recipe's, or all but the newest few. Knows exactly what is whose.

Only folders that carry facts of ours under their own name, or are named as an artefact is and carry none that can be
read, and links that point into them, are ever touched.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.artefact import Facts, all_artefacts, alone, size_on_disk, unreadable_artefacts
from flight.workflows.kit.arriving import MARK, remove, sweep

Known = tuple[Path, Facts]


@dataclass(frozen=True)
class Going:
    """One thing that would be, or was, removed: why, and the bytes it held."""

    path: Path
    why: str
    size_bytes: int


def plan_version(known: Iterable[Known], *, recipe: str, version: str) -> list[Known]:
    """The artefacts of one version, to the letter: alpha.2 never takes alpha.20."""
    return [(folder, facts) for folder, facts in known if (facts.recipe, facts.version) == (recipe, version)]


def plan_all(known: Iterable[Known], *, recipe: str) -> list[Known]:
    """Every artefact of a recipe, and what failed to become one; a recipe whose name merely begins alike is another."""
    return [(folder, facts) for folder, facts in known if facts.recipe == recipe]


def plan_old(known: Iterable[Known], *, keep: int, recipe: str = "") -> list[Known]:
    """All but the newest `keep` of each recipe's each stage, by when they were made.

    A folder without facts stays: the logs of a run that failed may lie in it.
    """
    kinds: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for folder, facts in known:
        if recipe in ("", facts.recipe) and facts.version:
            kinds[facts.recipe, facts.stage].append((folder, facts))
    newest_first = (sorted(kind, key=lambda one: (one[1].made_at, one[1].key), reverse=True) for kind in kinds.values())
    return sorted((one for kind in newest_first for one in kind[keep:]), key=lambda one: one[0])


def clean(work: Path, chosen: Iterable[Known], *, dry_run: bool) -> list[Going]:
    """Remove what was chosen, nobody else running meanwhile (BusyError otherwise); with `dry_run` only say what.

    Each recipe's in the order in which they were made: that of the walk.
    """
    with contextlib.nullcontext() if dry_run else alone(work):
        lies_there = dict(known_artefacts(work))
        going = [
            Going(folder, f"{facts.stage} {facts.recipe} {facts.version or '(no facts)'}", size_on_disk(folder))
            for folder, facts in sorted(chosen, key=lambda one: (one[1].recipe, one[1].version, one[1].made_at))
            if lies_there.get(folder) == facts  # a run may have ended in it since it was chosen
        ]
        if not dry_run:
            for one in going:
                _remove_artefact(one.path)
            _remove_leftovers(work)
    return going


def known_artefacts(work: Path) -> list[Known]:
    """What lies in the work folder; a list, since what is iterated over is about to be removed."""
    return [*all_artefacts(work), *unreadable_artefacts(work)]


def _remove_artefact(folder: Path) -> None:
    """Step aside first: an artefact half removed must not look whole."""
    aside = folder.with_name(f"{MARK}removed-{folder.name}")
    folder.rename(aside)
    remove(aside)


def _remove_leftovers(work: Path) -> None:
    """What a killed clean left, and links to what is gone."""
    for entry in work.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            sweep(entry)
        if entry.is_symlink() and not entry.exists() and not Path(entry.readlink()).is_absolute():
            entry.unlink()
