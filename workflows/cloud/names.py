"""Azure's rules for names, checked before anything is asked of Azure.

Sources: "Naming rules and restrictions for Azure resources"; "Naming and Referencing Containers, Blobs, and Metadata".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flight.workflows.kit.errors import ConfigError
from flight.workflows.settings import Azure


@dataclass(frozen=True)
class Rule:
    """What a kind of name may look like: a pattern for the whole of it, its longest length, and both in words."""

    pattern: str
    most: int
    words: str

    def holds(self, name: str) -> bool:
        return len(name) <= self.most and re.fullmatch(self.pattern, name) is not None


RULES: Final = {
    "storage account": Rule(r"[a-z0-9]{3,}", 24, "3 to 24 lower-case letters and digits"),
    "container": Rule(
        r"(?=.{3})[a-z0-9]+(-[a-z0-9]+)*", 63, "3 to 63 lower-case letters, digits and single hyphens between them"
    ),
    "blob": Rule(
        r"[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9_-]|[A-Za-z0-9]",
        1024,
        "letters, digits, '.', '_' and '-'; it starts with a letter or digit and does not end with a dot",
    ),
    "image": Rule(
        r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?",
        80,
        "up to 80 letters, digits, '.', '_' and '-'; it starts with a letter or digit and ends with one, or with '_'",
    ),
    "gallery": Rule(
        r"[A-Za-z0-9]([A-Za-z0-9._]*[A-Za-z0-9])?",
        80,
        "up to 80 letters, digits, '.' and '_'; it starts and ends with a letter or digit",
    ),
    "image definition": Rule(
        r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
        80,
        "up to 80 letters, digits, '.', '_' and '-'; it starts and ends with a letter or digit",
    ),
    "SKU": Rule(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]", 64, "up to 64 letters, digits, '.', '_' and '-', no dot at its end"),
    "resource group": Rule(
        r"[\w.()-]*[\w()-]", 90, "up to 90 letters, digits, '.', '_', '-' and parentheses; it does not end with a dot"
    ),
    "subscription": Rule(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", 36, "the id of a subscription, a UUID"),
    "location": Rule(r"[a-z0-9]+", 90, "a region's short name, like westeurope"),
}


THE_REHEARSALS: Final = {"subscription": Azure.subscription, "account": Azure.account}
"""What [azure] holds until somebody names their own; no real cloud has these."""


def not_named(given: Mapping[str, str]) -> list[str]:
    """Which settings for a real cloud still are the rehearsal's."""
    return [name for name, own in THE_REHEARSALS.items() if given.get(name) == own]


def check_name(kind: str, name: str) -> str:
    """The name itself; a ConfigError with the rule in words where Azure would refuse it."""
    rule = RULES[kind]
    if not rule.holds(name):
        raise ConfigError(
            f"'{name}' is no name for {'an' if kind[0] in 'aeiou' else 'a'} {kind} in Azure",
            fix=f"give {rule.words}",
        )
    return name


def blob_name(recipe: str, version: str) -> str:
    """RECIPE-VERSION.vhd, with what a name may not hold (a '~' or '+' of a version) turned into hyphens."""
    return check_name("blob", f"{_tame(recipe, version)}.vhd")


def image_name(recipe: str, version: str) -> str:
    """RECIPE-VERSION, tamed as the blob's name is."""
    return check_name("image", _tame(recipe, version))


def release_container(recipe: str, version: str) -> str:
    """release-RECIPE-VERSION, tamed to a container's rules; what is too long ends in a hash of the whole of it."""
    name = re.sub(r"[^a-z0-9]+", "-", f"release-{recipe}-{version}".lower()).strip("-")
    if len(name) > RULES["container"].most:
        name = f"{name[:54].strip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return check_name("container", name)


def release_container_of(blob: str, url: str) -> str:
    """release-NAME-HASH for a blob that no recipe made: names that are tamed alike have another address."""
    name = re.sub(r"[^a-z0-9]+", "-", f"release-{blob}".lower())
    return check_name("container", f"{name[:54].strip('-')}-{hashlib.sha256(url.encode()).hexdigest()[:8]}")


def _tame(recipe: str, version: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{recipe}-{version}")
