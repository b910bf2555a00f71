"""What the stand-in knows: resources, and the operations that make and unmake them. It survives its server.

An operation's end is decided when it begins and told when it is due: nothing works in the background, so nothing is
lost when the server is killed in the middle.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from flight.workflows.kit.arriving import write_whole
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.kept import TORN, of_its_types
from flight.workflows.rehearsal.kinds import KINDS
from flight.workflows.rehearsal.resource import Resource, key_of, path_of

KEPT_S = 24 * 3600
"""How long the end of an operation can be asked for."""
FIRST = "images"
"""The kind that every state file has; one that was written before there were others has operations on images alone."""


@dataclass(frozen=True)
class Operation:
    """`about` is the key of a resource; `error` ARM's inner error where it fails. Times: seconds since 1970."""

    uid: str
    verb: str
    about: str
    begun: float
    due: float
    error: Mapping[str, str] | None = None
    is_done: bool = False


@dataclass(frozen=True)
class State:
    """Resources by key, operations by id."""

    resources: Mapping[str, Resource] = field(default_factory=dict)
    operations: Mapping[str, Operation] = field(default_factory=dict)

    def with_resource(self, one: Resource) -> State:
        return replace(self, resources={**self.resources, one.key: one})

    def without(self, key: str) -> State:
        return replace(self, resources={other: one for other, one in self.resources.items() if other != key})

    def with_operation(self, operation: Operation) -> State:
        return replace(self, operations={**self.operations, operation.uid: operation})

    def pending(self, key: str) -> Operation | None:
        """What is going on with a resource."""
        return next((one for one in self.operations.values() if one.about == key and not one.is_done), None)


def new_operation(
    verb: str, key: str, *, now: float, takes_s: float, error: Mapping[str, str] | None = None
) -> Operation:
    return Operation(str(uuid.uuid4()), verb, key, now, now + takes_s, error)


def settled(state: State, now: float) -> State:
    """The state with everything ended that is due, and what ended a day ago forgotten; the same object if none is."""
    for operation in sorted(state.operations.values(), key=lambda one: one.due):
        if not operation.is_done and operation.due <= now:
            state = _ended(state, operation)
    old = {uid for uid, one in state.operations.items() if one.is_done and one.due + KEPT_S < now}
    if not old:
        return state
    return replace(state, operations={uid: one for uid, one in state.operations.items() if uid not in old})


def _ended(state: State, operation: Operation) -> State:
    state = state.with_operation(replace(operation, is_done=True))
    one = state.resources.get(operation.about)
    if one is None:
        return state
    if operation.verb == "delete":
        return state.without(operation.about)
    return state.with_resource(replace(one, state="Failed" if operation.error else "Succeeded"))


def save(state: State, path: Path) -> None:
    """Written whole: what a client was told is on the disk before it hears it."""
    kept: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for one in state.resources.values():
        kept[one.kind].append(asdict(one))
    operations = [asdict(operation) for operation in state.operations.values()]
    write_whole(path, json.dumps({**kept, "operations": operations}, indent=1) + "\n")


def load(path: Path) -> State:
    """The state that was saved, or an empty one where none was. Raises FlightError for a file of another kind."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        listed = {kind: kept[kind] if kind == FIRST else kept.get(kind, ()) for kind in KINDS}
        resources = [KINDS[kind].load(one) for kind, those in listed.items() for one in those]
        operations = [_operation(one) for one in kept["operations"]]
    except FileNotFoundError:
        return State()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FlightError(
            f"{path} is not the state of a rehearsal",
            why=TORN,
            fix="remove it: the rehearsal then starts without images",
        ) from error
    return State({one.key: one for one in resources}, {one.uid: one for one in operations})


def _operation(kept: Mapping[str, Any]) -> Operation:
    if "image" in kept:
        group, name = str(kept["image"]).split("/")
        kept = {"about": key_of(group, path_of(FIRST, (name,))), **kept}
        kept = {word: value for word, value in kept.items() if word != "image"}
    return of_its_types(Operation(**kept))
