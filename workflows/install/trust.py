"""Logins and signing keys of package sources: a recipe names where they are, and never holds a secret itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from flight.workflows.kit.errors import ConfigError


def variable(name: str, repository: str, environment: Mapping[str, str]) -> str:
    """What the environment variable `name` holds (nothing for no name). Raises ConfigError where it is not set."""
    if name and not environment.get(name):
        raise ConfigError(
            f"the repository '{repository}' needs a login, and the environment variable {name} is not set",
            why="a recipe names where its credentials come from and never holds them",
            fix=f"set {name} and run it again",
        )
    return environment.get(name, "") if name else ""


def read_key(path: Path, *, sha256: str, named: str, fix: str = "put the key there, or correct the recipe") -> bytes:
    """A source's public key. Raises ConfigError where it is missing, or another one than the recipe says."""
    if not path.is_file():
        raise ConfigError(
            f"the signing key of {named} is not here: {path}",
            why="packages are only taken under the signature of a known key",
            fix=fix,
        )
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if sha256 and found != sha256.lower():
        raise ConfigError(
            f"the signing key of {named} is another one: {path}",
            why=f"its SHA-256 is {found}, the recipe says {sha256}",
            fix="fetch the key anew from a source you trust, or correct the recipe",
        )
    return raw
