"""What is kept of a version in a gallery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flight.workflows.gallery.wanted import Publishing, VersionPlace
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.kept import TORN, of_its_types


@dataclass(frozen=True)
class GalleryReceipt:
    """Where a version is, what it was made of, how it is given out, and how long that took.

    `definition` is what decides its definition, in Azure's words; `changed` is what was otherwise before.
    """

    place: VersionPlace
    id: str
    digest: str
    blob: str
    account: str
    definition: Mapping[str, Any]
    publishing: Publishing
    tags: Mapping[str, str]
    was_there: bool
    seconds: float
    changed: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def load(cls, path: Path) -> GalleryReceipt:
        """Raises FlightError where the file is no receipt."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            publishing = Publishing(**{**raw["publishing"], "regions": tuple(raw["publishing"]["regions"])})
            place = of_its_types(VersionPlace(**raw["place"]))
            return of_its_types(cls(**{**raw, "place": place, "publishing": of_its_types(publishing)}))
        except (ValueError, TypeError, KeyError) as error:
            fix = "remove it, then run this again: nothing is published where the version is there"
            raise FlightError(f"{path} is no receipt of a version in a gallery", why=TORN, fix=fix) from error
