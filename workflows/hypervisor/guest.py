"""A guest from start to end: run in a worker process of its own, watched until a sign, a stall or the end of time.

    run_guest (here) ── an Order as JSON on stdin ──▶ worker (python -m …hypervisor.worker) ── libvirt ──▶ QEMU
                     ◀── lines of JSON: how far, and at last how it Ended ──┘

Whatever ends this process ends worker and guest: the worker is contained, or the guest dies with its connection.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from flight.workflows.hypervisor.connection import choose_uri, is_embedded
from flight.workflows.hypervisor.console import Sign
from flight.workflows.hypervisor.domain import Domain, render_domain
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import run

How = Literal["sign", "stalled", "late", "gone"]
LOOK = "`flight doctor` tells what this host lacks; [libvirt] in luigi.cfg says how guests are run"
STARTING_S = 120
"""What a worker may take beside the watching: libvirt asks QEMU for its capabilities first."""


@dataclass(frozen=True)
class Order:
    """What a worker is asked: which guest to start, and what to wait for. Paths are texts, for it travels as JSON.

    `forget` are files unlinked once the guest holds them open: a kill leaves none behind.
    """

    uri: str
    name: str
    xml: str
    console: str
    screenshot: str
    signs: tuple[Sign, ...]
    timeout_s: float
    stall_s: float
    forget: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How the watching ended. `sign` is a Sign's name, `text` what was seen, or (how: gone) why the guest ended.

    `silent_s` is for how long neither console nor disk had moved, `cpu_s` the guest's processor time. `screenshot` is
    the path of a PNG, or empty where there was no guest left to take it of.
    """

    how: How
    sign: str
    text: str
    seconds: float
    silent_s: float
    cpu_s: float
    last_lines: tuple[str, ...]
    screenshot: str = ""


def run_guest(
    domain: Domain,
    *,
    signs: tuple[Sign, ...],
    timeout_s: float,
    stall_s: float,
    uri: str,
    screenshot: Path,
    log_to: Path,
    told: Told,
    forget: tuple[Path, ...] = (),
) -> Ended:
    """Start a transient guest, wait for the first of `signs` (or a stall, or the time-out), photograph and destroy it.

    Raises ProgramError where libvirt or QEMU refuse the guest. An earlier console log of that name is removed first.
    """
    chosen = choose_uri(uri)
    domain.console.unlink(missing_ok=True)
    screenshot.unlink(missing_ok=True)
    order = Order(
        uri=chosen,
        name=domain.name,
        xml=render_domain(domain, as_root=chosen == "qemu:///system"),
        console=str(domain.console),
        screenshot=str(screenshot),
        signs=signs,
        timeout_s=timeout_s,
        stall_s=stall_s,
        forget=tuple(map(str, forget)),
    )
    ran = run(
        [sys.executable, "-m", "flight.workflows.hypervisor.worker"],
        why=f"run the guest {domain.name}",
        log_to=log_to,
        stdin=json.dumps(asdict(order)).encode(),
        timeout_s=timeout_s + STARTING_S,
        contained=is_embedded(chosen),
        heard=lambda line: _tell(line, told),
        fix=LOOK,
    )
    return read_ended(ran.out)


def read_ended(out: str) -> Ended:
    """The last word of a worker."""
    for line in reversed(out.splitlines()):
        said = _parse(line)
        if "ended" in said:
            return Ended(**{**said["ended"], "last_lines": tuple(said["ended"]["last_lines"])})
        if "error" in said:
            raise ProgramError(said["error"]["what"], why=said["error"]["why"], fix=said["error"]["fix"])
    raise ProgramError("the program that runs the guest ended without a word", why=out[-500:].strip(), fix=LOOK)


def read_order(text: str) -> Order:
    raw = json.loads(text)
    return Order(
        **{**raw, "signs": tuple(Sign(**sign) for sign in raw["signs"]), "forget": tuple(raw["forget"])},
    )


def _tell(line: str, told: Told) -> None:
    said = _parse(line)
    if "seconds" in said:
        told(Progress(what=f"guest, {said['seconds']:.0f} s: {said['console'][:80]}"))


def _parse(line: str) -> dict[str, Any]:
    """A worker's line, or {} for what libvirt writes among them."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
