"""What the benchmark alone needs: azcopy by npm and az by pip, kept in work/cache/bench for the next run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from measure import TOP

from flight.workflows.rehearsal import install

CACHE: Final = TOP / "work" / "cache" / "bench"
AZCOPY: Final = "10.32.2"
AZ: Final = "2.91.0"
STAMP: Final = ".whole"


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, as `make` filled it once. Half of one is never taken for a whole one."""
    place = CACHE / name
    if not (place / STAMP).exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make(place)
        (place / STAMP).touch()
    return place


def azcopy() -> list[str]:
    """The program, from where Microsoft publishes it: some 100 MB."""

    def make(place: Path) -> None:
        npm = install.npm()
        environment = {**os.environ, "PATH": f"{Path(npm[0]).parent}:{os.environ['PATH']}"}
        package = f"@azure-tools/azcopy-linux@{AZCOPY}"
        _run([*npm, "install", "--prefix", str(place), "--no-audit", "--no-fund", package], environment)

    (program,) = kept(f"azcopy-{AZCOPY}", make).rglob("azcopy_linux_amd64")
    program.chmod(0o755)
    return [str(program)]


def az() -> list[str]:
    """The Azure CLI in a virtual environment of its own: some 700 MB, a minute."""

    def make(place: Path) -> None:
        _run([sys.executable, "-m", "venv", str(place)], dict(os.environ))
        _run([str(place / "bin" / "pip"), "install", "--quiet", f"azure-cli=={AZ}"], dict(os.environ))

    return [str(kept(f"az-{AZ}", make) / "bin" / "python"), "-m", "azure.cli"]


def _run(argv: Sequence[str], environment: dict[str, str]) -> None:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\nended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
