"""Capabilities that a publisher claims (the reference's table 2.6): each is what several rules say together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flight.workflows.certify.effective import udev
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Severity, failed, passed, rule, unknown
from flight.workflows.certify.rules.network.ssh import enabled_sshd
from flight.workflows.kit.text import quoted

ORDER: Final[tuple[Severity, ...]] = ("blocker", "likely blocker", "warning", "info")
NEEDED: Final = {
    "cap-accelnet": ("kmod-pci-hyperv", "kmod-mlx", "kmod-mana", "net-vf-unmanaged"),
    "cap-nvme": ("kmod-pci-hyperv", "initrd-nvme", "cmdline-nvme-timeout", "fstab-persistent"),
    "cap-cloudinit": ("cloudinit-present", "cloudinit-ds", "cloudinit-dhcp-client", "waagent-prov-agent"),
    "cap-extensions": ("ext-support", "waagent-present", "waagent-enabled"),
    "cap-backup": ("hyperv-daemons", "ext-support"),
}
"""The rules behind a claim."""
REMOVABLE: Final = ("/efi/boot/bootx64.efi", "/efi/boot/bootaa64.efi")
"""The ends of the paths by which firmware finds a first loader, in lower case: names of FAT have no case."""
SECOND: Final = ("grubx64.efi", "grubaa64.efi")
FIRMWARE_TRUSTS: Final = "Microsoft"
VSS: Final = ("hypervvssd.service", "hv-vss-daemon.service", "hyperv-daemons.hv-vss-daemon.service")
"""The daemon that holds the filesystems still, as Enterprise Linux, Ubuntu and Debian call it."""


def _together(image: Image, claim: str) -> Outcome:
    """What the rules behind a claim say: the worst of it."""
    from flight.workflows.certify.rules import RULES  # which imports this module

    asked = [(one, one.ask(image)) for one in RULES if one.id in NEEDED[claim]]
    wrong = [(outcome.severity or one.severity, one.id, outcome) for one, outcome in asked if outcome.status == "fail"]
    wrong.sort(key=lambda row: ORDER.index(row[0]))
    if wrong:
        severity, name, outcome = wrong[0]
        more = f", and {', '.join(row[1] for row in wrong[1:])}" if wrong[1:] else ""
        return failed(f"{name}: {outcome.seen}{more}", severity=severity, required=outcome.required, fix=outcome.fix)
    unsure = [f"{one.id}: {outcome.seen}" for one, outcome in asked if outcome.status == "unknown"]
    if unsure:
        return unknown(unsure[0])
    well = [one.id for one, outcome in asked if outcome.status == "pass"]
    return passed(f"{', '.join(well)} pass") if well else failed(f"{asked[0][0].id}: {asked[0][1].seen}")


@rule(
    "cap-accelnet",
    "Accelerated networking, as claimed",
    severity="likely blocker",
    required="drivers for PCI on Hyper-V, mlx4, mlx5 (and mana), and virtual functions that nothing configures",
    fix="see the rules it names, or do not claim it",
    source="Marketplace's technical configuration; a gallery's IsAcceleratedNetworkSupported",
    claim="accelerated-networking",
)
def cap_accelnet(image: Image) -> Outcome:
    return _together(image, "cap-accelnet")


@rule(
    "cap-nvme",
    "NVMe disks, as claimed",
    severity="likely blocker",
    required="generation 2; nvme where the system starts from, nvme_core.io_timeout=240, no device names in /etc/fstab",
    fix="see the rules it names, or do not claim it",
    source="Microsoft's NVMe guide; a gallery's DiskControllerTypes",
    claim="nvme",
)
def cap_nvme(image: Image) -> Outcome:
    return _together(image, "cap-nvme") if "V2" in image.generations else _needs_v2()


def _needs_v2() -> Outcome:
    return failed(
        "the image is of generation 1 only", severity="blocker", fix="build it for generation 2, or do not claim it"
    )


@rule(
    "cap-trustedlaunch",
    "Trusted Launch, as claimed",
    severity="blocker",
    required="generation 2; the first loader signed by Microsoft, GRUB and the kernel that boots by whom that loader trusts",
    fix="install the signed packages: shim-signed, grub-efi-amd64-signed and linux-image-cloud-amd64 on Debian; shim-x64, "
    "grub2-efi-x64 and kernel-core on Enterprise Linux",
    source="LISA's Trusted Launch suite; Microsoft's NVMe guide",
    offline="partial",
    claim="trusted-launch",
)
def cap_trustedlaunch(image: Image) -> Outcome:
    if "V2" not in image.generations:
        return _needs_v2()
    first, kernel = _first_loader(image), _kernel(image)
    why_unknown = _unread(image, kernel)
    if first and why_unknown:
        return unknown(why_unknown)
    signers = image.snapshot.signers
    problem = next(_unsigned(image, first, kernel), "")
    names = dict.fromkeys(name for path in (first, kernel) for name in signers.get(path, ())[:1])
    return failed(problem) if problem else passed(f"signed by {quoted(', '.join(names))}")


def _unread(image: Image, kernel: str) -> str:
    """Why it cannot be said who signed the kernel; empty where it can."""
    if image.boot.problem:
        return f"which kernel boots is not known: {image.boot.problem}"
    if kernel in image.snapshot.signers:
        return ""
    why = image.snapshot.unreadable.get(kernel, "its signature was not read")
    return f"{quoted(image.boot.kernel)}: {quoted(why)}"


def _unsigned(image: Image, first: str, kernel: str) -> Iterator[str]:
    """What of the chain is not signed, beginning with the first."""
    signers = image.snapshot.signers
    if not first:
        yield "there is no EFI/BOOT/BOOTX64.EFI that can be read"
        return
    if not any(FIRMWARE_TRUSTS in name for name in signers[first]):
        yield f"{quoted(first)} is signed by {quoted(', '.join(signers[first])) or 'nobody'}, not by Microsoft"
    folder = first.rpartition("/")[0]
    for path in signers:
        if path.rpartition("/")[0] == folder and path.rpartition("/")[2].lower() in SECOND and not signers[path]:
            yield f"{quoted(path)} is not signed"
    if not signers[kernel]:
        yield f"{quoted(image.boot.kernel)} is not signed"


def _first_loader(image: Image) -> str:
    return next((path for path in sorted(image.snapshot.signers) if path.lower().endswith(REMOVABLE)), "")


def _kernel(image: Image) -> str:
    return "" if image.boot.problem else image.tree.real(image.boot.kernel) or ""


@rule(
    "cap-cloudinit",
    "cloud-init, as claimed",
    severity="likely blocker",
    required="cloud-init is installed and enabled, knows Azure, and provisions",
    fix="see the rules it names, or do not claim it",
    source="Marketplace's technical configuration",
    claim="cloud-init",
)
def cap_cloudinit(image: Image) -> Outcome:
    return _together(image, "cap-cloudinit")


@rule(
    "cap-extensions",
    "VM extensions, as claimed",
    severity="likely blocker",
    required="the agent is installed, enabled and lets extensions run",
    fix="see the rules it names, or do not claim it",
    source="Marketplace's technical configuration and FAQ",
    claim="extensions",
)
def cap_extensions(image: Image) -> Outcome:
    return _together(image, "cap-extensions")


@rule(
    "cap-ssh-disabled",
    "SSH disabled, as claimed",
    severity="warning",
    required="sshd does not start; the test tool cannot log in, so its report is to be brought by hand",
    fix="`systemctl disable --now ssh sshd`, or do not claim it",
    source="Marketplace FAQ; technical configuration",
    claim="ssh-disabled",
)
def cap_ssh_disabled(image: Image) -> Outcome:
    name = enabled_sshd(image) if image.tree.is_file("/usr/sbin/sshd") else ""
    return failed(f"{name} is enabled") if name else passed("sshd does not start; bring the test tool's report by hand")


@rule(
    "cap-backup",
    "Backup, as claimed",
    severity="likely blocker",
    required="the agent lets extensions run, and Hyper-V's daemon for consistent snapshots (VSS) starts",
    fix="install hyperv-daemons (Debian, Enterprise Linux) or linux-cloud-tools (Ubuntu)",
    source="Marketplace's technical configuration",
    offline="partial",
    claim="backup",
)
def cap_backup(image: Image) -> Outcome:
    outcome = _together(image, "cap-backup")
    starts = image.units.first_enabled(*VSS) or next((name for name in VSS if udev.starter_of(image.tree, name)), "")
    if outcome.status != "pass" or (starts and not image.units.is_masked(starts)):
        return outcome
    there = next((name for name in VSS if image.units.is_there(name)), "")
    return failed(f"{there} is {image.units.state(there)}" if there else "no VSS daemon", severity="warning")


@rule(
    "cap-hibernation",
    "Hibernation, as claimed",
    severity="likely blocker",
    required="a kernel with CONFIG_HIBERNATION that neither nohibernate nor noresume forbids; its swap space comes at first "
    "boot, since the OS disk must have none when it is certified",
    fix="boot a kernel with CONFIG_HIBERNATION, take nohibernate and noresume out of its command line; or do not claim it",
    source="Marketplace's technical configuration; a gallery's IsHibernateSupported",
    offline="partial",
    claim="hibernation",
)
def cap_hibernation(image: Image) -> Outcome:
    boot = image.boot
    if boot.problem:
        return unknown(f"which kernel boots is not known: {boot.problem}")
    if image.kernel.option("HIBERNATION") != "y":
        return failed(f"the kernel {quoted(image.kernel.version)} has no CONFIG_HIBERNATION")
    word = next((word for word in boot.command_line.split() if word in ("nohibernate", "noresume", "hibernate=no")), "")
    return (
        failed(f"{word} in {quoted(boot.source)}") if word else passed(f"the kernel {quoted(image.kernel.version)} can")
    )
