"""Boot a disk to its login prompt, on an overlay: nothing is written to the image, and no network is there.

Success is positive: this boot's own console shows a login prompt, after a kernel line that names this boot, and, where
it is known, the root filesystem and the host that were expected.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flight.workflows.hypervisor.console import FAILURES, FIRMWARE_LAST, LOGIN, NO_BOOT_CODE, Sign, clean_console
from flight.workflows.hypervisor.domain import Domain, Firmware
from flight.workflows.hypervisor.guest import Ended, run_guest
from flight.workflows.hypervisor.probe import Acceleration, probe
from flight.workflows.kit.arriving import MARK
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.kit.run import run
from flight.workflows.settings import Libvirt, Settings

STAMP: Final = "flight-"
"""What the BIOS version of our guests begins with; the kernel prints it on its DMI line."""
TIMEOUT_S: Final = 300.0
STALL_S: Final = 90.0
"""A boot that waits for a device that never comes is silent for systemd's 90 s, then says so itself."""
FORMATS: Final = {".qcow2": "qcow2", ".raw": "raw", ".img": "raw", ".vhd": "vpc"}


@dataclass(frozen=True)
class Expected:
    """What the console of the right disk shows; empty: not known, and not asked."""

    root_uuid: str = ""
    hostname: str = ""


@dataclass(frozen=True)
class Boot:
    """A boot that reached its login prompt. `reached` is the prompt as it stood on the console."""

    seconds: float
    console: Path
    reached: str
    screenshot: Path | None
    acceleration: Acceleration


def backing_format(disk: Path) -> str:
    """qemu-img's name of a disk's format, by its extension; never guessed from the content, which the guest can write.

    Raises FlightError for an extension that is not known.
    """
    known = FORMATS.get(disk.suffix.lower())
    if known is None:
        raise FlightError(
            f"{disk} has an extension that says nothing of its format",
            fix=f"let its name end with one of {', '.join(FORMATS)}",
        )
    return known


def problems_on(console: str, *, stamp: str, expected: Expected) -> list[str]:
    """Why a cleaned console is not that of the expected disk, booted with this stamp, at its login prompt."""
    problems = []
    stamps = re.findall(r"DMI: .*BIOS (\S+)", console)
    roots = re.findall(r"Command line: .*root=UUID=(\S+)", console)
    prompts = re.findall(LOGIN.pattern, console, re.MULTILINE)
    if stamps and stamp not in stamps:
        problems.append(f"its kernel runs on the BIOS {stamps[-1]}, not on {stamp}: it is the console of another boot")
    if expected.root_uuid and expected.root_uuid not in roots:
        problems.append(
            f"its kernel's root filesystem is {roots[-1] if roots else 'not named'}, not {expected.root_uuid}"
        )
    if not prompts:
        problems.append("it shows no login prompt")
    elif expected.hostname and expected.hostname not in prompts:
        problems.append(f"it is {prompts[-1]} that asks for a login, not {expected.hostname}")
    if not stamps and not roots:
        problems.append("no kernel named its machine or its command line on it")
    return problems


def boot_to_login(
    disk: Path,
    *,
    settings: Settings,
    work: Path,
    firmware: Firmware = "uefi",
    expected: Expected | None = None,
    timeout_s: float = TIMEOUT_S,
    stall_s: float = STALL_S,
    told: Told = quiet,
) -> Boot:
    """Boot a copy-on-write overlay of `disk` (.qcow2, .raw, .img, fixed .vhd) until it asks for a login name.

    The console's log, a screenshot and the worker's log are left in the folder `work`, named after the firmware.
    Raises FlightError that says where the boot stopped, quotes the console's last lines and names the screenshot.
    """
    acceleration = probe(settings.programs.qemu_system, settings.paths.work)
    told(Progress(what=f"booting {disk.name} ({firmware}, {acceleration.name})"))
    work.mkdir(parents=True, exist_ok=True)
    name = f"{STAMP}{uuid.uuid4().hex[:12]}"
    console, screenshot = work / f"console-{firmware}.log", work / f"screen-{firmware}.png"
    with _overlay(disk, work / f"{MARK}{name}.qcow2", settings.programs.qemu_img) as overlay:
        domain = _domain(overlay, name, firmware, console.absolute(), acceleration, settings.libvirt)
        ended = run_guest(
            domain,
            signs=(LOGIN, *FAILURES),
            timeout_s=timeout_s,
            stall_s=stall_s,
            uri=settings.libvirt.uri,
            screenshot=screenshot.absolute(),
            log_to=work / f"guest-{firmware}.log",
            told=told,
            forget=(domain.disk, domain.nvram),
        )
    if ended.sign != LOGIN.name:
        raise explain_failure(disk.name, firmware, ended, acceleration=acceleration)
    problems = problems_on(clean_console(console.read_bytes()), stamp=name, expected=expected or Expected())
    if problems:
        raise FlightError(
            f"{disk.name} ({firmware}) asks for a login, but is not what was booted",
            why="; ".join(problems),
            fix=f"read what its console said, in {console}",
        )
    return Boot(ended.seconds, console, ended.text, screenshot if ended.screenshot else None, acceleration)


def _domain(
    overlay: Path, name: str, firmware: Firmware, console: Path, acceleration: Acceleration, libvirt: Libvirt
) -> Domain:
    return Domain(
        name=name,
        disk=overlay,
        console=console,
        firmware=firmware,
        nvram=overlay.with_suffix(".fd"),
        has_kvm=acceleration.has_kvm,
        emulator=acceleration.emulator,
        stamp=name,
        memory_mib=libvirt.memory_mib,
        cpus=libvirt.cpus,
    )


def explain_failure(disk: str, firmware: Firmware, ended: Ended, *, acceleration: Acceleration) -> FlightError:
    """The error for a boot that did not reach its login prompt."""
    failure = _failure_of(ended)
    reasons = {
        "sign": f"the guest {failure.meaning if failure else 'ended'}: {ended.text}",
        "stalled": f"for {ended.silent_s:.0f} s nothing came on its console and its disk was idle",
        "late": f"it did not ask for a login within {ended.seconds:.0f} s",
        "gone": f"the guest ended before it asked for a login: {ended.text}",
    }
    seen = [f"{reasons[ended.how]} (after {ended.seconds:.0f} s; processor time {ended.cpu_s:.0f} s)"]
    seen += [f"| {line}" for line in ended.last_lines] or ["its console stayed empty"]
    seen += [f"its screen: {ended.screenshot}"] if ended.screenshot else []
    fix = failure.hint if failure else "look at the screen; a console=ttyS0 on the kernel's command line shows more"
    if ended.sign == "kernel panic" and not acceleration.runs_debian13:
        fix = "install QEMU 10.0 or newer: under older emulators Debian 13's kernel crashes at random"
    return FlightError(f"{disk} does not boot to a login prompt ({firmware})", why="\n       ".join(seen), fix=fix)


def _failure_of(ended: Ended) -> Sign | None:
    """The sign that was seen, or that of boot code which never said a word."""
    if ended.how == "stalled" and FIRMWARE_LAST.search("\n".join(ended.last_lines)):
        return NO_BOOT_CODE
    return next((sign for sign in FAILURES if sign.name == ended.sign), None)


@contextlib.contextmanager
def _overlay(disk: Path, overlay: Path, qemu_img: str) -> Iterator[Path]:
    """A qcow2 over `disk` that is gone afterwards, with the UEFI variables beside it."""
    kind = backing_format(disk)
    argv = [qemu_img, "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(disk.absolute()), str(overlay.absolute())]
    try:
        run(argv, why=f"make an overlay of {disk.name}", timeout_s=60)
        yield overlay.absolute()
    finally:
        overlay.unlink(missing_ok=True)
        overlay.with_suffix(".fd").unlink(missing_ok=True)
