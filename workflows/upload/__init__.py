"""A VHD becomes a page blob: only its data is sent, in parallel, and it is sealed when all of it has arrived.

plan       what is worth sending, as values
receipt    who a blob is, where it lies, what is kept of an upload
patience   trying one request again
service    the wire: the SDK's page blob client
transfer   the sending, the seal, the recheck
probe      may we upload there?
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows.cloud.names import blob_name
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.kept import of_its_types
from flight.workflows.kit.progress import Told, quiet
from flight.workflows.upload import transfer
from flight.workflows.upload.probe import check_may_upload
from flight.workflows.upload.receipt import BlobPlace, Identity, Receipt, place_in
from flight.workflows.upload.service import BlobService
from flight.workflows.upload.transfer import recheck, upload

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

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
    "upload",
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
            why=f"the facts.json beside it was edited: {error}",
            fix=f"remove the folder *-{key} in the work folder, then run this again: it is made anew",
        ) from error


def send(
    vhd: Path,
    *,
    cloud: Cloud,
    container: str,
    identity: Identity,
    connections: int = 8,
    replace: bool = False,
    told: Told = quiet,
) -> Receipt:
    """Bring a VHD to RECIPE-VERSION.vhd in the container, which is made where it is missing; errors as `upload` has."""
    to = place_in(cloud, container=container, name=blob_name(identity.recipe, identity.version))
    service = BlobService(cloud, to)
    return transfer.upload(
        vhd, to=to, identity=identity, service=service, connections=connections, replace=replace, told=told
    )


def look_again(receipt_at: Path, *, cloud: Cloud) -> tuple[str, ...]:
    """Every way in which the blob is not what the receipt in this file says, or not where the settings lead to."""
    receipt = Receipt.load(receipt_at)
    to = place_in(cloud, container=receipt.place.container, name=receipt.place.name)
    if to.url != receipt.place.url:
        return (f"the receipt is of {receipt.place.url}, and the settings lead to {to.url}",)
    return recheck(receipt, service=BlobService(cloud, to))
