"""Who a blob is, where it lies, what is kept of an upload: the values that this room's parts hand to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from flight.workflows.cloud.names import check_name
from flight.workflows.kit.errors import ConfigError, FlightError
from flight.workflows.kit.kept import TORN, of_its_types
from flight.workflows.kit.text import quoted

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

SEAL = "sealed"
"""The metadata that is written last: the digest of what is wholly there."""
MAP = "map"
"""Written with the seal: the SHA-256 of the map of blocks that lies beside the blob."""
ANY_LENGTH: Final = 1 << 40
"""What a blob is made as while a pipe does not say how long it is; only pages that are written cost."""
MAP_SUFFIX: Final = ".map"
"""That map's name is the blob's and this."""


@dataclass(frozen=True)
class Identity:
    """What a blob holds, as its metadata says it: the digest and size of the VHD, and what made it.

    The digest is empty, the size 0, where they are not known before all is read; the key where no stage made it.
    """

    digest: str
    size_bytes: int
    key: str
    recipe: str
    version: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.recipe, self.version))) + (
            f", digest {short_digest(self.digest)}" if self.digest else ""
        )

    def metadata(self, *, sealed: bool = False) -> dict[str, str]:
        """Names are C# identifiers and values ASCII, as metadata must be: anything else is percent-encoded."""
        values = {name: quote(str(value), safe=" +~:") for name, value in asdict(self).items() if value}
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
    """A blob as it was found.

    `lease_state` is "leased", "expired", "breaking", "broken", or empty where nobody holds one; `lease_duration` of a
    leased one "fixed" or "infinite". `copy_status` is empty where the blob was never the destination of a copy, else
    "pending", "success", "aborted" or "failed". `content_md5` is in hex, empty where the blob says none.
    """

    etag: str
    size_bytes: int
    metadata: Mapping[str, str]
    is_page_blob: bool = True
    lease_state: str = ""
    lease_duration: str = ""
    copy_status: str = ""
    content_md5: str = ""

    @property
    def upload(self) -> str:
        """Which upload made it, a UUID; empty for a blob that is not flight's."""
        return self.metadata.get("upload", "")

    @property
    def writer(self) -> str:
        """Who writes it, or did: `user@host pid 4711, since 2026-11-23T14:00:00+00:00`; empty where that is not said."""
        return unquote(self.metadata.get("writer", ""))

    @property
    def is_leased(self) -> bool:
        """Whether nobody may write to it without the id of its lease."""
        return self.lease_state in ("leased", "breaking")

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
        if not self.digest and not self.upload:
            return "a blob that flight did not make"
        made = " ".join(unquote(self.metadata[name]) for name in ("recipe", "version") if name in self.metadata)
        digest = f"digest {short_digest(self.digest)}" if self.digest else ""
        return ", ".join(filter(None, (made, "sealed" if self.sealed else "not sealed", digest)))


@dataclass(frozen=True)
class Receipt:
    """What is kept of an upload: where to, what, and what it cost. `sent_bytes` is 0 where it was there already.

    `moved_bytes` were written by the service itself, from the blob `base` (its URL); `found_bytes` are of a try that was
    killed. `overrides` of the certificate that it went out under: {rules, who, why} each.
    """

    place: BlobPlace
    etag: str
    digest: str
    size_bytes: int
    sent_bytes: int
    puts: int
    seconds: float
    client: str
    overrides: list[dict[str, Any]] = field(default_factory=list)
    moved_bytes: int = 0
    found_bytes: int = 0
    base: str = ""
    was_there: bool = False

    def bytes_by_fate(self) -> dict[str, int]:
        """What became of the bytes that were not holes, and not there before."""
        return {"sent_bytes": self.sent_bytes, "moved_bytes": self.moved_bytes, "found_bytes": self.found_bytes}

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
            raise FlightError(f"{path} is no receipt of an upload", why=TORN, fix=fix) from error


def short_digest(digest: str) -> str:
    """Enough of a digest for a person to tell two apart."""
    return digest.removeprefix("sha256:")[:12]


def place_in(cloud: Cloud, *, container: str, name: str) -> BlobPlace:
    """The place of a blob; ConfigError for a name that Azure would refuse."""
    check_name("storage account", cloud.account)
    check_name("container", container)
    check_name("blob", name)
    if name.endswith(MAP_SUFFIX):
        raise ConfigError(
            f"a blob cannot be called '{quoted(name)}'",
            why=f"what ends in {MAP_SUFFIX} is the map of the blocks of another blob",
            fix="give another name, like disk-1.0.vhd",
        )
    url = f"{cloud.storage}/{container}/{quote(name)}"
    return BlobPlace(cloud.name, cloud.subscription, cloud.account, container, name, url)
