"""The process that runs one guest: an Order on stdin, lines of JSON on stdout. Started by `guest.run_guest` alone."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flight.workflows.hypervisor.connection import connected, is_embedded
from flight.workflows.hypervisor.console import Console
from flight.workflows.hypervisor.domain import DISK_TARGET
from flight.workflows.hypervisor.guest import LOOK, Ended, Order, read_order
from flight.workflows.hypervisor.screenshot import photograph
from flight.workflows.hypervisor.watch import Activity, StallWatch
from flight.workflows.kit.errors import FlightError, ProgramError

if TYPE_CHECKING:
    import libvirt

LOOK_EVERY_S: Final = 0.2
TELL_EVERY_S: Final = 1.0
SETTLE_S: Final = 0.5
"""After a sign, this much more of the console is waited for: a panic's words come in many lines."""
QUOTED_LINES: Final = 15


class Guest:
    """A started transient domain; what libvirt says of it."""

    def __init__(self, connection: libvirt.virConnect, order: Order) -> None:
        import libvirt

        self._libvirt, self._events = libvirt, list[tuple[int, int]]()
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._hear, None)
        flags = libvirt.VIR_DOMAIN_START_VALIDATE
        if not is_embedded(order.uri):  # where the driver is embedded, the namespace ends the guest with us
            flags |= libvirt.VIR_DOMAIN_START_AUTODESTROY
        try:
            self.domain = connection.createXML(order.xml, flags)
        except libvirt.libvirtError as error:
            raise ProgramError(f"could not start the guest {order.name}", why=str(error), fix=LOOK) from error

    def _hear(self, _connection: object, _domain: object, event: int, detail: int, _opaque: object) -> None:
        self._events.append((event, detail))

    @property
    def why_gone(self) -> str:
        """Why the guest is no more, or "" while it runs."""
        words = {
            self._libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "it shut itself down, or reset",
            self._libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "it crashed",
            self._libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "somebody destroyed it",
            self._libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "its QEMU died",
        }
        stopped = [detail for event, detail in self._events if event == self._libvirt.VIR_DOMAIN_EVENT_STOPPED]
        return words.get(stopped[0], "it stopped") if stopped else ""

    def disk_requests(self) -> int:
        with contextlib.suppress(self._libvirt.libvirtError):  # it may be gone between two questions
            reads, _, writes, _, _ = self.domain.blockStats(DISK_TARGET)
            return int(reads + writes)
        return 0

    def cpu_s(self) -> float:
        with contextlib.suppress(self._libvirt.libvirtError):
            return float(self.domain.info()[4]) / 1e9
        return 0.0

    def destroy(self) -> None:
        with contextlib.suppress(self._libvirt.libvirtError):  # gone by itself
            self.domain.destroy()


@contextlib.contextmanager
def started(connection: libvirt.virConnect, order: Order) -> Iterator[Guest]:
    guest = Guest(connection, order)
    try:
        for path in order.forget:
            Path(path).unlink(missing_ok=True)
        yield guest
    finally:
        guest.destroy()


def watch(guest: Guest, order: Order) -> Ended:
    """Look until a sign, a stall, the guest's end or the end of the time; a picture of the screen as it was then."""
    begun = time.monotonic()
    console = Console(Path(order.console), order.signs)
    stall = StallWatch(order.stall_s, started_s=begun)
    last_told = begun
    while True:
        gone = guest.why_gone  # asked first, so that the console read after it is the whole of it
        seen = console.look()
        now = time.monotonic()
        activity = Activity(console.size_bytes, guest.disk_requests())
        is_stalled = stall.is_stalled(activity, now_s=now, is_at_firmware=console.is_at_firmware)
        if seen or gone or is_stalled or now - begun >= order.timeout_s:
            break
        if now - last_told >= TELL_EVERY_S:
            last_told = now
            say({"seconds": now - begun, "console": " ".join(console.last_lines(1))})
        time.sleep(LOOK_EVERY_S)
    if seen:
        time.sleep(0 if gone else SETTLE_S)
        console.look()
    return Ended(
        how="sign" if seen else "gone" if gone else "stalled" if is_stalled else "late",
        sign=seen.sign.name if seen else "",
        text=seen.text if seen else gone,
        seconds=round(now - begun, 1),
        silent_s=round(stall.silent_s(now), 1),
        cpu_s=round(guest.cpu_s(), 1),
        last_lines=console.last_lines(QUOTED_LINES),
        screenshot=str(photograph(guest.domain, Path(order.screenshot)) or ""),
    )


def say(words: dict[str, Any]) -> None:
    print(json.dumps(words), flush=True)


def main() -> None:
    order = read_order(sys.stdin.read())
    try:
        with connected(order.uri) as connection, started(connection, order) as guest:
            ended = watch(guest, order)
    except FlightError as error:
        say({"error": {"what": error.what, "why": error.why, "fix": error.fix}})
    else:
        say({"ended": asdict(ended)})


if __name__ == "__main__":
    main()
