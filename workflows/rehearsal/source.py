"""The blob that an image is made from: where its URI leads, and what the storage API says of it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.workflows.cloud.endpoint import REHEARSAL_ACCOUNT, REHEARSAL_KEY
from flight.workflows.rehearsal import refusal
from flight.workflows.rehearsal.body import normal_location
from flight.workflows.rehearsal.footer import FOOTER_BYTES

CONNECT_S = 5
ANSWER_S = 20
"""A storage that is busy with an upload answers late."""


@dataclass(frozen=True)
class Account:
    """The one storage account of the rehearsal. `url` ends in its name; `trust`: a CA file, for a storage with TLS.

    `has_shared_keys` is what the account's allowSharedKeyAccess says; Azurite goes on taking its key all the same.
    """

    url: str
    location: str
    name: str = REHEARSAL_ACCOUNT
    trust: Path | None = None
    has_shared_keys: bool = True


@dataclass(frozen=True)
class Blob:
    """What there is: its type as the storage API names it, its length, its last 512 bytes."""

    kind: str
    length: int
    tail: bytes = b""


Look = Callable[[str, str], Blob | None]
"""From container and blob name to the blob; None: there is none. Raises Silent where the storage does not answer."""


class Silent(Exception):
    """The storage does not answer."""


def read_uri(uri: str, account: Account) -> tuple[str, str]:
    """Container and blob name of a blob's URI. Raises Refusal where it is none, or of an account that is not ours."""
    parts = urllib.parse.urlsplit(uri)
    words = [urllib.parse.unquote(word) for word in parts.path.strip("/").split("/")]
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment or len(words) < 2:
        raise refusal.bad_blob_uri(uri)
    ours = urllib.parse.urlsplit(account.url)
    if parts.netloc != ours.netloc or words[0] != account.name:
        loopback = parts.hostname in ("127.0.0.1", "localhost")
        raise refusal.no_account(words[0] if loopback else (parts.hostname or "").split(".")[0])
    if parts.scheme != ours.scheme or len(words) < 3:
        raise refusal.bad_blob_uri(uri)
    if len(words) > 3:
        raise refusal.slash_in_blob(uri)
    if not words[2].endswith(".vhd"):
        raise refusal.not_named_vhd(uri)
    return words[1], words[2]


def find_blob(uri: str, *, location: str, account: Account, look: Look) -> Blob:
    """The page blob behind a URI. Raises Refusal: not a blob of ours, in another region, missing, of another type."""
    container, name = read_uri(uri, account)
    if normal_location(account.location) != location:
        raise refusal.account_elsewhere(account.name)
    try:
        blob = look(container, name)
    except Silent:
        raise refusal.account_silent(account.name) from None
    if blob is None:
        raise refusal.no_blob(uri)
    if blob.kind != "PageBlob":
        raise refusal.not_page_blob(uri, blob.kind)
    return blob


def storage_look(account: Account) -> Look:
    """Looks through the storage API, as the account's owner."""

    def look(container: str, name: str) -> Blob | None:
        from azure.core.exceptions import ResourceNotFoundError, ServiceRequestError, ServiceResponseError
        from azure.storage.blob import BlobClient

        manners: dict[str, Any] = {"retry_total": 0, "connection_timeout": CONNECT_S, "read_timeout": ANSWER_S}
        if account.trust:
            manners["connection_verify"] = str(account.trust)
        key = {"account_name": account.name, "account_key": REHEARSAL_KEY}
        try:
            with BlobClient(account.url, container, name, credential=key, **manners) as client:
                found = client.get_blob_properties()
                kind = str(found.blob_type.value)
                if kind != "PageBlob" or found.size < FOOTER_BYTES:
                    return Blob(kind, found.size)
                tail = client.download_blob(offset=found.size - FOOTER_BYTES, length=FOOTER_BYTES).readall()
                return Blob(kind, found.size, tail)
        except ResourceNotFoundError:
            return None
        except (ServiceRequestError, ServiceResponseError) as error:
            raise Silent(str(error)) from error

    return look
