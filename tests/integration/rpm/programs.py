"""How programs are run here: their last words are in the error, their many arguments are not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def ran(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """What a program printed. `env` comes on top of our own. Raises OSError with its last words."""
    own = {**os.environ, "LC_ALL": "C", **(env or {})}
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", env=own, input=stdin)
    if done.returncode:
        said = f"{done.stdout[-2000:]}{done.stderr[-4000:]}".strip()
        raise OSError(f"{' '.join(map(str, argv[:6]))} … ended with {done.returncode}:\n{said}")
    return done.stdout
