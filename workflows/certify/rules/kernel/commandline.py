"""The kernel's command line, as the boot loader would hand it over."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flight.workflows.certify.effective.bootentry import Entry
from flight.workflows.certify.effective.commandline import has_word, listed, values
from flight.workflows.certify.effective.standstill import standstill
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, failed, not_applicable, passed, rule, unknown
from flight.workflows.kit.text import quoted

IN_BOTH: Final = (
    "Debian: put it into GRUB_CMDLINE_LINUX in /etc/default/grub and run update-grub. Enterprise Linux: "
    "`grubby --update-kernel=ALL --args="
)
OUT_OF_BOTH: Final = (
    "Debian: take it out of GRUB_CMDLINE_LINUX and GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and run update-grub. "
    "Enterprise Linux: `grubby --update-kernel=ALL --remove-args="
)
"""How words come onto the command line, and leave it. `grubby` alone knows the boot loader entries."""
CONSOLES: Final = {"aarch64": "ttyAMA0"}
"""The serial port by machine; ttyS0 on all others."""
NVME_SECONDS: Final = 240
GOES_ON: Final = (
    "GRUB: GRUB_TIMEOUT=1 in /etc/default/grub; where it has superusers, --unrestricted in CLASS in "
    "/etc/grub.d/10_linux."
)
LEGACY: Final = ("libata.atapi_enabled=0", "reserve=0x1f0,0x8")


def console_of(image: Image) -> str:
    return CONSOLES.get(image.machine, "ttyS0")


def _is_on(device: str, value: str) -> bool:
    """Whether a parameter's value names a device, with options behind it or not."""
    return value == device or value.startswith(f"{device},")


def _each(image: Image, has: Callable[[str], bool], word: str, *, seen: str = "") -> Outcome:
    """Every line that boots must have it; entries that do not boot by themselves are mentioned."""
    boot = image.boot
    if boot.problem:
        return unknown(boot.unknown)
    without = [entry for entry in boot.booting if not has(entry.command_line)]
    if without:
        return failed(f"{word} is missing in {quoted(without[0].source)}")
    other = _others(image, lambda line: not has(line))
    behind = f"; missing in {quoted(other[0].title)}" if other else ""
    return passed(f"{seen or word} ({quoted(boot.source)}){behind}")


def _none(image: Image, found_in: Callable[[str], list[str]]) -> Outcome:
    """No line that boots may have what `found_in` names."""
    boot = image.boot
    if boot.problem:
        return unknown(boot.unknown)
    for entry in boot.booting:
        if words := found_in(entry.command_line):
            return failed(f"{quoted(' '.join(words))} in {quoted(entry.source)}")
    other = _others(image, lambda line: bool(found_in(line)))
    return passed("none" + (f"; but in {quoted(other[0].title)}" if other else ""))


def _others(image: Image, is_it: Callable[[str], bool]) -> list[Entry]:
    """Entries besides those that boot: older kernels, not those for repairs."""
    boot = image.boot
    usual = (entry for entry in boot.entries if entry not in boot.booting)
    return [it for it in usual if not it.is_another_system and not it.is_rescue and is_it(it.command_line)]


@rule(
    "cmdline-console",
    "The kernel writes to the serial console",
    severity="blocker",
    required="console=ttyS0 (console=ttyAMA0 on Arm) on the command line that boots",
    fix=f"{IN_BOTH}console=ttyS0,115200n8`. On Arm the port is ttyAMA0.",
    source="self-test 40; LISA verify_serial_console_is_enabled (P1); Marketplace FAQ; policy 200.3.3",
)
def cmdline_console(image: Image) -> Outcome:
    if image.boot.problem:
        return unknown(image.boot.problem)
    device = console_of(image)
    return _each(
        image, lambda line: any(_is_on(device, value) for value in values(line, "console")), f"console={device}"
    )


@rule(
    "cmdline-earlyprintk",
    "The kernel's first messages go to the serial console too",
    severity="warning",
    required="earlyprintk=ttyS0 on the command line that boots (x86_64)",
    fix=f"{IN_BOTH}earlyprintk=ttyS0,115200`.",
    source="self-test 40 (a warning); Marketplace FAQ; Security Recommendations for Azure Marketplace Images",
    machine="x86_64",
)
def cmdline_earlyprintk(image: Image) -> Outcome:
    return _each(
        image, lambda line: any(_is_on("ttyS0", it) for it in values(line, "earlyprintk")), "earlyprintk=ttyS0"
    )


@rule(
    "cmdline-rootdelay",
    "The kernel waits for its disk",
    severity="warning",
    required="rootdelay=300 on the command line that boots (x86_64); the self-test warns without it",
    fix=f"{IN_BOTH}rootdelay=300`.",
    source="self-test 40 (API 1.7, 2023: a warning); Security Recommendations; Microsoft's guide for any Linux; "
    "taken out of the Marketplace FAQ in 2021",
    machine="x86_64",
)
def cmdline_rootdelay(image: Image) -> Outcome:
    outcome = _each(image, lambda line: values(line, "rootdelay")[-1:] == ["300"], "rootdelay=300")
    if not sleeps_for_rootdelay(image):
        return outcome
    if outcome.status == "pass":
        return passed(f"{outcome.seen}; every boot takes 300 s longer: initramfs-tools sleeps for all of it")
    why = "rightly: initramfs-tools would sleep for all of it at every boot"
    return failed(
        f"{outcome.seen}; {why}", severity="info", fix="leave it as it is: the self-test's warning rejects nothing"
    )


def sleeps_for_rootdelay(image: Image) -> bool:
    """Whether the initramfs is of initramfs-tools, whose init sleeps that long unconditionally (measured: 78 s → 373 s)."""
    found = image.snapshot.initramfs.get(image.boot.initramfs)
    return found is not None and "scripts/local" in found.files


@rule(
    "cmdline-ifnames",
    "The first network interface is eth0",
    severity="warning",
    required="net.ifnames=0 on Debian, Ubuntu and Enterprise Linux up to 9; absent from Enterprise Linux 10 on",
    fix=f"{IN_BOTH}net.ifnames=0`. Enterprise Linux 10: `grubby --update-kernel=ALL --remove-args=net.ifnames`.",
    source="Microsoft's guides for any Linux and for RHEL; cloud-image-val (absent on RHEL 10)",
    known_on="2026-11-22",
)
def cmdline_ifnames(image: Image) -> Outcome:
    if image.family != "debian" and not image.is_el:
        return not_applicable("for Debian, Ubuntu and Enterprise Linux only")
    if image.is_el and image.release >= 10:
        return _none(image, lambda line: [f"net.ifnames={value}" for value in values(line, "net.ifnames")])
    return _each(image, lambda line: values(line, "net.ifnames")[-1:] == ["0"], "net.ifnames=0")


@rule(
    "cmdline-no-quiet",
    "Nothing silences the boot's messages",
    severity="warning",
    required="neither rhgb nor quiet nor crashkernel=auto on the command line that boots",
    fix=f"{OUT_OF_BOTH}'rhgb quiet crashkernel=auto'`.",
    source="Microsoft's guides for any Linux and for RHEL; cloud-image-val",
)
def cmdline_no_quiet(image: Image) -> Outcome:
    def found_in(line: str) -> list[str]:
        auto = ["crashkernel=auto"] if "auto" in values(line, "crashkernel") else []
        return [word for word in ("rhgb", "quiet") if has_word(line, word)] + auto

    return _none(image, found_in)


@rule(
    "cmdline-no-legacy",
    "No parameters of the first Azure kernels, none that stops the machine",
    severity="likely blocker",
    required=f"neither {LEGACY[0]} nor {LEGACY[1]} in the boot loader's configuration, in no entry of it; and as a blocker "
    "nothing that keeps what boots from coming up by itself: systemd.unit= of a rescue or emergency target (single, 1), "
    "another init=, systemd.mask= of ssh, the agent or cloud-init, initcall_blacklist= of Hyper-V's drivers; a GRUB that "
    "waits (timeout=-1) or asks for a password",
    fix=f"{OUT_OF_BOTH}'libata.atapi_enabled reserve'`.",
    source="LISA verify_grub (P1); what does not come up by itself fails every test",
)
def cmdline_no_legacy(image: Image) -> Outcome:
    """The whole text counts, as LISA searches it."""
    if why := standstill(image):
        return failed(why, severity="blocker", fix=f"{OUT_OF_BOTH}WORD`. {GOES_ON}")
    for path in image.boot.read:
        text = image.tree.text(path) or ""
        if words := [word for word in LEGACY if word in text]:
            return failed(f"{words[0]} in {quoted(path)}")
    if image.boot.problem:
        return unknown(image.boot.unknown)
    return _none(image, lambda line: [word for word in LEGACY if word in line])


@rule(
    "cmdline-numa",
    "NUMA is off where the kernel cannot do it on Hyper-V",
    severity="warning",
    required="numa=off on Enterprise Linux 6 with a kernel below 2.6.32-504",
    fix="Add numa=off to the kernel line in /boot/grub/grub.conf, or take a later release.",
    source="LISA verify_grub (P1); Microsoft's guide for any Linux",
)
def cmdline_numa(image: Image) -> Outcome:
    if not image.is_el or image.release > 6:
        return not_applicable("for Enterprise Linux 6 only")
    return _each(image, lambda line: "off" in values(line, "numa"), "numa=off")


@rule(
    "cmdline-arm-pmu",
    "Arm's performance counters are left alone",
    severity="likely blocker",
    required="initcall_blacklist=arm_pmu_acpi_init on the command line that boots (aarch64)",
    fix=f"{IN_BOTH}initcall_blacklist=arm_pmu_acpi_init`.",
    source="LISA verify_pmu_disabled_for_arm64 (P1); img-proof",
    machine="aarch64",
)
def cmdline_arm_pmu(image: Image) -> Outcome:
    if not image.machine:
        return not_applicable("not known to be for aarch64")
    word = "arm_pmu_acpi_init"
    return _each(image, lambda line: word in listed(line, "initcall_blacklist"), f"initcall_blacklist={word}")


@rule(
    "cmdline-nvme-timeout",
    "NVMe disks are given time",
    severity="warning",
    required="nvme_core.io_timeout=240 (or more) on the command line that boots; where nvme_core is a module, as its "
    "option in modprobe.d will do. Likely to block where the plan claims NVMe",
    fix=f"{IN_BOTH}nvme_core.io_timeout=240`.",
    source="Microsoft's guides for NVMe, RHEL and Debian (2026)",
    generation="V2",
)
def cmdline_nvme_timeout(image: Image) -> Outcome:
    boot = image.boot
    if boot.problem:
        return unknown(boot.unknown)
    for entry in boot.booting:
        given = values(entry.command_line, "nvme_core.io_timeout")[-1:]
        where = entry.source
        if (
            not given
            and image.kernel.has("nvme_core") != "y"
            and (option := image.modprobe.option("nvme_core", "io_timeout"))
        ):
            given, where = [option[0]], option[1]
        if not given or not re.fullmatch("[0-9]{1,9}", given[0]) or int(given[0]) < NVME_SECONDS:
            value = f"nvme_core.io_timeout is {quoted(given[0])}" if given else "nvme_core.io_timeout is not set"
            return failed(f"{value} ({quoted(where)})", severity="likely blocker" if "nvme" in image.claims else None)
    return passed(f"nvme_core.io_timeout={given[0]} ({quoted(where)})")
