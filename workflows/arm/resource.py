"""One resource of Azure's by the SDK's operations for its kind: looked at, made, removed, waited for, errors explained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.cloud.refusal import code_of, refused
from flight.workflows.kit.progress import Progress, Told

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

POLL_S: Final = 3.0
"""Between two looks at a long-running operation; the SDK's own default is 30 s."""
REHEARSAL_POLL_S: Final = 0.1

Watch = Callable[[str], Progress]
"""How far an operation is, from the word that its poller gives."""


def short_location(location: str) -> str:
    """A region's short name: what Azure itself compares regions by."""
    return location.replace(" ", "").lower()


def state_of(resource: Mapping[str, Any]) -> str:
    """Azure's provisioningState; empty where it tells none."""
    return str(properties_of(resource).get("provisioningState", ""))


def properties_of(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    return resource.get("properties") or {}


def differing(compared: Mapping[str, tuple[Any, Any]]) -> tuple[str, ...]:
    """A sentence for each pair (as it is, as it is to be) that is not equal."""
    return tuple(f"its {what} is {is_!r}, not {to_be!r}" for what, (is_, to_be) in compared.items() if is_ != to_be)


def poll_s(cloud: Cloud) -> float:
    return REHEARSAL_POLL_S if cloud.is_rehearsal else POLL_S


@contextlib.contextmanager
def explained(could_not: str, *, cloud: Cloud, group: str = "GROUP", location: str = "REGION") -> Iterator[None]:
    """What the SDK raises inside the block, as a RemoteError for a person."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        raise refused(error, could_not, cloud=cloud, group=group, location=location) from error


class Resource:
    """A resource called `title` at `names` (the SDK's own parameters). `body_as` is what the SDK calls its body."""

    def __init__(
        self, operations: Any, title: str, *, names: Mapping[str, str], body_as: str, cloud: Cloud, location: str
    ) -> None:
        self.title, self._operations, self._body_as, self._cloud = title, operations, body_as, cloud
        self._named = {**names, **cloud.per_call}
        self._polled = {"polling_interval": poll_s(cloud)}
        self._place: dict[str, Any] = {"cloud": cloud, "group": names["resource_group_name"], "location": location}

    def get(self, **more: Any) -> Mapping[str, Any] | None:
        """The resource in Azure's JSON, or None where there is none in an existing resource group."""
        from azure.core.exceptions import ResourceNotFoundError

        with self._explained("look at"):
            try:
                found: Mapping[str, Any] = self._operations.get(**self._named, **more).as_dict()
                return found
            except ResourceNotFoundError as error:
                if code_of(error) in ("ResourceNotFound", "NotFound"):
                    return None
                raise

    def put(self, body: Mapping[str, Any], told: Told, *, watch: Watch | None = None) -> None:
        """Make it, or change it, and wait until that is done."""
        with self._explained("create"):
            begin = self._operations.begin_create_or_update
            self._wait(begin(**{self._body_as: body}, **self._named, **self._polled), told, watch)

    def delete(self, told: Told) -> None:
        with self._explained("remove"):
            self._wait(self._operations.begin_delete(**self._named, **self._polled), told, None)

    def _wait(self, poller: Any, told: Told, watch: Watch | None) -> None:
        while not poller.done():
            status = str(poller.status())
            told(watch(status) if watch else Progress(what=f"waiting for {self.title}: {status}"))
            poller.wait(1)
        poller.result()

    def _explained(self, verb: str) -> contextlib.AbstractContextManager[None]:
        return explained(f"{verb} {self.title}", **self._place)
