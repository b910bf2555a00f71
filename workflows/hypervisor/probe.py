"""KVM or emulation: decided by a guest that ran, because /dev/kvm may exist, open, and still never run one.

The guest is a boot sector of our own that says a word and ends the emulator: a fifth of a second where it works.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from flight.workflows.kit.arriving import write_whole
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.run import find, run
from flight.workflows.kit.text import quoted

WORD: Final = b"flight\n"
DEBUG_CONSOLE: Final = 0xE9
"""QEMU's isa-debugcon: bytes written to this port appear on the emulator's stdout."""
DEBUG_EXIT: Final = 0xF4
"""QEMU's isa-debug-exit: writing N here ends the emulator with exit code 2 N + 1."""
EXIT_BYTE: Final = 0x10
EXIT_CODE: Final = 2 * EXIT_BYTE + 1
DISK_BYTES: Final = 1 << 20
"""SeaBIOS does not boot from a disk of a single sector."""
KVM_TIMEOUT_S: Final = 3.0
TCG_TIMEOUT_S: Final = 30.0
REINSTALL: Final = "reinstall qemu-system-x86 and seabios"
CACHE: Final = "acceleration.json"
STEADY_TCG: Final = (10, 0)
"""Under QEMU 7.2's emulation, guests with Debian 13's kernel crash at random; under 10.0 they do not."""


@dataclass(frozen=True)
class Acceleration:
    """How guests run on this host. `why_not_kvm` holds what the guest under KVM died of, empty where it ran."""

    has_kvm: bool
    emulator: str
    version: tuple[int, ...]
    why_not_kvm: str = ""

    @property
    def name(self) -> str:
        return "KVM" if self.has_kvm else "emulation (TCG)"

    @property
    def runs_debian13(self) -> bool:
        """Whether guests with a 6.12 kernel hold: always under KVM, under emulation from QEMU 10.0 on."""
        return self.has_kvm or self.version >= STEADY_TCG


def boot_sector() -> bytes:
    """512 bytes of real-mode code: interrupts off, WORD to the debug console, EXIT_BYTE to the debug exit, halt."""
    mov_al, out_al, cli, hlt, jump_back = b"\xb0", b"\xe6", b"\xfa", b"\xf4", b"\xeb\xfd"
    says = b"".join(mov_al + bytes([letter]) + out_al + bytes([DEBUG_CONSOLE]) for letter in WORD)
    ends = mov_al + bytes([EXIT_BYTE]) + out_al + bytes([DEBUG_EXIT])
    return (cli + says + ends + hlt + jump_back).ljust(510, b"\0") + b"\x55\xaa"


def plan_probe(emulator: str, disk: Path, *, has_kvm: bool) -> list[str]:
    """The emulator's argv for the tiny guest: two processors, the CPU model that real guests get."""
    accelerator, cpu = ("kvm", "host") if has_kvm else ("tcg", "max")
    return [
        *(emulator, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-m", "64", "-smp", "2"),
        *("-accel", accelerator, "-cpu", cpu, "-debugcon", "stdio"),
        *("-drive", f"file={str(disk).replace(',', ',,')},format=raw,if=none,id=disk,readonly=on"),
        *("-device", "virtio-blk-pci,drive=disk,bootindex=1"),
        *("-device", f"isa-debug-exit,iobase={DEBUG_EXIT:#x},iosize=4"),
    ]


def parse_version(text: str) -> tuple[int, ...]:
    """'QEMU emulator version 10.0.2 (Debian …)' -> (10, 0, 2); () where there is none."""
    found = re.search(r"version (\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def libguestfs_env(acceleration: Acceleration) -> dict[str, str]:
    """What libguestfs's tools need in their environment here: no libvirt daemon, and no KVM that lies."""
    forced = {} if acceleration.has_kvm else {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
    return {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_HV": acceleration.emulator, **forced}


def probe(qemu_system: str, work: Path) -> Acceleration:
    """How guests run here: answered from WORK/cache until the host reboots, or its kernel, QEMU or our rights change.

    Raises ProgramError where QEMU is missing, or runs no guest even under emulation.
    """
    emulator = os.path.abspath(find(qemu_system, why="look how guests run here", fix="install qemu-system-x86"))
    asked = _circumstances(emulator)
    known = _load(work / "cache" / CACHE, asked)
    if known is None:
        known = _probe_now(emulator)
        write_whole(work / "cache" / CACHE, json.dumps({"asked": asked, "answer": asdict(known)}, indent=2) + "\n")
    return known


def _probe_now(emulator: str) -> Acceleration:
    version = parse_version(run([emulator, "--version"], why="read QEMU's version", timeout_s=30).out)
    with tempfile.TemporaryDirectory(prefix="flight-probe-") as folder:
        disk = Path(folder, "probe.img")
        disk.write_bytes(boot_sector())
        os.truncate(disk, DISK_BYTES)
        why_not = _why_no_kvm(emulator, disk)
        if why_not:
            _run_guest(plan_probe(emulator, disk, has_kvm=False), timeout_s=TCG_TIMEOUT_S)
    return Acceleration(not why_not, emulator, version, why_not)


def _why_no_kvm(emulator: str, disk: Path) -> str:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is not there, or not ours to open"
    try:
        _run_guest(plan_probe(emulator, disk, has_kvm=True), timeout_s=KVM_TIMEOUT_S)
    except ProgramError as error:
        said = [line.strip().removeprefix("| ") for line in error.why.splitlines() if line.strip().startswith("| ")]
        return said[0] if said else error.what
    return ""


def _run_guest(argv: Sequence[str], *, timeout_s: float) -> None:
    ran = run(argv, why="run a tiny guest", timeout_s=timeout_s, ok=(EXIT_CODE,), fix=REINSTALL)
    if WORD.decode() not in ran.out:
        why = f"it said: {quoted(ran.out)}" if ran.out else "it said nothing"
        raise ProgramError("could not run a tiny guest: it ended without its word", why=why, fix=REINSTALL)


def _circumstances(emulator: str) -> str:
    """A hash of all that the answer depends on."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    binary = os.stat(emulator)
    rights = os.access("/dev/kvm", os.R_OK | os.W_OK)
    parts = (boot_id, platform.release(), emulator, binary.st_mtime_ns, binary.st_size, rights)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _load(path: Path, asked: str) -> Acceleration | None:
    try:
        held = json.loads(path.read_text())
        answer = held["answer"]
        return Acceleration(**{**answer, "version": tuple(answer["version"])}) if held["asked"] == asked else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
