"""Guests: how they run on this host, and a disk booted to its login prompt."""

from flight.workflows.hypervisor.boot import Boot, Expected, boot_to_login
from flight.workflows.hypervisor.probe import Acceleration, libguestfs_env, probe

__all__ = ["Acceleration", "Boot", "Expected", "boot_to_login", "libguestfs_env", "probe"]
