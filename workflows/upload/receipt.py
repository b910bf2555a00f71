"""Who a blob is, where it lies, what is kept of an upload: the values that this room's parts hand to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from flight.workflows.cloud.names import check_name
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.kept import of_its_types

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

SEAL = "sealed"
"""The metadata that is written last: the digest of what is wholly there."""


@dataclass(frozen=True)
class Identity:
    """What a blob holds, as its metadata says it: the digest and size of the VHD, and what made it."""

    digest: str
    size_bytes: int
    key: str
    recipe: str
    version: str

    def __str__(self) -> str:
        return f"{self.recipe} {self.version}, digest {short_digest(self.digest)}"

    def metadata(self, *, sealed: bool = False) -> dict[str, str]:
        """Names are C# identifiers and values ASCII, as metadata must be: anything else is percent-encoded."""
        values = {name: quote(str(value), safe=" +~:") for name, value in asdict(self).items()}
        return {**values, SEAL: self.digest} if sealed else values


@dataclass(frozen=True)
class BlobPlace:
    """Where a blob is: the whole of its destination."""

    cloud: str
    subscription: str
    account: str
    container: str
    name: str
    url: str


@dataclass(frozen=True)
class Remote:
    """A blob as it was found. `fence` is its sequence number: who created it last."""

    etag: str
    size_bytes: int
    fence: int
    metadata: Mapping[str, str]
    is_page_blob: bool = True

    @property
    def sealed(self) -> str:
        """The digest that its seal says; empty where there is no seal."""
        return self.metadata.get(SEAL, "")

    @property
    def digest(self) -> str:
        """The digest that it was created for; empty for a blob that is not flight's."""
        return self.metadata.get("digest", "")

    def holds(self, identity: Identity) -> bool:
        """Whether it is wholly there: sealed with this digest, and of this size."""
        return self.is_page_blob and self.sealed == identity.digest and self.size_bytes == identity.size_bytes

    def __str__(self) -> str:
        if not self.digest:
            return "a blob that flight did not make"
        made = " ".join(unquote(self.metadata.get(name, "?")) for name in ("recipe", "version"))
        state = "whole" if self.sealed else "not whole"
        return f"{made}, {state}, digest {short_digest(self.digest)}"


@dataclass(frozen=True)
class Receipt:
    """What is kept of an upload: where to, what, and what it cost. `sent_bytes` is 0 where it was there already."""

    place: BlobPlace
    etag: str
    digest: str
    size_bytes: int
    sent_bytes: int
    puts: int
    seconds: float
    client: str

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def load(cls, path: Path) -> Receipt:
        """Raises FlightError where the file is no receipt."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text())
            return of_its_types(cls(**{**raw, "place": of_its_types(BlobPlace(**raw["place"]))}))
        except (ValueError, TypeError, KeyError) as error:
            fix = "remove it, then run this again: nothing is sent where the blob is whole"
            raise FlightError(f"{path} is no receipt of an upload", why=str(error), fix=fix) from error


def short_digest(digest: str) -> str:
    """Enough of a digest for a person to tell two apart."""
    return digest.removeprefix("sha256:")[:12]


def place_in(cloud: Cloud, *, container: str, name: str) -> BlobPlace:
    """The place of a blob; ConfigError for a name that Azure would refuse."""
    check_name("storage account", cloud.account)
    check_name("container", container)
    check_name("blob", name)
    url = f"{cloud.storage}/{container}/{quote(name)}"
    return BlobPlace(cloud.name, cloud.subscription, cloud.account, container, name, url)
