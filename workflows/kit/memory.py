"""Memory where several threads each take and free megabytes at a time."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Source: mallopt(3)."""
LARGEST: Final = 32 << 20
"""The largest value that M_MMAP_THRESHOLD takes."""
KEPT: Final = 256 << 20


def share_one_heap() -> None:
    """From now on all threads take from one heap, blocks of megabytes too; nothing where there is no glibc.

    Otherwise each thread has a heap of its own, and holes in it that the others cannot use: a third more memory.
    Blocks that the system gives and takes back each time must be zeroed by it each time: a tenth more time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, KEPT)
