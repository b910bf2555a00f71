"""Fixed VHDs: a raw disk of whole MiB and a footer of 512 bytes, the only disk that Azure takes.

layout       the footer as bytes and as values (pure)
acceptance   what Azure would refuse, and the command that mends it (pure, but for the reading)
sparse       where a file's data is; copies that keep the holes
conversion   raw disk → VHD, read back
inspection   what a VHD says of itself, for a person
"""

from flight.workflows.vhd.acceptance import require_uploadable
from flight.workflows.vhd.conversion import convert
from flight.workflows.vhd.inspection import Inspection, inspect
from flight.workflows.vhd.layout import (
    EPOCH,
    FOOTER_BYTES,
    LARGEST_BYTES,
    MIB,
    Footer,
    footer,
    read_footer,
    round_up_mib,
)
from flight.workflows.vhd.sparse import Extent, extents

__all__ = [
    "EPOCH",
    "FOOTER_BYTES",
    "LARGEST_BYTES",
    "MIB",
    "Extent",
    "Footer",
    "Inspection",
    "convert",
    "extents",
    "footer",
    "inspect",
    "read_footer",
    "require_uploadable",
    "round_up_mib",
]
