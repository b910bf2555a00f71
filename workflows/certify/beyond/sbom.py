"""Every installed package as CycloneDX JSON. The same image gives the same text: no clock, no chance."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.report.wording import version

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

PURL_TYPES: Final = {"dpkg": "deb", "rpm": "rpm"}
"""Source: the Package URL specification's types."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
"""A package's name as dpkg and rpm take it; what else a disk calls one has no package URL."""
SERIALS: Final = uuid.UUID("4a2b7f3e-6c1d-5e8f-9a0b-7d3c2e1f5a64")
"""The namespace of our serial numbers (RFC 9562, version 5): any fixed one."""


def render(snapshot: Snapshot, *, name: str, digest: str) -> str:
    """The packages of an image that is called `name`, and known by `digest` (docs/digest.md; may be empty)."""
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    whole = make_outputter(_bom(Image(snapshot), name, digest), OutputFormat.JSON, SchemaVersion.V1_6)
    found = json.loads(whole.output_as_string())
    found["metadata"].pop("timestamp", None)  # the library always writes one
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def _bom(image: Image, name: str, digest: str) -> Bom:
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    words = {
        "digest": digest,
        "os": image.known_release.get("PRETTY_NAME", ""),
        "format": image.snapshot.package_format,
    }
    system = Component(
        name=_plain(name), type=ComponentType.OPERATING_SYSTEM, bom_ref="image",
        version=_plain(image.known_release.get("VERSION_ID", "")) or None,
        properties=[Property(name=f"flight:{key}", value=_plain(value)) for key, value in words.items() if value],
    )  # fmt: skip
    flight = Component(name="flight", type=ComponentType.APPLICATION, version=version(), bom_ref="flight")
    found = {str(each.bom_ref): each for each in (_component(package, image) for package in _installed(image))}
    bom = Bom(
        components=found.values(),
        metadata=BomMetaData(component=system, tools=ToolRepository(components=[flight])),
        serial_number=uuid.uuid5(SERIALS, _plain(f"{name} {digest or _fingerprint(image)}")),
    )
    bom.register_dependency(system, found.values())
    return bom


def _installed(image: Image) -> list[Package]:
    return [package for package in image.snapshot.packages if package.is_installed]


def _fingerprint(image: Image) -> str:
    """What stands for the digest of an image that has none."""
    rows = sorted(f"{each.name} {each.version} {each.architecture}" for each in _installed(image))
    return hashlib.sha256("\n".join(rows).encode(errors="replace")).hexdigest()


def _component(package: Package, image: Image) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    url = _purl(package, image) if NAME.fullmatch(package.name) else None
    source = " ".join(filter(None, (package.source, package.source_version)))
    return Component(
        name=_plain(package.name), type=ComponentType.LIBRARY, version=_plain(package.version), purl=url,
        bom_ref=url.to_string() if url else _plain(f"{package.name} {package.version} {package.architecture}"),
        properties=[Property(name="flight:source", value=_plain(source))] if source else [],
    )  # fmt: skip


def _purl(package: Package, image: Image) -> PackageURL:
    from packageurl import PackageURL

    epoch, colon, rest = package.version.partition(":")
    is_epoch = bool(colon) and image.snapshot.package_format == "rpm"
    words = (image.known_release.get("ID", ""), image.known_release.get("VERSION_ID", ""))
    distribution, release = (word if NAME.fullmatch(word) else "" for word in words)
    qualifiers = {
        "arch": package.architecture,
        "epoch": epoch if is_epoch else "",
        "distro": "-".join(filter(None, (distribution, release))),
        "upstream": _upstream(package),
    }
    return PackageURL(
        type=PURL_TYPES.get(image.snapshot.package_format, "generic"),
        namespace=distribution or None,
        name=package.name,
        version=_plain(rest if is_epoch else package.version),
        qualifiers={key: _plain(value) for key, value in qualifiers.items() if value},
    )


def _upstream(package: Package) -> str:
    """The source package, as scanners look advisories up by it; empty where it has the package's own name and version."""
    if not package.source or (package.source == package.name and package.source_version == package.version):
        return ""
    return package.source if package.source_version == package.version else f"{package.source}@{package.source_version}"


def _plain(text: str) -> str:
    """Text that any reader of JSON takes: halves of a UTF-16 pair, which hostile bytes become, are replaced."""
    return text.encode(errors="replace").decode()
