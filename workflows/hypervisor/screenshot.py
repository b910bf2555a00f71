"""A picture of a guest's screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import libvirt


def photograph(domain: libvirt.virDomain, to: Path) -> Path | None:
    """Write the first screen of a running guest to `to` (PNG with QEMU 7.1 or newer); None where the guest is gone."""
    import libvirt

    try:
        stream = domain.connect().newStream()
        domain.screenshot(stream, 0)
        with open(to, "wb") as file:
            stream.recvAll(lambda _stream, chunk, sink: sink.write(chunk), file)
        stream.finish()
    except libvirt.libvirtError:
        to.unlink(missing_ok=True)
        return None
    return to
