"""Which disks there are, and where they are kept once they are made."""

from __future__ import annotations

from pathlib import Path

from certify.disks import appliance, hostile, small, systems
from certify.disks.keeping import kept

GROUPS = {"systems": systems, "small": small, "appliance": appliance, "hostile": hostile}
DISKS = {name: said for group in GROUPS.values() for name, said in group.DISKS.items()}
"""Every disk by its name, and what it is."""


def build(name: str) -> Path:
    """The VHD of that name; the first one asked for of a group brings the whole group."""
    called, group = next((called, group) for called, group in GROUPS.items() if name in group.DISKS)
    return kept(called, group.SOURCES, group.make) / f"{name}.vhd"
