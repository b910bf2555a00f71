"""What is made once and kept: a folder under the hash of what decides it, made under a lock, there wholly or not at all."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from flight.workflows.kit.arriving import arriving, remove, sweep

HERE = Path(__file__).parent
WORK = HERE.parents[3] / "work"
CACHE = WORK / "cache/test-disks"


def kept(called: str, sources: Sequence[str], make: Callable[[Path], None], *, cache: Path = CACHE) -> Path:
    """The folder that `make` fills. `sources` names the modules of this package whose text decides what comes of it.

    For root's eyes only: programs with a set-user-ID bit lie in some of them.
    """
    room = cache / called
    room.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o700)
    with open(room / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(room)
        made = room / _key(sources)
        if not made.is_dir():
            for old in room.glob("built-*"):
                remove(old)
            with arriving(made) as fresh:
                fresh.mkdir()
                make(fresh)
    return made


def _key(sources: Sequence[str]) -> str:
    texts = (HERE / f"{module}.py" for module in sources)
    return f"built-{hashlib.sha256(b''.join(path.read_bytes() for path in texts)).hexdigest()[:16]}"
