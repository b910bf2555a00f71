"""The stand-in for Microsoft.Compute's images and galleries: from a request to an answer, by Azure's rules. No socket.

A create is answered 201 with Azure-AsyncOperation; that address tells InProgress until the operation is due, then
Succeeded or Failed. What is wrong with a request is told at once, what is wrong with the VHD's footer only at the end.
What is particular to one type of resource, its `Kind` knows.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flight.workflows.rehearsal import refusal, state, storage_account
from flight.workflows.rehearsal.body import moment
from flight.workflows.rehearsal.kinds import KINDS
from flight.workflows.rehearsal.refusal import PROVIDER, Refusal
from flight.workflows.rehearsal.request import LIST_KEYS, Address, Answer, Request, check_manners, read_address
from flight.workflows.rehearsal.resource import Resource, World, key_of, path_of
from flight.workflows.rehearsal.source import Account, Look

ASK_AGAIN_S = 1
"""Retry-After of an operation that goes on: the least that the SDK heeds."""
MOST_NAMED = 5
"""How many of the resources that lie in another are named where they keep it from going."""


@dataclass(frozen=True)
class Subscription:
    """Whom the stand-in plays. The storage account lies in the first of the groups."""

    uid: str
    groups: tuple[str, ...]
    account: Account

    @property
    def account_id(self) -> str:
        return storage_account.account_id(self.account, subscription=self.uid, group=self.groups[0])


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
        if address.kind in (storage_account.ACCOUNTS, LIST_KEYS):
            return storage_account.answer(request.method, address, self._plays.account, self._plays.account_id)
        verbs: dict[str, Callable[[Request, Address], Answer]]
        if address.kind == "operations":
            verbs = {"GET": self._show_operation}
        elif not address.name:
            verbs = {"GET": self._list}
        else:
            verbs = {"GET": self._show, "PUT": self._put, "DELETE": self._delete}
            if KINDS[address.kind].can_patch:
                verbs["PATCH"] = self._patch
        if request.method not in verbs:
            raise refusal.no_method(request.method)
        self._check_parents(request.method, address)
        return verbs[request.method](request, address)

    def _check_place(self, address: Address) -> None:
        if address.subscription.lower() != self._plays.uid.lower():
            raise refusal.no_subscription(address.subscription)
        if address.group and address.group.lower() not in {group.lower() for group in self._plays.groups}:
            raise refusal.no_group(address.group)
        words = address.kind.split("/")
        for level, name in enumerate(address.names, start=1):
            kind = KINDS.get("/".join(words[:level]))
            if kind:
                kind.check_name(name)

    def _check_parents(self, method: str, address: Address) -> None:
        """What lies in another is there only with it; and nothing is put into what comes or goes."""
        words = address.kind.split("/")
        for level in range(1, len(address.parents) + 1):
            kind, names = "/".join(words[:level]), address.parents[:level]
            parent = self._state.resources.get(key_of(address.group, path_of(kind, names)))
            if parent is None:
                raise refusal.no_parent("/".join(names))
            if method == "PUT" and parent.state == "Deleting":
                raise refusal.going(KINDS[kind].title, parent.name)
            if method == "PUT" and parent.state == "Creating":
                raise refusal.busy()

    def _show(self, request: Request, address: Address) -> Answer:
        expand = request.query.get("$expand", "")
        return Answer(200, KINDS[address.kind].show(self._one(address), self._world(), expand=expand))

    def _list(self, request: Request, address: Address) -> Answer:
        wanted = key_of(address.group, path_of(address.kind, address.parents)) + "/" if address.group else ""
        kind, world = KINDS[address.kind], self._world()
        there = [(key, one) for key, one in sorted(self._state.resources.items()) if one.kind == address.kind]
        return Answer(200, {"value": [kind.show(one, world) for key, one in there if key.startswith(wanted)]})

    def _put(self, request: Request, address: Address) -> Answer:
        kind, world = KINDS[address.kind], self._world()
        new = kind.read(request.body, address)
        old = self._state.resources.get(new.key)
        pending = self._state.pending(new.key)
        if pending and pending.verb == "delete":
            raise refusal.going(kind.title, address.name)
        if old and old.location != new.location:
            raise refusal.moved("/".join(address.names), old.group, there=old.location, wanted=new.location)
        if old and old.state != "Failed":
            kind.check_change(old, new)
            if pending:
                raise refusal.busy()
        kind.check_made(new, world)
        if old and old.state != "Failed":
            return self._begin(request, 200, "update", kind.updated(old, new, world))
        made, fault = kind.made(new, world)  # one that failed may be made again, differently too
        return self._begin(request, 200 if old else 201, "create", made, fault)

    def _patch(self, request: Request, address: Address) -> Answer:
        """A PUT of what is there with what the body changes."""
        shown = KINDS[address.kind].show(self._one(address), self._world())
        try:
            changes = json.loads(request.body)
        except ValueError as error:
            raise refusal.bad_content(str(error)) from None
        return self._put(replace(request, body=json.dumps(merged(shown, changes)).encode()), address)

    def _delete(self, request: Request, address: Address) -> Answer:
        one = self._state.resources.get(key_of(address.group, path_of(address.kind, address.names)))
        if one is None:
            return Answer(204)
        kind, world = KINDS[address.kind], self._world()
        pending = self._state.pending(one.key)
        if pending and pending.verb != "delete":
            raise refusal.busy()
        if pending:
            return Answer(202, headers=self._where(request, one, pending))
        deeper = len(one.parents) + 1
        if below := sorted(other.path for other in world.below(one.key) if len(other.parents) == deeper):
            raise refusal.has_children(below[:MOST_NAMED])
        kind.check_delete(one, world)
        begun = self._begin(request, 202, "delete", replace(one, state="Deleting"))
        return replace(begun, body=None)

    def _begin(self, request: Request, status: int, verb: str, one: Resource, fault: Refusal | None = None) -> Answer:
        kind, world = KINDS[one.kind], self._world()
        takes_s = self._takes_s if verb == "delete" else kind.takes_s(one, world)
        error = fault.error if fault else None
        operation = state.new_operation(verb, one.key, now=world.now, takes_s=takes_s, error=error)
        self._keep(self._state.with_resource(one).with_operation(operation))
        return Answer(status, kind.show(one, self._world()), self._where(request, one, operation))

    def _where(self, request: Request, one: Resource, operation: state.Operation) -> dict[str, str]:
        """The headers that lead to an operation: both that ARM defines, and when to ask."""
        place = f"/subscriptions/{self._plays.uid}/providers/{PROVIDER}/locations/{one.location}"
        path = f"{place}/{KINDS[one.kind].operations}/{operation.uid}"
        url = f"{request.base}{path}?api-version={request.query['api-version']}"
        headers = {"Azure-AsyncOperation": url, "Retry-After": str(ASK_AGAIN_S)}
        return {**headers, "Location": f"{url}&monitor=true"} if operation.verb == "delete" else headers

    def _show_operation(self, request: Request, address: Address) -> Answer:
        operation = self._state.operations.get(address.name)
        if operation is None:
            raise refusal.no_operation(address.name)
        shown: dict[str, object] = {"name": operation.uid, "startTime": moment(operation.begun)}
        if not operation.is_done:
            return Answer(200, {**shown, "status": "InProgress"}, {"Retry-After": str(ASK_AGAIN_S)})
        shown |= {"endTime": moment(operation.due), "status": "Failed" if operation.error else "Succeeded"}
        return Answer(200, {**shown, "error": operation.error} if operation.error else shown)

    def _one(self, address: Address) -> Resource:
        path = path_of(address.kind, address.names)
        found = self._state.resources.get(key_of(address.group, path))
        if found is None:
            raise refusal.no_resource(path.rpartition("/")[0], address.name, address.group)
        return found

    def _world(self) -> World:
        return World(
            subscription=self._plays.uid,
            account=self._plays.account,
            account_id=self._plays.account_id,
            resources=self._state.resources,
            look=self._look,
            now=self._clock(),
            takes_s=self._takes_s,
        )

    def _keep(self, new: state.State) -> None:
        if new is not self._state:
            state.save(new, self._kept_at)
            self._state = new


def merged(shown: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    """A JSON object with what another changes in it: null takes a member away. Source: RFC 7386."""
    if not isinstance(changes, dict):
        raise refusal.bad_content("an object is expected at ''")
    whole = dict(shown)
    for member, value in changes.items():
        if value is None:
            whole.pop(member, None)
        else:
            whole[member] = merged(whole.get(member) or {}, value) if isinstance(value, dict) else value
    return whole


def _challenge(refused: Refusal) -> dict[str, str]:
    if refused.status != 401:
        return {}
    return {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{refused.message}"'}
