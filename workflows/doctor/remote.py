"""A look at the cloud, as the identity that will upload: who we are, the clock, the account, the role, the region."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.cloud.endpoint import CONNECT_S, Cloud
from flight.workflows.cloud.refusal import code_of, refused
from flight.workflows.doctor.network import asked, look_at_clock
from flight.workflows.doctor.verdict import Finding, from_error, judge_account, judge_names, judge_region
from flight.workflows.settings import Azure

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

PAGE_BYTES: Final = 512
STORAGE_API: Final = "2023-01-01"
"""Of Microsoft.Storage's storageAccounts."""
QUICK: Final[dict[str, Any]] = {"connection_timeout": CONNECT_S, "read_timeout": 30}


def look_at_cloud(cloud: Cloud, azure: Azure) -> Iterator[Finding]:
    """Names, clock, login, account, role and region; without names and a login only the time is asked."""
    if not cloud.is_rehearsal:
        names = judge_names(azure)
        yield names
        yield from look_at_clock(asked(cloud.manager)[1], whose="Azure's")  # one that is off has its login refused
        login = look_at_login(cloud)
        yield login
        if names.is_fault or login.is_fault:
            return
    container = cloud.container(azure.container)
    yield look_at_account(container, cloud)
    yield look_at_role(container, cloud)
    if not cloud.is_rehearsal:
        yield look_at_region(cloud, azure)


def look_at_login(cloud: Cloud) -> Finding:
    """By asking for a token; nothing of it is kept or shown."""
    from azure.core.exceptions import AzureError

    try:
        cloud.manager_credential().get_token(f"{cloud.manager}/.default")
    except AzureError as error:
        return from_error("login", refused(error, "log in to Azure", cloud=cloud))
    return Finding("login", "ok", f"Azure ({cloud.name}) gives us a token")


def look_at_account(container: ContainerClient, cloud: Cloud) -> Finding:
    """The account's kind as the storage itself tells it."""
    from azure.core.exceptions import AzureError

    try:
        told: dict[str, Any] = container.get_account_information(**QUICK)
    except AzureError as error:
        if code_of(error) == "AuthorizationPermissionMismatch":
            seen = "this identity may not ask for its kind"
            return Finding("storage account", "warning", seen, "a role with getInfo on the blob service shows it")
        return from_error("storage account", refused(error, "ask for the account's kind", cloud=cloud))
    kind, sku = told.get("account_kind") or "", told.get("sku_name") or ""
    return judge_account(kind, sku, is_hierarchical=bool(told.get("is_hns_enabled")))


def look_at_role(container: ContainerClient, cloud: Cloud) -> Finding:
    """By putting a page blob of 512 bytes and deleting it; a missing container is made, and removed again."""
    from azure.core.exceptions import AzureError

    blob = container.get_blob_client(f"flight-doctor-{uuid.uuid4().hex[:12]}")
    try:
        with _container_there(container):
            blob.create_page_blob(PAGE_BYTES, **QUICK)
            try:
                blob.upload_page(b"\1" * PAGE_BYTES, 0, PAGE_BYTES, **QUICK)
            finally:
                blob.delete_blob(**QUICK)
    except AzureError as error:
        return from_error("data-plane role", refused(error, "put and delete a page blob of 512 bytes", cloud=cloud))
    name = container.container_name
    return Finding("data-plane role", "ok", f"a page blob of {PAGE_BYTES} bytes was put into '{name}' and deleted")


@contextlib.contextmanager
def _container_there(container: ContainerClient) -> Iterator[None]:
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    made = False
    try:
        container.get_container_properties(**QUICK)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):  # somebody was quicker: then it is not ours to remove
            container.create_container(**QUICK)
            made = True
    try:
        yield
    finally:
        if made:
            container.delete_container(**QUICK)


def look_at_region(cloud: Cloud, azure: Azure) -> Finding:
    """As the subscription lists the account; the compute client carries the question to Microsoft.Storage."""
    from azure.core.exceptions import AzureError

    try:
        regions = [one["location"] for one in _accounts(cloud) if one.get("name", "").lower() == azure.account]
    except AzureError as error:
        return from_error(
            "region", refused(error, "list the storage accounts", cloud=cloud, group=azure.resource_group)
        )
    return judge_region(azure.account, regions, azure)


def _accounts(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """The storage accounts of the subscription, page by page."""
    from azure.core.exceptions import HttpResponseError
    from azure.core.rest import HttpRequest

    path = f"/subscriptions/{cloud.subscription}/providers/Microsoft.Storage/storageAccounts"
    url: str | None = f"{cloud.manager}{path}?api-version={STORAGE_API}"
    with cloud.compute() as client:
        while url:
            response = client.send_request(HttpRequest("GET", url), **cloud.per_call)
            if response.status_code != 200:
                raise HttpResponseError(response=response)
            page = response.json()
            yield from page.get("value", ())
            url = page.get("nextLink")
