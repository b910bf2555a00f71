"""What Azure's clients raise, turned into errors that a person can act on.

Sources of the codes: "Status and error codes (REST API): Blob Storage", "Troubleshoot common Azure deployment errors".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.errors import RemoteError

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

    from flight.workflows.cloud.endpoint import Cloud

LOG_IN: Final = (
    "`az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (a service principal),"
    " or run on a machine with a managed identity"
)
LOGIN_HOST: Final = "check this host's network, DNS and proxy (https_proxy): the login service was not reached"
UNREACHED: Final = re.compile(r"Failed to resolve|Failed to establish|Connection refused|timed out|unreachable", re.I)
SYSTEMS: Final = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")
"""What the operating system said, in the middle of what urllib3 says about it."""
DATA_ROLE: Final = "give this identity the role 'Storage Blob Data Contributor' on the account or the container"

FIXES: Final = {
    # Blob Storage
    "AuthenticationFailed": "check this host's clock and the tenant that you are logged in to",
    "AuthorizationPermissionMismatch": DATA_ROLE,
    "AuthorizationFailure": f"let the account's network rules admit this host, or {DATA_ROLE}",
    "InsufficientAccountPermissions": DATA_ROLE,
    "NoAuthenticationInformation": LOG_IN,
    "InvalidAuthenticationInfo": LOG_IN,
    "AccountIsDisabled": "enable the storage account, or the subscription that it belongs to",
    "ContainerBeingDeleted": "wait half a minute until the container is gone, or name another one in [azure] container",
    "LeaseIdMissing": "a disk or another program holds a lease on the blob: end it, or give the image another version",
    "BlobTypeNotSupported": "use a general-purpose v2 (or premium page blob) account: this one has no page blobs",
    "FeatureNotSupportedForAccount": "use a general-purpose v2 account without a hierarchical namespace",
    "BlobImmutableDueToPolicy": "an immutability policy protects the blob: give the image another version",
    # Azure Resource Manager
    "ResourceGroupNotFound": "az group create --name {group} --location {location}",
    "SubscriptionNotFound": "check [azure] subscription, and the tenant that you are logged in to",
    "InvalidSubscriptionId": "[azure] subscription takes the id of a subscription, a UUID",
    "InvalidAuthenticationToken": LOG_IN,
    "InvalidAuthenticationTokenTenant": "log in to the tenant that owns the subscription: az login --tenant TENANT",
    "ExpiredAuthenticationToken": LOG_IN,
    "AuthorizationFailed": "give this identity the role 'Contributor' on the resource group",
    "LinkedAuthorizationFailed": "give this identity the role 'Contributor' on the storage account as well",
    "RequestDisallowedByPolicy": "ask who keeps the subscription's policies, or use another resource group",
    "ScopeLocked": "take the lock off the resource group",
    "MissingSubscriptionRegistration": "az provider register --namespace Microsoft.Compute",
    "LocationNotAvailableForResourceType": "set [azure] location to a region that has managed images",
    "InvalidResourceLocation": "the image exists in another region: set [azure] location to that, or delete the image",
    "StorageAccountNotFound": "check [azure] account",
    "StorageAccountNotInSameRegion": "set [azure] location to the storage account's region",
    "SourceBlobNotFound": "upload the VHD again",
    "BlobNotFound": "upload the VHD again",
    "QuotaExceeded": "ask for more quota, or delete images that nobody uses",
}
BY_STATUS: Final = {
    401: LOG_IN,
    403: "this identity lacks a role there: ask for it, or log in as somebody else",
    429: "Azure asks for a pause: run it again in a few minutes",
    503: "Azure asks for a pause: run it again in a few minutes",
}
OTHERWISE: Final = "Azure's activity log in the portal, and its status page, say more"
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that say nothing about the request itself: the same request may do later."""


def code_of(error: AzureError) -> str:
    """Azure's own code for an error, like `AuthorizationFailed`; empty where it gave none."""
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError):
        return ""
    told = getattr(error, "error_code", None) or getattr(error.error, "code", None) or ""
    return str(getattr(told, "value", told))


def is_passing(error: AzureError, *, hopeful: bool) -> bool:
    """Whether the very same request may do a little later. A page damaged on its way is among these.

    The `hopeful` were connected a moment ago: to them a name that is not resolved is a cable that was pulled.
    """
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    if isinstance(error, HttpResponseError):
        return error.status_code in PASSING or code_of(error) == "Md5Mismatch"
    return isinstance(error, (ServiceRequestError, ServiceResponseError)) and (hopeful or not _is_hopeless(error))


def refused(
    error: AzureError, could_not: str, *, cloud: Cloud, group: str = "GROUP", location: str = "REGION"
) -> RemoteError:
    """The error for a person: `could_not` completes "could not …". `group` and `location` go into the fixes."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    what = f"could not {could_not}"
    if isinstance(error, HttpResponseError) and error.status_code:
        fix = FIXES.get(code_of(error)) or BY_STATUS.get(error.status_code, OTHERWISE)
        return RemoteError(what, why=_said(error), fix=fix.format(group=group, location=location))
    if isinstance(error, ClientAuthenticationError):
        tried = _failed_logins(str(error))
        why = f"logging in to Azure failed: {tried}" if tried else "nobody is logged in to Azure"
        return RemoteError(what, why=why, fix=LOGIN_HOST if UNREACHED.search(tried) else LOG_IN)
    return RemoteError(what, why=_first_line(error), fix=_way_there(error, cloud))


def _said(error: HttpResponseError) -> str:
    """`403 AuthorizationFailed: The client … does not have authorization`."""
    inner = getattr(error.error, "message", None)
    lines = (str(inner) if inner else _first_line(error)).strip().splitlines()
    message = lines[0] if lines else str(error.reason or "")
    code = code_of(error)
    return f"{error.status_code} {code}: {message}" if code else f"{error.status_code}: {message}"


def _failed_logins(text: str) -> str:
    """What went wrong with the ways to log in that were there to be tried, of all that azure-identity looked for."""
    absent = ("unavailable", "not found", "not installed", "could not be found", "requires the", "https://aka.ms")
    attempts = (line.strip() for line in text.splitlines() if line.startswith("\t"))
    return "; ".join(line for line in attempts if not any(word in line for word in absent))


def _first_line(error: AzureError) -> str:
    text = str(error).strip()
    if system := SYSTEMS.search(text):
        return f"no connection: {system[1]}"
    lines = text.splitlines()
    return lines[0] if lines else type(error).__name__


def _is_hopeless(error: AzureError) -> bool:
    """No such host, nobody listening, a certificate that is not trusted: another try a second later changes nothing."""
    return any(word in str(error) for word in ("Failed to resolve", "Connection refused", "CERTIFICATE_VERIFY_FAILED"))


def _way_there(error: AzureError, cloud: Cloud) -> str:
    text = str(error)
    if cloud.is_rehearsal:
        return "start the rehearsal of Azure: flight rehearsal start"
    if "Failed to resolve" in text:
        return f"check [azure] account ('{cloud.account}') and cloud ('{cloud.name}'), and this host's DNS and network"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "let this host trust the certificates of your proxy: REQUESTS_CA_BUNDLE names a file with them"
    return "check this host's network and proxy (https_proxy)"
