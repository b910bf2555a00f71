"""A disk becomes a page blob: what an earlier try or an older blob has is not sent again, and the end is a proof.

plan, delta, blockmap   what is to be done, as values
source, pipe, disk      what is sent: a fixed VHD, or a raw disk that gains its footer on the way
ledger, journal         what was done so far, whatever killed us
service, wire, pace     the few requests, spoken by the SDK's own client
opening, sending        the blob taken up or made; the senders
finding, transfer       what is there already; the whole way
proof, sealing          its end: all is there, and the blob says so
base, verify            an older blob to start from; a blob looked at again
command                 `flight upload` and `flight verify`
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.cloud.names import blob_name
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.kept import of_its_types
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.upload import transfer
from flight.workflows.upload.base import Base, base_at, check_base, newest_base
from flight.workflows.upload.job import Job
from flight.workflows.upload.ledger import Ledger
from flight.workflows.upload.pace import Pace
from flight.workflows.upload.pipe import PipeSource, is_pipe, open_pipe
from flight.workflows.upload.probe import check_may_upload
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, place_in
from flight.workflows.upload.service import BlobService, Service
from flight.workflows.upload.source import FileSource, open_source
from flight.workflows.upload.verify import recheck

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud
    from flight.workflows.recipe.values import Override

LOG = logging.getLogger("luigi-interface")
AHEAD: Final = 2
"""So many more senders than requests on their way at once: they read and hash meanwhile."""

__all__ = [
    "BlobPlace",
    "Identity",
    "Receipt",
    "check_may_upload",
    "identity",
    "look_again",
    "place_in",
    "recheck",
    "send",
    "send_disk",
]


def identity(found: Mapping[str, Any], *, key: str, recipe: str, version: str) -> Identity:
    """Who a VHD is, from what was found while it was made (`digest`, `file_bytes`) and the key of that artefact.

    Raises FlightError where that is not known.
    """
    try:
        return of_its_types(Identity(found["digest"], found["file_bytes"], key, recipe, version))
    except (KeyError, TypeError) as error:
        raise FlightError(
            "it is not known which VHD is to be uploaded",
            why="the facts.json beside it was edited: it does not say the VHD's digest and length",
            fix=f"remove the folder *-{key} in the work folder, then run this again: it is made anew",
        ) from error


def send(
    vhd: Path,
    *,
    cloud: Cloud,
    container: str,
    identity: Identity,
    ledgers: Path,
    overrides: Sequence[Override] = (),
    told: Told = quiet,
    **how: Any,
) -> Receipt:
    """Bring a recipe's VHD to RECIPE-VERSION.vhd in the container; errors as `upload` has.

    `overrides` of its certificate go into the receipt; `how`: as `send_disk` has it.
    """
    to = place_in(cloud, container=container, name=blob_name(identity.recipe, identity.version))
    receipt = send_disk(vhd, cloud=cloud, to=to, identity=identity, ledgers=ledgers, told=told, **how)
    return dataclasses.replace(receipt, overrides=[dataclasses.asdict(each) for each in overrides])


def send_disk(
    disk: Path,
    *,
    cloud: Cloud,
    to: BlobPlace,
    identity: Identity,
    ledgers: Path,
    base: BlobPlace | None = None,
    full: bool = False,
    connections: int = 8,
    replace: bool = False,
    md5: bool = True,
    content_md5: bool = False,
    told: Told = quiet,
) -> Receipt:
    """Bring a disk (a fixed VHD, a raw disk, a pipe) to a blob. `ledgers` is the folder with the journals of uploads.

    It starts from `base`, or from the newest sealed blob of the same recipe; `full`: from none. `md5`: each page run with
    its own; `content_md5`: the blob says that of the whole. Errors as `upload` has.
    """

    def open_service(place: BlobPlace) -> Service:
        return BlobService(cloud, place, pace=Pace(connections, connections), md5=md5, warned=LOG.warning)

    if base is not None:
        check_base(base, to, is_pipe=is_pipe(disk))
    service = open_service(to)

    def find_base(size_bytes: int) -> Base | None:
        asking: Any = {"size_bytes": size_bytes, "open_service": open_service, "warned": LOG.warning}
        if base is not None:
            return base_at(base, **asking)
        return None if full else newest_base(identity.recipe, but_not=to, service=service, **asking)

    with _source(disk) as source, Ledger.open(ledger_path(ledgers, to)) as ledger:
        return transfer.upload(
            Job(
                source, to, identity, service, ledger,
                senders=connections + AHEAD, replace=replace, content_md5=content_md5, find_base=find_base, told=told,
                warned=LOG.warning,
            )
        )  # fmt: skip


def ledger_path(folder: Path, to: BlobPlace) -> Path:
    """Where the journal of the uploads to a blob lies: one for each address."""
    return folder / f"{hashlib.sha256(to.url.encode()).hexdigest()[:16]}.ledger"


@contextlib.contextmanager
def _source(disk: Path) -> Iterator[FileSource | PipeSource]:
    if is_pipe(disk):
        with open_pipe(disk) as pipe:
            yield pipe
    else:
        with open_source(disk) as file:
            yield file


def look_again(receipt_at: Path, *, cloud: Cloud) -> tuple[str, ...]:
    """Every way in which the blob is not what the receipt in this file says, or not where the settings lead to."""
    receipt = Receipt.load(receipt_at)
    to = place_in(cloud, container=receipt.place.container, name=receipt.place.name)
    if to.url != receipt.place.url:
        return (f"the receipt is of {receipt.place.url}, and the settings lead to {to.url}",)
    return recheck(receipt, service=BlobService(cloud, to))
