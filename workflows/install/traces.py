"""What a build leaves in a system and belongs to no image: taken out by pattern, logs emptied."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from flight.workflows.kit.arriving import remove


def take_out(root: Path, patterns: Iterable[str]) -> None:
    """Remove what the patterns name below `root`, and empty every log. Called with the tree for /."""
    for pattern in patterns:
        for path in root.glob(pattern):
            remove(path)
    for path in (root / "var/log").rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "README":
            os.truncate(path, 0)
