"""The features of a definition: what a machine made from its versions may count on.

Source: "Trusted launch", "Confidential VMs", "Accelerated Networking", "Hibernation" and "Remote NVMe disks" in Azure's
documentation of virtual machines. Names and values compare without case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flight.workflows.rehearsal import gallery_refusal
from flight.workflows.rehearsal.body import Part

FLAG: Final = ("True", "False")
SECURITY_TYPE: Final = "SecurityType"
FEATURES: Final = {
    SECURITY_TYPE: (
        *("None", "Standard", "TrustedLaunch", "TrustedLaunchSupported", "ConfidentialVM", "ConfidentialVMSupported"),
        "TrustedLaunchAndConfidentialVMSupported",
    ),
    "IsAcceleratedNetworkSupported": FLAG,
    "IsHibernateSupported": FLAG,
    "DiskControllerTypes": ("SCSI", "NVMe", "SCSI, NVMe", "NVMe, SCSI"),
}
"""The features that there are, with the values that each may have."""
OF_BOTH_GENERATIONS: Final = ("None", "Standard")
"""Security types that need no UEFI."""


@dataclass(frozen=True)
class Feature:
    name: str
    value: str
    starts_at_version: str = ""


def read_features(properties: Part, generation: str) -> tuple[Feature, ...]:
    """Raises Refusal for one that there is not, that is given twice, or that the generation cannot have."""
    target = properties.name_of("features")
    members = {"name", "value", "startsAtVersion"}
    found: dict[str, Feature] = {}
    for part in properties.parts("features", "GalleryImageFeature", members):
        name = next((known for known in FEATURES if known.lower() == part.text("name").lower()), "")
        if not name or name in found:
            raise gallery_refusal.bad_feature_name(part.text("name"), target)
        given = part.text("value")
        value = next((known for known in FEATURES[name] if known.lower() == given.lower()), "")
        needs_uefi = name == SECURITY_TYPE and value not in OF_BOTH_GENERATIONS
        if not value or (needs_uefi and generation == "V1"):
            raise gallery_refusal.bad_feature(name, given, target)
        found[name] = Feature(name, value, part.text("startsAtVersion"))
    return tuple(found.values())


def render_feature(feature: Feature) -> dict[str, str]:
    starts = {"startsAtVersion": feature.starts_at_version} if feature.starts_at_version else {}
    return {"name": feature.name, "value": feature.value, **starts}
