"""The stand-in for Microsoft.Storage: the rehearsal's one account, and its key for whoever asks with a token.

Source: the REST references "Storage Accounts - List", "- Get Properties" and "- List Keys". An account that takes no
shared keys (allowSharedKeyAccess false) tells them all the same; it is the storage itself that then refuses them.
"""

from __future__ import annotations

from typing import Any

from flight.workflows.cloud.endpoint import REHEARSAL_KEY
from flight.workflows.rehearsal import refusal
from flight.workflows.rehearsal.refusal import STORAGE
from flight.workflows.rehearsal.request import LIST_KEYS, Address, Answer
from flight.workflows.rehearsal.source import Account

ACCOUNTS = "storageAccounts"
CREATED = "2020-01-01T00:00:00+00:00"
"""When the account and its keys were made: before anybody's rehearsal."""


def account_id(account: Account, *, subscription: str, group: str) -> str:
    """The account's id; it lies in the first of the resource groups."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{STORAGE}/{ACCOUNTS}/{account.name}"


def answer(method: str, address: Address, account: Account, whole_id: str) -> Answer:
    """The answer to a request for storage accounts. Raises Refusal."""
    asks_for_keys = address.kind == LIST_KEYS
    if method != ("POST" if asks_for_keys else "GET"):
        raise refusal.no_method(method)
    group = whole_id.split("/")[4]
    is_ours = not address.group or address.group.lower() == group.lower()
    if not address.names:
        return Answer(200, {"value": [_render(account, whole_id)] if is_ours else []})
    if not is_ours or address.names[0].lower() != account.name:
        raise refusal.no_resource(ACCOUNTS, address.names[0], address.group, provider=STORAGE)
    return Answer(200, {"keys": [_key("key1"), _key("key2")]} if asks_for_keys else _render(account, whole_id))


def _render(account: Account, whole_id: str) -> dict[str, Any]:
    return {
        "id": whole_id,
        "name": account.name,
        "type": f"{STORAGE}/{ACCOUNTS}",
        "location": account.location,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS", "tier": "Standard"},
        "tags": {},
        "properties": {
            "provisioningState": "Succeeded",
            "creationTime": CREATED,
            "primaryEndpoints": {"blob": f"{account.url}/"},
            "primaryLocation": account.location,
            "statusOfPrimary": "available",
            "supportsHttpsTrafficOnly": account.url.startswith("https:"),
            "allowSharedKeyAccess": account.has_shared_keys,
        },
    }


def _key(name: str) -> dict[str, str]:
    """Azurite has one key, which therefore goes by both names."""
    return {"keyName": name, "value": REHEARSAL_KEY, "permissions": "FULL", "creationTime": CREATED}
