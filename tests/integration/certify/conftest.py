"""Disks that flight did not build, by their names (`certify.disks`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from certify import disks


@pytest.fixture(scope="session")
def foreign_disk() -> Callable[[str], Path]:
    """`foreign_disk("lvm")` is that VHD, shared by all tests: who wants to change one copies it."""
    return disks.build
