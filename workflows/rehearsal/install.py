"""Installs Azurite into the virtual environment: `flight rehearsal install`.

Every package is pinned, with the digest it must have, by npm/package-lock.json; where they come from is for npm's own
configuration to say. No package's install script runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from flight.workflows.kit.arriving import arriving, sweep
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.run import run
from flight.workflows.rehearsal import azurite

PINNED = Path(__file__).parent / "npm"
STAMP = ".flight-lock"
TIMEOUT_S = 1800
PASSED_ON = frozenset({"npm_config_registry", "npm_config_cafile", "npm_config_userconfig", "npm_config_globalconfig"})
"""How npm is told, by environment, where packages come from."""


def install(*, log_to: Path | None = None) -> bool:
    """Bring what the lock file pins; False where just that is there already.

    Raises ProgramError with npm's last words. Half an installation is never taken for a whole one.
    """
    place, wanted = azurite.installed_at(), lock_digest()
    if is_installed():
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    sweep(place.parent)
    with arriving(place) as fresh:
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINNED / name, fresh / name)
        run(
            [
                *npm(),
                "ci",
                "--ignore-scripts",
                "--omit=dev",
                "--no-audit",
                "--no-fund",
                "--prefer-offline",
                "--loglevel=error",
            ],
            why="install Azurite",
            cwd=fresh,
            env={**dict(_told()), "PATH": f"{Path(azurite.bundled_node()).parent}:{os.environ.get('PATH', '')}"},
            log_to=log_to,
            timeout_s=TIMEOUT_S,
            fix="look at npm's words above; behind a mirror: npm config set registry URL",
        )
        (fresh / STAMP).write_text(wanted)
    return True


def is_installed() -> bool:
    """Is there just what the lock file pins?"""
    try:
        return (azurite.installed_at() / STAMP).read_text() == lock_digest() and azurite.program().is_file()
    except OSError:
        return False


def lock_digest() -> str:
    return hashlib.sha256((PINNED / "package-lock.json").read_bytes()).hexdigest()


def npm() -> list[str]:
    """npm as the bundled Node.js brings it."""
    node = Path(azurite.bundled_node())
    return [str(node), str(node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _told() -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in os.environ.items() if name.lower() in PASSED_ON)


def tell(news: bool) -> str:
    """What a person hears of it."""
    return f"Azurite {'is installed' if news else 'was installed already'}: {azurite.installed_at()}"


def main() -> int:
    try:
        news = install()
    except FlightError as error:
        print(error, file=sys.stderr)
        return 1
    print(tell(news))
    return 0


if __name__ == "__main__":
    sys.exit(main())
