"""Azure on this machine: Azurite for the blobs, and a stand-in for Microsoft.Compute's images, on loopback only."""

from flight.workflows.rehearsal.control import (
    Status,
    check_startable,
    ensure_if_used,
    ensure_running,
    render_status,
    servers,
    status,
)

__all__ = ["Status", "check_startable", "ensure_if_used", "ensure_running", "render_status", "servers", "status"]
