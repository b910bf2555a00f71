"""Architecture, and faults of old kernels and systems."""

from __future__ import annotations

import re
from typing import Final

from flight.workflows.certify.effective.bootloader import bls
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, not_applicable, passed, rule, unknown
from flight.workflows.kit.text import quoted

KERNEL_WORDS: Final = {"X86_64": "x86_64", "ARM64": "aarch64", "X86_32": "i386", "ARM": "arm"}
MACHINES: Final = ("x86_64", "aarch64")
UPSTREAM: Final = ("4.4.182", "4.9.182", "4.14.127", "4.19.52", "5.1.11")
"""The kernel's own releases with the patches for CVE-2019-11477, -11478 and -11479, of each line that had one."""
FLOORS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("ubuntu", "14.04"): ("4.4.0-151", "4.15.0-1049"),
    ("ubuntu", "16.04"): ("4.4.0-151", "4.15.0-1049"),
    ("ubuntu", "18.04"): ("4.15.0-1049", "4.18.0-1023", "5.0.0-1025"),
    ("ubuntu", "18.10"): ("4.18.0-1023",),
    ("ubuntu", "19.04"): ("5.0.0-1010", "5.3.0-1004"),
    ("el", "6"): ("2.6.32-754.15.3",),
    ("el", "7.2"): ("3.10.0-327.79.2",),
    ("el", "7.3"): ("3.10.0-514.66.2",),
    ("el", "7.4"): ("3.10.0-693.50.3",),
    ("el", "7.5"): ("3.10.0-862.34.2",),
    ("el", "7"): ("3.10.0-957.21.3",),
    ("el", "8"): ("4.18.0-80.4.2",),
    ("debian", "8"): ("3.16.68-2", "4.9.168-1+deb9u3"),
    ("debian", "9"): ("4.9.168-1+deb9u3", "4.19.37-5"),
    ("debian", "10"): ("4.19.37-5",),
    ("sles", "12"): ("4.4.180-4.31.1", "4.12.14-6.15.2"),
    ("sles", "15"): ("4.12.14-5.30.1",),
}
"""Approved kernels by system and release, the lowest of each line of kernels. Source: the Marketplace FAQ's table."""
OLDEST: Final = {"debian": (8, 0), "ubuntu": (14, 4), "el": (8, 0), "fedora": (20, 0), "suse": (12, 0)}
"""The first release whose glibc never had GHOST (CVE-2015-0235, mended in glibc 2.18). Enterprise Linux 7 has 2.17 with a
patch: the self-test warns of it, and says that the warning may be ignored."""


@rule(
    "arch-64",
    "A 64-bit system",
    severity="blocker",
    required="x86_64 or aarch64, of /bin/sh and of the kernel that boots, which is not empty",
    fix="Build the image from the 64-bit edition (amd64, x86_64, arm64, aarch64) of the distribution.",
    source="self-test 49; LISA verify_azure_64bit_os (P1); Security Recommendations; policy 200.3.1",
)
def arch_64(image: Image) -> Outcome:
    bits, machine = image.elf
    if not bits:
        return unknown("/bin/sh is no program, or could not be read")
    if bits != 64 or machine not in MACHINES:
        return failed(f"/bin/sh is for {machine}, {bits} bits")
    for path in (entry.kernel for entry in image.boot.booting):
        if (it := image.tree.entry(path)) and not it.size:
            return failed(f"the kernel that boots, {quoted(path)}, is empty")
    if not image.kernel.problem and (kernel := _machine_of_kernel(image)) and kernel != machine:
        return failed(f"/bin/sh is for {machine}, the kernel for {kernel}")
    return passed(machine)


def _machine_of_kernel(image: Image) -> str:
    """As the kernel's configuration says; empty where that does not."""
    return next((name for option, name in KERNEL_WORDS.items() if image.kernel.option(option) == "y"), "")


@rule(
    "kernel-sack-floor",
    "The kernel has the patches against SACK panic",
    severity="blocker",
    required="a kernel at least as new as the Marketplace FAQ's table has it for the release (CVE-2019-11477, -11478, "
    f"-11479); of other kernels {', '.join(UPSTREAM[:-1])}, or {UPSTREAM[-1]} and later",
    fix="Install the distribution's latest kernel: `apt full-upgrade`, `dnf upgrade kernel`.",
    source="self-test 52; Marketplace FAQ",
    known_on="2026-11-22",
)
def kernel_sack_floor(image: Image) -> Outcome:
    if image.boot.problem or not image.boot.version:
        return unknown(image.boot.unknown or "which kernel boots is not known")
    version = _package_version(image)
    own_line = [floor for floor in (*_floors(image), *UPSTREAM) if _line(floor) == _line(version)]
    floor = (own_line or [UPSTREAM[-1]])[0]
    seen = f"{quoted(version)}; the floor is {floor}"
    return passed(seen) if bls.compare(version, floor) >= 0 else failed(seen)


def _package_version(image: Image) -> str:
    """uname -r; on Debian the package's version, since the release in the name counts the ABI only."""
    version = image.boot.version
    if image.os_release.get("ID") == "debian":
        package = image.package(f"linux-image-{version}", f"linux-image-{version}-unsigned")
        return package.version if package else version
    return version


def _line(version: str) -> list[str]:
    """The line of kernels that a version belongs to: its first two numbers."""
    return re.findall("[0-9]+", version)[:2]


def _floors(image: Image) -> tuple[str, ...]:
    system = "el" if image.is_el else image.os_release.get("ID", "")
    release = image.os_release.get("VERSION_ID", "")
    return FLOORS.get((system, release)) or FLOORS.get((system, release.partition(".")[0])) or ()


@rule(
    "kernel-security-threats",
    "No system from before GHOST was mended",
    severity="warning",
    required="Debian 8, Ubuntu 14.04, Enterprise Linux 8, Fedora 20, SUSE 12 or later",
    fix="Build the image from a release that is still maintained.",
    source="self-test 50",
    known_on="2026-11-22",
)
def kernel_security_threats(image: Image) -> Outcome:
    name = image.os_release.get("ID", "")
    system = "ubuntu" if name == "ubuntu" else "fedora" if name == "fedora" else image.family
    oldest = OLDEST.get(system)
    if oldest is None:
        return not_applicable(f"'{quoted(name)}' is no system that the test knows")
    numbers = re.findall("[0-9]{1,6}", image.os_release.get("VERSION_ID", ""))[:2]
    if not numbers:
        return passed(f"{quoted(name)} without a number: a release to be")
    release = (int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0)
    words = f"{quoted(name)} {'.'.join(numbers)}"
    return passed(words) if release >= oldest else failed(f"{words} is older than {system} {oldest[0]}")
