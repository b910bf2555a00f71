"""The stand-in for Microsoft.Compute's images: from a request to an answer, by Azure's rules. No socket in here.

A create is answered 201 with Azure-AsyncOperation; that address tells InProgress until the operation is due, then
Succeeded or Failed. What is wrong with a request is told at once, what is wrong with the VHD's footer only at the end.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flight.workflows.rehearsal import footer, refusal, state
from flight.workflows.rehearsal.managed_image import Image, check_change, read_image, render_image, updated
from flight.workflows.rehearsal.refusal import PROVIDER, Refusal
from flight.workflows.rehearsal.request import Address, Answer, Request, check_manners, check_name, read_address
from flight.workflows.rehearsal.source import Account, Look, find_blob

ASK_AGAIN_S = 1
"""Retry-After of an operation that goes on: the least that the SDK heeds."""


@dataclass(frozen=True)
class Subscription:
    """Whom the stand-in plays."""

    uid: str
    groups: tuple[str, ...]
    account: Account


class Compute:
    """Answers requests, one at a time; `look` reads blobs, `clock` gives seconds since 1970."""

    def __init__(
        self,
        subscription: Subscription,
        kept_at: Path,
        *,
        look: Look,
        takes_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plays, self._kept_at, self._look = subscription, kept_at, look
        self._takes_s, self._clock = takes_s, clock
        self._state = state.load(kept_at)
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """The answer to a request; a refusal is an answer too."""
        with self._lock:
            try:
                check_manners(request)
                address = read_address(request.path, api_version=request.query["api-version"])
                self._check_place(address)
                self._keep(state.settled(self._state, self._clock()))
                return self._answer(request, address)
            except Refusal as refused:
                return Answer(refused.status, refused.body, _challenge(refused))

    def _answer(self, request: Request, address: Address) -> Answer:
        if address.kind == "operations":
            verbs: dict[str, Callable[[Request, Address], Answer]] = {"GET": self._show_operation}
        elif not address.name:
            verbs = {"GET": self._list}
        else:
            verbs = {"GET": self._show, "PUT": self._put, "DELETE": self._delete}
        if request.method not in verbs:
            raise refusal.no_method(request.method)
        return verbs[request.method](request, address)

    def _check_place(self, address: Address) -> None:
        if address.subscription.lower() != self._plays.uid.lower():
            raise refusal.no_subscription(address.subscription)
        if address.group and address.group.lower() not in {group.lower() for group in self._plays.groups}:
            raise refusal.no_group(address.group)
        if address.name and address.kind == "images":
            check_name(address.name)

    def _show(self, request: Request, address: Address) -> Answer:
        return Answer(200, self._shown(self._image(address)))

    def _list(self, request: Request, address: Address) -> Answer:
        wanted = f"{address.group}/".lower() if address.group else ""
        found = [image for key, image in sorted(self._state.images.items()) if key.startswith(wanted)]
        return Answer(200, {"value": [self._shown(image) for image in found]})

    def _put(self, request: Request, address: Address) -> Answer:
        new = read_image(request.body, name=address.name, group=address.group)
        old = self._state.images.get(new.key)
        pending = self._state.pending(new.key)
        if pending and pending.verb == "delete":
            raise refusal.going(address.name)
        if old:
            check_change(old, new)
        if old and old.state != "Failed":
            if pending:
                raise refusal.busy()
            return self._begin(request, 200, "update", updated(old, new))
        blob = find_blob(new.blob_uri, location=new.location, account=self._plays.account, look=self._look)
        fault = footer.judge(blob.tail, length=blob.length, uri=new.blob_uri)
        if not fault:
            new = replace(new, disk_size_gb=max(new.disk_size_gb, footer.size_gib(blob.length)))
        return self._begin(request, 200 if old else 201, "create", new, fault)

    def _delete(self, request: Request, address: Address) -> Answer:
        image = self._state.images.get(f"{address.group}/{address.name}".lower())
        if image is None:
            return Answer(204)
        pending = self._state.pending(image.key)
        if pending and pending.verb != "delete":
            raise refusal.busy()
        if pending:
            return Answer(202, headers=self._where(request, image, pending))
        begun = self._begin(request, 202, "delete", replace(image, state="Deleting"))
        return replace(begun, body=None)

    def _begin(self, request: Request, status: int, verb: str, image: Image, fault: Refusal | None = None) -> Answer:
        operation = state.new_operation(
            verb, image.key, now=self._clock(), takes_s=self._takes_s, error=fault.error if fault else None
        )
        self._keep(self._state.with_image(image).with_operation(operation))
        return Answer(status, self._shown(image), self._where(request, image, operation))

    def _where(self, request: Request, image: Image, operation: state.Operation) -> dict[str, str]:
        """The headers that lead to an operation: both that ARM defines, and when to ask."""
        place = f"/subscriptions/{self._plays.uid}/providers/{PROVIDER}/locations/{image.location}"
        url = f"{request.base}{place}/operations/{operation.uid}?api-version={request.query['api-version']}"
        headers = {"Azure-AsyncOperation": url, "Retry-After": str(ASK_AGAIN_S)}
        return {**headers, "Location": f"{url}&monitor=true"} if operation.verb == "delete" else headers

    def _show_operation(self, request: Request, address: Address) -> Answer:
        operation = self._state.operations.get(address.name)
        if operation is None:
            raise refusal.no_operation(address.name)
        shown: dict[str, object] = {"name": operation.uid, "startTime": _moment(operation.begun)}
        if not operation.is_done:
            return Answer(200, {**shown, "status": "InProgress"}, {"Retry-After": str(ASK_AGAIN_S)})
        shown |= {"endTime": _moment(operation.due), "status": "Failed" if operation.error else "Succeeded"}
        return Answer(200, {**shown, "error": operation.error} if operation.error else shown)

    def _image(self, address: Address) -> Image:
        found = self._state.images.get(f"{address.group}/{address.name}".lower())
        if found is None:
            raise refusal.no_resource("images", address.name, address.group)
        return found

    def _shown(self, image: Image) -> dict[str, object]:
        return render_image(image, subscription=self._plays.uid)

    def _keep(self, new: state.State) -> None:
        if new is not self._state:
            state.save(new, self._kept_at)
            self._state = new


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _challenge(refused: Refusal) -> dict[str, str]:
    if refused.status != 401:
        return {}
    return {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{refused.message}"'}
