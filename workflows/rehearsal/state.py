"""What the stand-in knows: images, and the operations that make and unmake them. It survives its server.

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
from flight.workflows.kit.kept import of_its_types
from flight.workflows.rehearsal.managed_image import Image, dump_image, load_image

KEPT_S = 24 * 3600
"""How long the end of an operation can be asked for."""


@dataclass(frozen=True)
class Operation:
    """`image` is the key of what it is about; `error` ARM's inner error where it fails. Times: seconds since 1970."""

    uid: str
    verb: str
    image: str
    begun: float
    due: float
    error: Mapping[str, str] | None = None
    is_done: bool = False


@dataclass(frozen=True)
class State:
    """Images by key, operations by id."""

    images: Mapping[str, Image] = field(default_factory=dict)
    operations: Mapping[str, Operation] = field(default_factory=dict)

    def with_image(self, image: Image) -> State:
        return replace(self, images={**self.images, image.key: image})

    def with_operation(self, operation: Operation) -> State:
        return replace(self, operations={**self.operations, operation.uid: operation})

    def pending(self, key: str) -> Operation | None:
        """What is going on with an image."""
        return next((one for one in self.operations.values() if one.image == key and not one.is_done), None)


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
    image = state.images.get(operation.image)
    if image is None:
        return state
    if operation.verb == "delete":
        return replace(state, images={key: one for key, one in state.images.items() if key != operation.image})
    return state.with_image(replace(image, state="Failed" if operation.error else "Succeeded"))


def save(state: State, path: Path) -> None:
    """Written whole: what a client was told is on the disk before it hears it."""
    kept = {
        "images": [dump_image(image) for image in state.images.values()],
        "operations": [asdict(operation) for operation in state.operations.values()],
    }
    write_whole(path, json.dumps(kept, indent=1) + "\n")


def load(path: Path) -> State:
    """The state that was saved, or an empty one where none was. Raises FlightError for a file of another kind."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
        images = [load_image(image) for image in kept["images"]]
        operations = [of_its_types(Operation(**operation)) for operation in kept["operations"]]
    except FileNotFoundError:
        return State()
    except (ValueError, TypeError, KeyError) as error:
        raise FlightError(
            f"{path} is not the state of a rehearsal",
            why=str(error),
            fix="remove it: the rehearsal then starts without images",
        ) from error
    return State({image.key: image for image in images}, {one.uid: one for one in operations})
