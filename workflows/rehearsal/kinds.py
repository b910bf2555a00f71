"""Every type of resource that the stand-in makes and keeps. The storage account is not among them: it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flight.workflows.rehearsal.gallery import GALLERIES
from flight.workflows.rehearsal.gallery_definition import DEFINITIONS
from flight.workflows.rehearsal.gallery_version import VERSIONS
from flight.workflows.rehearsal.managed_image import IMAGES
from flight.workflows.rehearsal.resource import Kind

KINDS: Final[Mapping[str, Kind[Any]]] = {
    kind.resource.kind: kind for kind in (IMAGES, GALLERIES, DEFINITIONS, VERSIONS)
}
"""By type, the outer ones before what lies in them."""
