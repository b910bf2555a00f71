"""A folder for the time of a block; what a kill left of another one is removed by the next who makes one there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flight.workflows.kit.arriving import MARK, remove


@contextlib.contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A fresh folder in `parent` (made where it is missing), gone when the block ends in any way but a kill.

    Whoever lives holds a lock on theirs: what can be locked here belongs to nobody any more.
    """
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{MARK}{name}-"
    for left in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
            remove(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
    try:
        with _locked(folder, fcntl.LOCK_EX):
            folder.mkdir(mode=0o700, exist_ok=True)  # swept between the making and the locking
            yield folder
    finally:
        remove(folder)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
