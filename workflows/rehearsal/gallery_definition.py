"""A definition in a gallery: what all versions of one image have in common.

Source: the REST reference "Gallery Images - Create Or Update".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from flight.workflows.rehearsal import gallery_refusal, refusal
from flight.workflows.rehearsal.body import Part, moment, read_body, read_tags
from flight.workflows.rehearsal.gallery import ECHOED, OPERATIONS, read_region
from flight.workflows.rehearsal.gallery_feature import Feature, read_features, render_feature
from flight.workflows.rehearsal.managed_image import GENERATIONS, OS_STATES, OS_TYPES
from flight.workflows.rehearsal.refusal import Refusal
from flight.workflows.rehearsal.request import NAME_RULE, Address, is_name
from flight.workflows.rehearsal.resource import Kind, Resource, World

SHOWN: Final = "galleryImage.properties."
ARCHITECTURES: Final = ("x64", "Arm64")
ASSETS: Final = {"publisher": 128, "offer": 64, "sku": 64}
"""The identifier's parts, and how many characters each may have."""
MOST_MACHINE: Final = (1 << 31) - 1
_ASSET: Final = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]")
_TEXTS: Final = {
    "description": "description",
    "eula": "eula",
    "privacy_statement_uri": "privacyStatementUri",
    "release_note_uri": "releaseNoteUri",
}
_PROPERTIES: Final = {
    *_TEXTS.values(),
    *("osType", "osState", "hyperVGeneration", "endOfLifeDate", "identifier", "recommended", "disallowed"),
    *("purchasePlan", "provisioningState", "features", "architecture", "allowUpdateImage"),
}


@dataclass(frozen=True)
class Definition(Resource):
    """`end_of_life` as Azure writes a time, or empty; `recommended` as it is shown; `may_update` is of one request."""

    kind = "galleries/images"

    gallery: str
    os_type: str
    os_state: str
    publisher: str
    offer: str
    sku: str
    hyper_v_generation: str = "V1"
    architecture: str = "x64"
    features: tuple[Feature, ...] = ()
    end_of_life: str = ""
    recommended: Mapping[str, Any] = field(default_factory=dict)
    disallowed: Mapping[str, Any] = field(default_factory=dict)
    purchase_plan: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    eula: str = ""
    privacy_statement_uri: str = ""
    release_note_uri: str = ""
    may_update: bool = False

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.gallery,)

    @property
    def identifier(self) -> tuple[str, str, str]:
        """What no two definitions of a gallery share; it compares without case."""
        return self.publisher.lower(), self.offer.lower(), self.sku.lower()


IMMUTABLE: Final = {
    "os_type": "osType",
    "os_state": "osState",
    "hyper_v_generation": "hyperVGeneration",
    "publisher": "identifier.publisher",
    "offer": "identifier.offer",
    "sku": "identifier.sku",
    "architecture": "architecture",
    "purchase_plan": "purchasePlan",
}


class Definitions(Kind[Definition]):
    resource = Definition
    title = "Gallery Image"
    operations = OPERATIONS
    can_patch = True
    holds: ClassVar = {"features": Feature}

    def check_name(self, name: str) -> None:
        if not is_name(name):
            raise refusal.bad_name(name, NAME_RULE)

    def read(self, body: bytes, address: Address) -> Definition:
        asked = read_body(body, "GalleryImage", {"location", "tags", "properties", *ECHOED})
        properties = asked.part("properties", "GalleryImageProperties", _PROPERTIES, shown=SHOWN)
        generation = properties.one_of("hyperVGeneration", GENERATIONS, default="V1")
        return Definition(
            address.name,
            address.group,
            read_region(asked, Definition.kind),
            gallery=address.parents[0],
            tags=read_tags(asked),
            os_type=properties.one_of("osType", OS_TYPES),
            os_state=properties.one_of("osState", OS_STATES),
            hyper_v_generation=generation,
            architecture=properties.one_of("architecture", ARCHITECTURES, default="x64"),
            features=read_features(properties, generation),
            end_of_life=properties.moment("endOfLifeDate"),
            may_update=properties.flag("allowUpdateImage"),
            **_identifier(properties),
            **_texts(properties),
            **_machine(properties),
        )

    def check_change(self, old: Definition, new: Definition) -> None:
        for name, shown in IMMUTABLE.items():
            if getattr(old, name) != getattr(new, name):
                raise refusal.immutable(f"{SHOWN}{shown}")
        if set(old.features) != set(new.features) and not new.may_update:
            raise refusal.immutable(f"{SHOWN}features")

    def check_made(self, new: Definition, world: World) -> None:
        check_end_of_life(new, world, f"{SHOWN}endOfLifeDate")
        for one in world.below(new.key.rsplit("/", 2)[0]):
            if isinstance(one, Definition) and one.key != new.key and one.identifier == new.identifier:
                raise gallery_refusal.same_identifier(one.name, new.publisher, new.offer, new.sku)

    def made(self, new: Definition, world: World) -> tuple[Definition, Refusal | None]:
        return replace(new, may_update=False), None

    def updated(self, old: Definition, new: Definition, world: World) -> Definition:
        return replace(new, state="Updating", may_update=False)

    def render(self, one: Definition, world: World) -> dict[str, Any]:
        given = {
            **{member: getattr(one, field) for field, member in _TEXTS.items()},
            "endOfLifeDate": one.end_of_life,
            "recommended": dict(one.recommended),
            "disallowed": dict(one.disallowed),
            "purchasePlan": dict(one.purchase_plan),
            "features": [render_feature(feature) for feature in one.features],
        }
        return {
            "osType": one.os_type,
            "osState": one.os_state,
            "hyperVGeneration": one.hyper_v_generation,
            "architecture": one.architecture,
            "identifier": {"publisher": one.publisher, "offer": one.offer, "sku": one.sku},
            **{member: value for member, value in given.items() if value},
            "provisioningState": one.state,
        }


DEFINITIONS: Final = Definitions()


def check_end_of_life(new: Resource, world: World, target: str) -> None:
    """It lies in the future, unless it stood there already. Times of one shape sort as they follow one another."""
    old, ends = world.resources.get(new.key), getattr(new, "end_of_life", "")
    if ends and ends != getattr(old, "end_of_life", "") and ends <= moment(world.now):
        raise gallery_refusal.past_end_of_life(target)


def _identifier(properties: Part) -> dict[str, Any]:
    properties.required("identifier")
    identifier = properties.part("identifier", "GalleryImageIdentifier", ASSETS)
    return {part: _asset(identifier, part, most) for part, most in ASSETS.items()}


def _texts(properties: Part) -> dict[str, Any]:
    return {name: properties.text(member) for name, member in _TEXTS.items()}


def _asset(identifier: Part, part: str, most: int) -> str:
    value = identifier.text(part)
    if len(value) > most or not _ASSET.fullmatch(value):
        raise gallery_refusal.bad_asset(identifier.name_of(part), most)
    return value


def _machine(properties: Part) -> dict[str, Any]:
    """What is said of the machines that it fits, as it is shown."""
    recommended = properties.part("recommended", "RecommendedMachineConfiguration", {"vCPUs", "memory"})
    disallowed = properties.part("disallowed", "Disallowed", {"diskTypes"})
    plan = properties.part("purchasePlan", "ImagePurchasePlan", {"name", "publisher", "product"})
    types = disallowed.values.get("diskTypes") or []
    if not isinstance(types, list) or not all(isinstance(one, str) for one in types):
        raise refusal.bad_value(disallowed.name_of("diskTypes"))
    ranges = {name: _range(recommended, name) for name in ("vCPUs", "memory")}
    return {
        "recommended": {name: value for name, value in ranges.items() if value},
        "disallowed": {"diskTypes": types} if types else {},
        "purchase_plan": {word: plan.text(word) for word in plan.values},
    }


def _range(recommended: Part, name: str) -> dict[str, int]:
    given = recommended.part(name, "ResourceRange", {"min", "max"})
    ends = {
        end: given.whole(end, default=0, least=1, most=MOST_MACHINE)
        for end in ("min", "max")
        if given.values.get(end) is not None
    }
    if ends.get("min", 0) > ends.get("max", MOST_MACHINE):
        raise gallery_refusal.least_above_most(recommended.name_of(name))
    return ends
