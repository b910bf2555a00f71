"""What Azure's resource manager says when it says no: an HTTP status, a code, a message, in ARM's own shape.

Sources of the words: "Understand common error messages when you manage virtual machines in Azure", "Troubleshoot common
Azure deployment errors" and "Troubleshoot images in an Azure Compute Gallery" (Microsoft's documentation); where it has
none, answers that users of Azure published. What only galleries say stands in `gallery_refusal`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PROVIDER = "Microsoft.Compute"
STORAGE = "Microsoft.Storage"


class Refusal(Exception):
    """An answer that refuses. `target` names the property at fault where Azure names one."""

    def __init__(self, status: int, code: str, message: str, *, target: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.target = status, code, message, target

    @property
    def error(self) -> dict[str, str]:
        """The inner object of ARM's error shape."""
        named = {"target": self.target} if self.target else {}
        return {"code": self.code, "message": self.message, **named}

    @property
    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def unauthenticated() -> Refusal:
    return Refusal(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")


def no_bearer() -> Refusal:
    return Refusal(
        401,
        "AuthenticationFailedInvalidHeader",
        "Authentication failed. The 'Authorization' header is in an invalid format.",
    )


def no_api_version() -> Refusal:
    words = "The api-version query parameter (?api-version=) is required for all requests."
    return Refusal(400, "MissingApiVersionParameter", words)


def bad_api_version(version: str) -> Refusal:
    return Refusal(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


def bad_subscription(subscription: str) -> Refusal:
    words = f"The provided subscription identifier '{subscription}' is malformed or invalid."
    return Refusal(400, "InvalidSubscriptionId", words)


def no_subscription(subscription: str) -> Refusal:
    return Refusal(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def no_group(group: str) -> Refusal:
    return Refusal(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def no_resource(kind: str, name: str, group: str, *, provider: str = PROVIDER) -> Refusal:
    words = (
        f"The Resource '{provider}/{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return Refusal(404, "ResourceNotFound", words)


def no_namespace(namespace: str) -> Refusal:
    return Refusal(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")


def no_kind(kind: str, version: str, namespace: str) -> Refusal:
    words = f"The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{version}'."
    return Refusal(404, "InvalidResourceType", words)


def no_such_path(path: str) -> Refusal:
    return Refusal(404, "NotFound", f"No resource has the path '{path}'.")


def no_operation(operation: str) -> Refusal:
    return Refusal(404, "NotFound", f"The operation '{operation}' could not be found.")


def no_method(method: str) -> Refusal:
    return Refusal(405, "MethodNotAllowed", f"The request method '{method}' is not allowed on this resource.")


def bad_name(name: str, rule: str) -> Refusal:
    words = f"The entity name '{name}' is invalid according to its validation rule: {rule}."
    return Refusal(400, "InvalidParameter", words, target="name")


def bad_content(why: str) -> Refusal:
    words = f"The request content was invalid and could not be deserialized: '{why}'."
    return Refusal(400, "InvalidRequestContent", words)


def unknown_member(member: str, owner: str, path: str) -> Refusal:
    return Refusal(400, "BadRequest", f"Could not find member '{member}' on object of type '{owner}'. Path '{path}'.")


def missing(target: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"Required parameter '{target}' is missing (null).", target=target)


def bad_value(target: str) -> Refusal:
    return Refusal(400, "InvalidParameter", f"The value of parameter {target} is invalid.", target=target)


def out_of_range(value: int, target: str, *, least: int, most: int) -> Refusal:
    words = (
        f"The value {value} of parameter '{target}' is out of range. "
        f"The value must be between '{least}' and '{most}', inclusive."
    )
    return Refusal(400, "InvalidParameter", words, target=target)


def no_date(value: str, path: str) -> Refusal:
    return Refusal(400, "BadRequest", f"Could not convert string to DateTimeOffset: {value}. Path '{path}'.")


def no_location() -> Refusal:
    return Refusal(400, "LocationRequired", "The location property is required for this definition.")


def moved(name: str, group: str, *, there: str, wanted: str) -> Refusal:
    words = (
        f"The resource '{name}' already exists in location '{there}' in resource group '{group}'. A resource with the "
        f"same name cannot be created in location '{wanted}'. Please select a new resource name."
    )
    return Refusal(409, "InvalidResourceLocation", words)


def immutable(target: str) -> Refusal:
    return Refusal(409, "PropertyChangeNotAllowed", f"Changing property '{target}' is not allowed.", target=target)


def busy() -> Refusal:
    words = (
        "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
        "https://aka.ms/activitylog to get more details on the conflicting requests."
    )
    return Refusal(409, "Conflict", words)


def going(title: str, name: str) -> Refusal:
    words = (
        f"Operation 'Create or Update {title}' is not allowed on {title} '{name}' since the {title} is marked for "
        "deletion. You can only retry the Delete operation (or wait for an ongoing one to complete)."
    )
    return Refusal(409, "OperationNotAllowed", words)


def no_parent(name: str) -> Refusal:
    words = f"Can not perform requested operation on nested resource. Parent resource '{name}' not found."
    return Refusal(404, "ParentResourceNotFound", words)


def has_children(paths: Sequence[str]) -> Refusal:
    shown = ", ".join(f"{PROVIDER}/{path}" for path in paths)
    words = (
        f"Cannot delete resource while nested resources exist. Some existing nested resource IDs include: '{shown}'. "
        "Please delete all nested resources before deleting this resource."
    )
    return Refusal(409, "CannotDeleteResource", words)


def bad_tag(code: str, words: str) -> Refusal:
    return Refusal(400, code, words)


def bad_blob_uri(uri: str) -> Refusal:
    return _disk(f"The URI {uri} does not look to be correct blob URI.")


def slash_in_blob(uri: str) -> Refusal:
    return _disk(f"The blob name in URL {uri} contains a slash. This is presently not supported for disks.")


def not_named_vhd(uri: str) -> Refusal:
    return _disk(f"Blob name in URL {uri} must end with '.vhd' extension.")


def _disk(words: str) -> Refusal:
    return Refusal(400, "InvalidParameter", words, target="disk.blobUri")


def no_account(account: str) -> Refusal:
    words = (
        f"Storage account {account} not found. Ensure storage account is not deleted and belongs to the same Azure "
        "location as the VM."
    )
    return Refusal(400, "StorageAccountNotFound", words)


def account_elsewhere(account: str) -> Refusal:
    words = (
        f"Could not resolve storage account {account}. Please ensure it was created through the Storage Resource "
        "Provider in the same location as the compute resource."
    )
    return Refusal(400, "StorageAccountLocationMismatch", words)


def account_silent(account: str) -> Refusal:
    words = (
        f"Internal error occurred while accessing storage account {account}. "
        "In the rehearsal: its storage does not answer; see `flight rehearsal status`."
    )
    return Refusal(500, "StorageAccountOperationInternalError", words)


def no_blob(uri: str) -> Refusal:
    return Refusal(400, "ImageBlobNotFound", f"Unable to find VHD blob with URI {uri}.")


def not_page_blob(uri: str, kind: str) -> Refusal:
    words = f"Disk blobs can only be of type page blob. Blob {uri} is of type '{kind}'."
    return Refusal(400, "IncorrectImageBlobType", words)


def bad_vhd(words: str) -> Refusal:
    return Refusal(400, "InvalidVhd", words, target="disks")


def size_out_of_range(size_gib: int, name: str, uri: str, *, most_gib: int) -> Refusal:
    words = (
        f"The specified disk size value of {size_gib} for disk '{name}' with blob {uri} is invalid. "
        f"Disk size must be between 1 and {most_gib}."
    )
    return Refusal(400, "VHDSizeInvalid", words, target="disks")
