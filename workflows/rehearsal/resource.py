"""What the stand-in's resources have in common: siblings with one contract, which one router and one store serve."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from flight.workflows.kit.kept import of_its_types
from flight.workflows.rehearsal.refusal import PROVIDER, Refusal
from flight.workflows.rehearsal.request import Address
from flight.workflows.rehearsal.source import Account, Look


@dataclass(frozen=True)
class Resource:
    """One resource. `kind` is its type within the provider, `state` Azure's provisioningState."""

    kind = ""

    name: str
    group: str
    location: str
    tags: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    state: str = field(default="Creating", kw_only=True)

    @property
    def parents(self) -> tuple[str, ...]:
        """The names of the resources that it lies in, the outermost first."""
        return ()

    @property
    def path(self) -> str:
        """Its types and names in turn: `galleries/G/images/I`."""
        return path_of(self.kind, (*self.parents, self.name))

    @property
    def key(self) -> str:
        return key_of(self.group, self.path)


R = TypeVar("R", bound=Resource)


def path_of(kind: str, names: tuple[str, ...]) -> str:
    """`galleries/images` and (G, I): `galleries/G/images/I`; the last name may be missing."""
    words = [word for pair in zip(kind.split("/"), names, strict=False) for word in pair]
    return "/".join((*words, *kind.split("/")[len(names) :]))


def key_of(group: str, path: str) -> str:
    """Names compare without case in Azure."""
    return f"{group}/{path}".lower()


@dataclass(frozen=True)
class World:
    """What a resource may depend on: whom the stand-in plays, what else there is, the storage, the clock.

    `now` is in seconds since 1970; `takes_s` is how long one operation takes.
    """

    subscription: str
    account: Account
    account_id: str
    resources: Mapping[str, Resource]
    look: Look
    now: float
    takes_s: float

    def below(self, key: str) -> Iterator[Resource]:
        """What lies in a resource."""
        return (one for other, one in self.resources.items() if other.startswith(f"{key}/"))


class Kind(ABC, Generic[R]):
    """One type of resource: what a client may ask of it, and how it is shown.

    `title` is what Azure calls it in a sentence, `operations` the word in the path of its operations. Every method that
    reads or checks raises Refusal.
    """

    resource: type[R]
    title: str
    operations = "operations"
    can_patch = False
    holds: ClassVar[Mapping[str, type]] = MappingProxyType({})
    """Fields that hold another dataclass, or a tuple of them: which."""

    @abstractmethod
    def check_name(self, name: str) -> None: ...

    @abstractmethod
    def read(self, body: bytes, address: Address) -> R:
        """The resource that the body of a PUT asks for."""

    @abstractmethod
    def check_change(self, old: R, new: R) -> None:
        """May `old` become `new`?"""

    @abstractmethod
    def render(self, one: R, world: World) -> dict[str, Any]:
        """Its `properties`."""

    def check_made(self, new: R, world: World) -> None:
        """May this be made, beside what there is?"""

    def made(self, new: R, world: World) -> tuple[R, Refusal | None]:
        """What comes of it, and what will be found wrong with it only at the operation's end."""
        return new, None

    def updated(self, old: R, new: R, world: World) -> R:
        """`old` with what a later PUT may change."""
        return replace(new, state="Updating")

    def check_delete(self, one: R, world: World) -> None:
        """May it go?"""

    def takes_s(self, one: R, world: World) -> float:
        """How long the operation takes that makes or changes it."""
        return world.takes_s

    def show(self, one: R, world: World, *, expand: str = "") -> dict[str, Any]:
        """The resource as Azure shows it."""
        return {
            "name": one.name,
            "id": id_of(one, world.subscription),
            "type": f"{PROVIDER}/{one.kind}",
            "location": one.location,
            **({"tags": dict(one.tags)} if one.tags else {}),
            "properties": self.render(one, world),
        }

    def load(self, kept: Mapping[str, Any]) -> R:
        """What `asdict` gave. Raises TypeError for anything else."""
        if set(kept) != {one.name for one in fields(self.resource)}:
            raise TypeError(f"{self.resource.__name__} has other fields than {sorted(kept)}")
        whole = {name: _loaded(kind, kept[name]) for name, kind in self.holds.items()}
        return of_its_types(self.resource(**{**kept, **whole}))


def id_of(one: Resource, subscription: str) -> str:
    """The resource's id, as ARM writes it."""
    return f"/subscriptions/{subscription}/resourceGroups/{one.group}/providers/{PROVIDER}/{one.path}"


def _loaded(kind: type, kept: Any) -> Any:
    if isinstance(kept, list):
        return tuple(_loaded(kind, one) for one in kept)
    if not isinstance(kept, dict):
        raise TypeError(f"no {kind.__name__}")
    return of_its_types(kind(**kept))
