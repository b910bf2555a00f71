"""What an upload is given: the disk, the blob it is to become, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flight.workflows.kit.progress import Told, quiet

if TYPE_CHECKING:
    from flight.workflows.upload.base import Base
    from flight.workflows.upload.ledger import Ledger
    from flight.workflows.upload.pipe import PipeSource
    from flight.workflows.upload.receipt import BlobPlace, Identity
    from flight.workflows.upload.service import Service
    from flight.workflows.upload.source import FileSource

FindBase = Callable[[int], "Base | None"]
"""The base for a disk of so many bytes; None: all is sent."""


Warned = Callable[[str], None]
"""Hears, in one line, what a person should know though it goes on."""


def no_base(size_bytes: int) -> None:
    """All is sent."""


def unheard(line: str) -> None:
    """Hears nothing."""


@dataclass(frozen=True)
class Job:
    """One disk, and the blob that it is to become. `identity.digest` is empty where nobody took it yet."""

    source: FileSource | PipeSource
    to: BlobPlace
    identity: Identity
    service: Service
    ledger: Ledger
    senders: int
    """Threads; how many of them have a request on its way is the service's affair."""
    replace: bool = False
    content_md5: bool = False
    find_base: FindBase = no_base
    told: Told = quiet
    warned: Warned = unheard
