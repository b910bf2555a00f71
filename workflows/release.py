"""What Partner Center is given: a copy of the uploaded blob in a container of its own, and a SAS to read and list that.

The key that signs is fetched for this one signature and kept nowhere; whoever has the SAS can read the image until it ends.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.arm.account import Account, find_account, first_key
from flight.workflows.cloud.endpoint import CONNECT_S, REHEARSAL
from flight.workflows.cloud.names import release_container, release_container_of
from flight.workflows.cloud.refusal import refused
from flight.workflows.kit.errors import ConfigError, RemoteError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.kit.secret import MASK, Secret
from flight.workflows.upload.copying import settled
from flight.workflows.upload.finding import sealed_at
from flight.workflows.upload.patience import Patience
from flight.workflows.upload.receipt import SEAL, BlobPlace, Receipt, place_in
from flight.workflows.upload.service import BaseUnfit, BlobService, Service
from flight.workflows.upload.verify import not_as_uploaded, read_back

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud
    from flight.workflows.upload.receipt import Remote

LEAST_DAYS: Final = 21
"""Source: Microsoft, "Generate a SAS URI for a VM image": three weeks at least; read and list; a start the day before."""
DAYS: Final = 30
SAS_MORE: Final = "\n".join(
    (
        "Of a recipe's image, which UploadBlob (or the whole walk, UploadImage) sent; or of what `flight upload` sent.",
        "",
        "  flight sas                                              of [image] recipe and version in luigi.cfg",
        "  flight sas flight-compute-debian13 --version 1.2.0 --days 60",
        "  flight sas --blob myaccount/images/disk-1.0.vhd         of any blob that is whole and sealed",
    )
)
MOST_DAYS: Final = 366
EARLIER: Final = dt.timedelta(days=1)
BY_GALLERY: Final = "publish through a gallery instead: luigi --module flight.workflows PublishImage"
FOREIGN: Final = "flight-must-not-write"
"""The blob that the SAS is tried to write, and must not be able to."""

OpenService = Callable[[BlobPlace], Service]
OpenSigned = Callable[[str, Secret], Any]
"""The SDK's client for a container, with nothing but a SAS."""


@dataclass(frozen=True)
class Release:
    """A SAS that was made and tried. `url` leads to the blob; the SAS itself is the container's."""

    url: Secret
    place: BlobPlace
    starts: dt.datetime
    ends: dt.datetime
    was_there: bool

    def lines(self) -> Iterator[str]:
        """What to know of it, without it."""
        made = "was there already" if self.was_there else "was copied there"
        yield f"{self.place.name} {made}: container '{self.place.container}', which holds nothing else"
        yield f"the SAS lets it be read and listed, not written, from {_moment(self.starts)} to {_moment(self.ends)}"
        yield "whoever has it can read the image until then; a new key for the account ends it sooner"
        if self.place.cloud == REHEARSAL:
            yield "it leads to the rehearsal on this machine: Partner Center wants one of a real account (--cloud public)"


def release_recipe(
    receipt_at: Path,
    *,
    cloud: Cloud,
    recipe: str,
    version: str,
    days: int = DAYS,
    replace: bool = False,
    told: Told = quiet,
) -> Release:
    """The SAS of a recipe's uploaded blob; `receipt_at` is what UploadBlob left. Errors as `release` has."""
    if not receipt_at.is_file():
        raise not_uploaded(recipe, version)
    blob = Receipt.load(receipt_at)
    there = place_in(cloud, container=blob.place.container, name=blob.place.name)
    if there.url != blob.place.url:
        raise ConfigError(
            f"version {version} of {recipe} is uploaded elsewhere",
            why=f"the receipt is of {blob.place.url}, and the settings lead to {there.url}",
            fix="set [azure] to where it is, or upload it there",
        )
    return release(
        blob, cloud=cloud, container=release_container(recipe, version), days=days, replace=replace, told=told
    )


def release_blob(
    place: BlobPlace, *, cloud: Cloud, days: int = DAYS, replace: bool = False, told: Told = quiet
) -> Release:
    """The SAS of what `flight upload` sent there. Errors as `release` has; RemoteError where it is not whole, or touched."""
    blob = sealed_at(place, BlobService(cloud, place))
    container = release_container_of(PurePosixPath(place.name).stem, place.url)
    return release(blob, cloud=cloud, container=container, days=days, replace=replace, told=told)


def not_uploaded(recipe: str, version: str) -> ConfigError:
    return ConfigError(
        f"version {version} of {recipe} is not uploaded yet",
        fix=f"luigi --module flight.workflows UploadBlob --recipe {recipe} --version {version}",
    )


def release(
    blob: Receipt,
    *,
    cloud: Cloud,
    container: str,
    days: int = DAYS,
    replace: bool = False,
    now: dt.datetime | None = None,
    told: Told = quiet,
    open_service: OpenService | None = None,
    open_signed: OpenSigned | None = None,
    compute: Any = None,
) -> Release:
    """Copy an uploaded blob to `container`, where it is not there yet, and sign a SAS for `days` from now.

    The last three take the places of the SDK's clients. Raises ConfigError for days that Partner Center would not take,
    RemoteError where keys are off, where Azure refuses, where another image is there and `replace` is not said, or
    where the SAS does not do what it should.
    """
    starts, ends = window(days, now or dt.datetime.now(dt.UTC))
    account = find_account(cloud, compute)
    if not account.allows_keys:
        raise RemoteError(
            f"the storage account '{account.name}' signs no SAS that lasts {days} days",
            why="its shared keys are off (allowSharedKeyAccess), and what a login signs lasts 7 days at most",
            fix=BY_GALLERY,
        )
    key = first_key(account, cloud, compute)
    to = place_in(cloud, container=container, name=blob.place.name)
    service = open_service(to) if open_service else BlobService(cloud, to)
    source = open_service(blob.place) if open_service else BlobService(cloud, blob.place)
    sas = sign(account, key, container=container, starts=starts, ends=ends, is_real=not cloud.is_rehearsal)
    with open_signed(container, sas) if open_signed else _with_sas(cloud, container, sas) as signed:
        check_own(signed, to, cloud=cloud)
        was_there = _put_there(blob, to, source=source, service=service, replace=replace, told=told)
        told(Progress(what="trying what was signed"))
        check_signed(signed, to, size_bytes=blob.size_bytes, cloud=cloud)
    return Release(Secret(f"{to.url}?{sas.reveal()}"), to, starts, ends, was_there)


def window(days: int, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """From when to when a SAS holds, in whole seconds; ConfigError for less than Partner Center takes."""
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise ConfigError(
            f"a SAS of {days} days is refused",
            why="Partner Center wants three weeks at least; who holds it can read the image as long as it lasts",
            fix=f"give --days from {LEAST_DAYS} to {MOST_DAYS}",
        )
    at = now.astimezone(dt.UTC).replace(microsecond=0)
    return at - EARLIER, at + dt.timedelta(days=days)


def sign(
    account: Account, key: Secret, *, container: str, starts: dt.datetime, ends: dt.datetime, is_real: bool
) -> Secret:
    """A container's SAS to read and list; only over https where Azure is real."""
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    only: dict[str, Any] = {"protocol": "https"} if is_real else {}
    permission = ContainerSasPermissions(read=True, list=True)
    return Secret(
        generate_container_sas(
            account.name, container, key.reveal(), permission=permission, start=starts, expiry=ends, **only
        )
    )


def check_own(signed: Any, place: BlobPlace, *, cloud: Cloud) -> None:
    """The container holds nothing but the blob, or is not there yet; before anything is copied to it."""
    with _hushed(f"list the container '{place.container}' with the SAS that was signed", cloud):
        names = _asking().ask(lambda: _names(signed))
    if others := ", ".join(name for name in names if name != place.name):
        raise RemoteError(
            f"the container '{place.container}' is not the release's own",
            why=f"besides {place.name} it holds: {others}",
            fix="remove what does not belong there: the SAS would give it away as well",
        )


def check_signed(signed: Any, place: BlobPlace, *, size_bytes: int, cloud: Cloud) -> None:
    """Try what was signed: the blob is there, it is alone in the container, and nothing can be written."""
    check_own(signed, place, cloud=cloud)
    with _hushed(f"read {place.url} with the SAS that was signed", cloud):
        client = signed.get_blob_client(place.name)
        found = _asking().ask(lambda: client.get_blob_properties(connection_timeout=CONNECT_S))
        may_write = _asking().ask(lambda: _may_write(signed))
    if found.size != size_bytes:
        raise RemoteError(
            f"{place.url} changed while it was signed for",
            why=f"it has {found.size} bytes, not {size_bytes}",
            fix="find out who writes to it, then run this again",
        )
    if may_write:
        raise RemoteError(
            f"the SAS of '{place.container}' lets be written, and was thrown away",
            why=f"{FOREIGN} could be put there",
            fix="remove that blob, and look at the container's access policies",
        )


def _asking() -> Patience:
    return Patience(tries=3, hopeful=False)


def _names(signed: Any) -> list[str]:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return sorted(one.name for one in signed.list_blobs(connection_timeout=CONNECT_S))
    except ResourceNotFoundError:
        return []


def _may_write(signed: Any) -> bool:
    from azure.core.exceptions import HttpResponseError

    try:
        signed.get_blob_client(FOREIGN).upload_blob(b"", connection_timeout=CONNECT_S)
    except HttpResponseError as error:
        if error.status_code == 403:
            return False
        raise
    return True


def _put_there(blob: Receipt, to: BlobPlace, *, source: Service, service: Service, replace: bool, told: Told) -> bool:
    """Whether the blob was in its place already; else the service copies it, and it is sealed when it has."""
    told(Progress(what=f"looking at {to.url}"))
    there = settled(service, service.look(), told=told)
    if there is not None and _is_whole(there, blob) and _holds_it(there, service, told):
        return True
    if there is not None and there.digest != blob.digest and not replace:
        raise RemoteError(
            f"{to.url} is there already, and is another image",
            why=f"there: {there}; wanted: {blob.digest}",
            fix="give the image another version or name; or add --replace, if no offer under review is made of it",
        )
    metadata = _metadata(source, blob)
    try:
        etag = service.copy(
            blob.place, metadata=metadata, over=there.etag if there else None, etag=blob.etag, told=told
        )
    except BaseUnfit as error:
        raise not_as_uploaded(blob, why=error.why) from error
    service.describe({**metadata, SEAL: blob.digest}, under=etag, lease="")
    there = service.look()
    if there is None or not _is_whole(there, blob):
        raise RemoteError(
            f"{to.url} is not what was copied", why=f"it is {there or 'gone'}", fix="run this again: it is copied anew"
        )
    return False


def _metadata(source: Service, blob: Receipt) -> Mapping[str, str]:
    """The source's own, with neither its seal nor its map; the copy is an upload of its own."""
    there = source.look()
    if there is None or not _is_whole(there, blob):
        raise not_as_uploaded(blob, why=f"it is {there or 'gone'}")
    if there.etag != blob.etag:
        raise not_as_uploaded(blob, why="somebody wrote to it since: its ETag is another one")
    kept = {name: value for name, value in there.metadata.items() if name not in (SEAL, "map")}
    return {**kept, "upload": str(uuid.uuid4())}


def _holds_it(there: Remote, service: Service, told: Told) -> bool:
    """Whether a copy of weeks ago still holds what was sealed: nothing but its bytes tells that."""
    return read_back(service.ranges(), size=there.size_bytes, service=service, told=told).digest() == there.sealed


def _is_whole(there: Remote, blob: Receipt) -> bool:
    is_there = there.is_page_blob and there.size_bytes == blob.size_bytes and there.sealed == blob.digest
    return is_there and there.copy_status in ("", "success")


def _with_sas(cloud: Cloud, container: str, sas: Secret) -> Any:
    from azure.storage.blob import ContainerClient

    trusted: dict[str, Any] = {} if cloud.trust is None else {"connection_verify": str(cloud.trust)}
    return ContainerClient(cloud.storage, container, credential=sas.reveal(), retry_total=0, **trusted)


@contextlib.contextmanager
def _hushed(could_not: str, cloud: Cloud) -> Iterator[None]:
    """Errors explained, with no signature in them: what was asked for stands in those of urllib3."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        told = refused(error, could_not, cloud=cloud)
        raise RemoteError(told.what, why=hushed(told.why), fix=told.fix) from None


def hushed(text: str) -> str:
    """A text without the signatures of the SAS in it."""
    return re.sub(r"(?i)\bsig=[^&\s'\"]+", f"sig={MASK}", text)


def _moment(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
