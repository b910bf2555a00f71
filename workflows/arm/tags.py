"""What a resource in Azure says of itself: recipe, version, source commit, and who let which rules pass, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.run import run

MOST_TAG_CHARS: Final = 256
"""Source: Azure documentation, "Use tags to organize your Azure resources": limits of a tag's value."""


def origin_tags(
    recipe: str, version: str, *, folder: Path, overrides: Sequence[Mapping[str, Any]] = ()
) -> dict[str, str]:
    """The tags of what was made of a recipe in `folder`; the digest is added by whoever knows it."""
    return {"recipe": recipe, "version": version, "commit": source_commit(folder), **override_tags(overrides)}


def override_tags(overrides: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The overrides of a certificate as tags, cut to what a tag holds; none where there are none."""
    words = {
        "overridden": " ".join(rule for each in overrides for rule in each["rules"]),
        "overridden-by": "; ".join(dict.fromkeys(each["who"] for each in overrides)),
        "overridden-why": "; ".join(dict.fromkeys(each["why"] for each in overrides)),
    }
    return {name: value[:MOST_TAG_CHARS] for name, value in words.items() if value}


def source_commit(folder: Path) -> str:
    """The commit that a folder is at, `-dirty` where files differ from it; `unknown` where git knows none."""
    try:
        argv: list[str | Path] = ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return run(argv, why="find the source commit", timeout_s=30).out.strip() or "unknown"
    except ProgramError:
        return "unknown"


def compared_tags(there: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, tuple[str | None, str]]:
    """Pairs for `differing`: each wanted tag but the digest's, which is compared by its own name."""
    return {f"tag {name}": (there.get(name), value) for name, value in wanted.items() if name != "digest"}
