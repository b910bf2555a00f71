"""The storage account behind the blobs: found by its name, and a key of it for as long as something is signed.

The compute client carries the questions to Microsoft.Storage, so that no further client is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.arm.resource import explained
from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.secret import Secret

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

STORAGE_API: Final = "2023-01-01"
"""Of Microsoft.Storage's storageAccounts."""
NO_KEY: Final = (
    "ask for the role 'Storage Account Key Operator Service Role' on the account, or do without a key: "
    "publish through a gallery with `luigi --module flight.workflows PublishImage`"
)


@dataclass(frozen=True)
class Account:
    """A storage account; `id` is the whole path of the resource."""

    id: str
    name: str
    location: str
    allows_keys: bool


def find_account(cloud: Cloud, client: Any = None) -> Account:
    """The account that the settings name, wherever in the subscription it is. RemoteError where it is not.

    `client` takes the place of the SDK's compute client.
    """
    with explained(f"look for the storage account '{cloud.account}'", cloud=cloud):
        found = [one for one in _accounts(cloud, client) if one.get("name", "").lower() == cloud.account.lower()]
    if not found:
        raise RemoteError(
            f"there is no storage account '{cloud.account}' in the subscription {cloud.subscription}",
            why="it is in another subscription, or this identity may not see it",
            fix="check [azure] account and subscription; the role 'Reader' on the account lets it be seen",
        )
    return _account(found[0])


def first_key(account: Account, cloud: Cloud, client: Any = None) -> Secret:
    """A key of the account, fetched now; nobody keeps it. RemoteError where this identity may not have one."""
    url = f"{cloud.manager}{account.id}/listKeys?api-version={STORAGE_API}"
    try:
        with explained(f"fetch a key of the storage account '{account.name}'", cloud=cloud):
            keys = _asked("POST", url, cloud, client).get("keys") or []
    except RemoteError as error:
        raise RemoteError(error.what, why=error.why, fix=NO_KEY) from error.__cause__
    values = [str(one["value"]) for one in keys if one.get("value")]
    if not values:
        raise RemoteError(
            f"could not fetch a key of the storage account '{account.name}'", why="it has none", fix=NO_KEY
        )
    return Secret(values[0])


def _account(shown: dict[str, Any]) -> Account:
    """As Azure shows it. allowSharedKeyAccess is absent, or null, where nobody forbade it."""
    properties = shown.get("properties") or {}
    return Account(
        id=shown["id"],
        name=shown["name"],
        location=shown.get("location", ""),
        allows_keys=properties.get("allowSharedKeyAccess") is not False,
    )


def _accounts(cloud: Cloud, client: Any) -> Iterator[dict[str, Any]]:
    """The storage accounts of the subscription, page by page."""
    path = f"/subscriptions/{cloud.subscription}/providers/Microsoft.Storage/storageAccounts"
    url: str | None = f"{cloud.manager}{path}?api-version={STORAGE_API}"
    while url:
        page = _asked("GET", url, cloud, client)
        yield from page.get("value", ())
        url = page.get("nextLink")


def _asked(method: str, url: str, cloud: Cloud, client: Any) -> dict[str, Any]:
    """The JSON of an answer; HttpResponseError where it is a refusal."""
    from azure.core.exceptions import HttpResponseError
    from azure.core.rest import HttpRequest

    with cloud.compute() if client is None else contextlib.nullcontext(client) as asking:
        response = asking.send_request(HttpRequest(method, url), **cloud.per_call)
    if response.status_code != 200:
        raise HttpResponseError(response=response)
    answer: dict[str, Any] = response.json()
    return answer
