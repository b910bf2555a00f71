"""The blob that a delta starts from: one that is sealed, was not touched since, and whose map of blocks can be believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.errors import ConfigError, FlightError, RemoteError
from flight.workflows.upload.blockmap import BlockMap, from_bytes, seal_of
from flight.workflows.upload.plan import Span
from flight.workflows.upload.receipt import MAP, BlobPlace, Remote

if TYPE_CHECKING:
    from flight.workflows.upload.job import Warned
    from flight.workflows.upload.service import Service

Open = Callable[[BlobPlace], "Service"]
"""The service of another blob of the same account."""
TOUCHED: Final = "it was written to since it was sealed"
UNFINISHED: Final = "its map was never finished; uploading it again does that"
ALL: Final = "all is sent"
MOST_LOOKED_AT: Final = 3
"""Of the newest blobs of a type: an older one is too far from tonight's image."""


@dataclass(frozen=True)
class Base:
    """What a delta starts from. `pages` are those that the service lists of it."""

    place: BlobPlace
    etag: str
    size_bytes: int
    blocks: BlockMap
    pages: tuple[Span, ...]


def base_at(place: BlobPlace, *, size_bytes: int | None, open_service: Open, warned: Warned) -> Base | None:
    """The base that a person named; None, and a line, where its map cannot be believed.

    Raises RemoteError where there is no such blob, ConfigError where it is larger than the image.
    """
    service = open_service(place)
    there = service.look()
    if there is None:
        raise RemoteError(
            f"there is no base {place.url}",
            why="the container holds no blob of this name",
            fix="name another one, or none: then the newest of the same image type is taken, or all is sent",
        )
    if size_bytes is not None and there.size_bytes > size_bytes:
        raise ConfigError(
            f"{place.url} is no base for this image",
            why=f"it has {there.size_bytes} bytes, and the image only {size_bytes}",
            fix="name a base that is not larger, or none",
        )
    return _believed(place, there, service, lambda doubt: warned(f"{doubt}: {ALL}"))


def check_base(base: BlobPlace, to: BlobPlace, *, is_pipe: bool = False) -> None:
    """Raises ConfigError for a base that would be of no use: of another account, the very blob; any, for a pipe."""
    if is_pipe:
        raise ConfigError(
            "what comes through a pipe has no base",
            why="what is new in it is known only when all of it was read, and it is read once",
            fix="save it to a file and give that, or leave --base out",
        )
    if (base.cloud, base.account) != (to.cloud, to.account):
        raise ConfigError(
            f"{base.url} is no base for {to.url}",
            why="the service copies within one storage account",
            fix=f"name a blob of the account {to.account}, or none",
        )
    if base == to:
        raise ConfigError(
            f"{to.url} cannot be its own base",
            why="it is read from while it is written over",
            fix="name another blob, or none",
        )


def newest_base(
    recipe: str, *, but_not: BlobPlace, size_bytes: int, service: Service, open_service: Open, warned: Warned
) -> Base | None:
    """The newest sealed blob of an image type, in the container of the one that is to be; None where none will do."""
    candidates = (
        (place, there)
        for place, there in service.newest(recipe=recipe)
        if place != but_not and there.size_bytes <= size_bytes
    )
    doubts: list[str] = []
    for (place, there), _ in zip(candidates, range(MOST_LOOKED_AT), strict=False):
        if found := _believed(place, there, open_service(place), doubts.append):
            break
    else:
        found = None
    for doubt in doubts:
        warned(f"{doubt}: {f'{found.place.name} is taken' if found else ALL}")
    return found


def _believed(place: BlobPlace, there: Remote, service: Service, doubted: Callable[[str], None]) -> Base | None:
    try:
        found = map_beside(place, there, service)
    except FlightError as error:
        found = Known(None, error.what)
    doubt = found.doubt or (TOUCHED if found.is_other(there) else UNFINISHED if found.etag != there.etag else "")
    if found.blocks is None or doubt:
        doubted(f"{place.name} is no base: {doubt}")
        return None
    return Base(place, there.etag, there.size_bytes, found.blocks, service.ranges())


@dataclass(frozen=True)
class Known:
    """The map beside a sealed blob, or why there is none to believe; `etag`: the blob's, when the map was made.

    The ETag is empty where who made the map was stopped before its last word.
    """

    blocks: BlockMap | None
    doubt: str = ""
    etag: str = ""

    def is_other(self, there: Remote) -> bool:
        """Whether the blob is known to have been written to since."""
        return bool(self.etag) and self.etag != there.etag


def map_beside(place: BlobPlace, there: Remote, service: Service) -> Known:
    """What is known of a blob's blocks; that nobody wrote to it since, only its ETag says."""
    if not there.is_page_blob or not there.sealed:
        return Known(None, "it is not sealed")
    if (found := service.get_map(place.name)) is None:
        return Known(None, "there is no map of its blocks beside it")
    raw, marks = found
    if seal_of(raw) != there.metadata.get(MAP):
        return Known(None, "the map beside it is of another blob, or was changed")
    try:
        return Known(from_bytes(raw), etag=marks.get("etag", ""))
    except ValueError:
        return Known(None, "its map cannot be read")
