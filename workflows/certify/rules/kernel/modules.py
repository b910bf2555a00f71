"""Which drivers the kernel has, built in or as modules, and which are forbidden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flight.workflows.certify.effective.drivers import obstacle, without_driver, without_tables
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Severity, failed, not_applicable, passed, rule, unknown

NEEDED: Final = ("hv_vmbus", "hv_storvsc", "hv_netvsc")
WANTED: Final = ("hv_utils", "hv_balloon", "hid_hyperv", "hyperv_keyboard")
SCREENS: Final = ("hyperv_drm", "hyperv_fb")
"""One of them will do; new kernels have the first only."""
INSTALL: Final = (
    "Install the kernel's own packages in full (Debian: linux-image-cloud-amd64 or linux-image-amd64; Enterprise Linux: "
    "kernel-modules, for a few drivers kernel-modules-extra), and take lines that forbid {} out of modprobe.d."
)
ALLOW: Final = (
    "Remove the `blacklist` and `install` lines about {} from /etc/modprobe.d (hardening guides such as CIS write them) "
    "and run `update-initramfs -u -k all` (Debian) or `dracut -f --regenerate-all` (Enterprise Linux)."
)


def _how(image: Image, drivers: Iterable[str]) -> str:
    """Each driver with y or m behind it."""
    return ", ".join(f"{driver}={image.kernel.has(driver)}" for driver in drivers)


def _available(image: Image, *drivers: str, severity: Severity | None = None) -> Outcome:
    """Every driver can be had."""
    if image.kernel.problem:
        return unknown(image.kernel.problem)
    if why := next((why for driver in drivers if (why := obstacle(image, driver))), ""):
        return failed(why, severity=severity)
    return passed(_how(image, drivers))


def _unless(outcome: Outcome, why: str) -> Outcome:
    """An outcome, or a lesser failure where it would pass."""
    return failed(why, severity="likely blocker") if why and outcome.status == "pass" else outcome


def _claims_network(image: Image) -> bool:
    return "accelerated-networking" in image.claims


@rule(
    "kmod-hv-all",
    "The kernel has Hyper-V's drivers",
    severity="blocker",
    required="hv_vmbus, hv_storvsc and hv_netvsc; and as a warning hv_utils, hv_balloon, hid_hyperv, hyperv_keyboard and one "
    "of hyperv_drm and hyperv_fb: built in, or modules whose files are there and that nothing forbids",
    fix=INSTALL.format("them"),
    source="LISA verify_hyperv_modules; cloud-image-val",
)
def kmod_hv_all(image: Image) -> Outcome:
    if image.kernel.problem:
        return unknown(image.kernel.problem)
    if absent := [why for driver in NEEDED if (why := obstacle(image, driver))]:
        return failed("; ".join(absent))
    lesser = [why for driver in WANTED if (why := obstacle(image, driver))]
    screens = [why for driver in SCREENS if (why := obstacle(image, driver))]
    if lesser or len(screens) == len(SCREENS):
        return failed("; ".join(lesser or screens), severity="warning")
    return passed(_how(image, NEEDED) + ", and the rest")


@rule(
    "kmod-netvsc-modular",
    "The network driver can be loaded anew",
    severity="info",
    required="hv_netvsc as a module (the test that loads it anew is skipped where it is built in)",
    fix="Nothing, if the kernel is the distribution's own.",
    source="LISA validate_netvsc_reload; Marketplace FAQ (2023)",
    offline="partial",
)
def kmod_netvsc_modular(image: Image) -> Outcome:
    if image.kernel.problem:
        return unknown(image.kernel.problem)
    if image.kernel.has("hv_netvsc") == "y":
        return not_applicable("hv_netvsc is built in: nothing to load anew")
    return _available(image, "hv_netvsc")


@rule(
    "kmod-udf",
    "The provisioning disk can be mounted (UDF)",
    severity="blocker",
    required="udf in the kernel, and neither `blacklist udf` nor `install udf /bin/true`: the kernel asks for it by its alias "
    "fs-udf, which a blacklist stops. The same of sr_mod, the DVD drive's driver (likely to block)",
    fix=ALLOW.format("udf (and sr_mod, cdrom)"),
    source="Microsoft's guides for any Linux and for RHEL; kmod's modprobe.d(5)",
)
def kmod_udf(image: Image) -> Outcome:
    return _unless(_available(image, "udf"), without_driver(image))


@rule(
    "kmod-vfat",
    "The EFI partition can be mounted (VFAT)",
    severity="blocker",
    required="vfat in the kernel, and neither `blacklist vfat` nor `install vfat /bin/true`; no `install` of the tables of "
    "characters that it needs, nls_cp437 and nls_ascii or nls_iso8859_1 (likely to block)",
    fix=ALLOW.format("vfat (and fat, nls_cp437, nls_ascii, nls_iso8859_1)"),
    source="Microsoft's guides for any Linux and for RHEL; kmod's modprobe.d(5)",
)
def kmod_vfat(image: Image) -> Outcome:
    return _unless(_available(image, "vfat"), without_tables(image))


@rule(
    "kmod-cifs-wdt",
    "The kernel has CIFS and watchdogs",
    severity="likely blocker",
    required="CONFIG_CIFS and CONFIG_WATCHDOG are y or m in the configuration of the kernel that boots",
    fix="Take the distribution's own kernel, with its /boot/config-VERSION (Enterprise Linux: kernel-modules has cifs).",
    source="LISA verify_essential_kernel_modules (P1)",
)
def kmod_cifs_wdt(image: Image) -> Outcome:
    kernel = image.kernel
    if kernel.problem:
        return unknown(kernel.problem)
    if not kernel.config_path:
        return unknown(f"there is no /boot/config-{kernel.version}")
    if missing := [f"CONFIG_{name}" for name in ("CIFS", "WATCHDOG") if kernel.option(name) not in ("y", "m")]:
        return failed(f"{', '.join(missing)} not set in {kernel.config_path}")
    if why := obstacle(image, "cifs"):
        return failed(why, severity="warning")
    return passed(f"CONFIG_CIFS={kernel.option('CIFS')}, CONFIG_WATCHDOG={kernel.option('WATCHDOG')}")


@rule(
    "kmod-floppy-off",
    "No floppy drive is looked for",
    severity="warning",
    required="floppy not built in; no module of the kernel, or forbidden in modprobe.d",
    fix="`echo 'blacklist floppy' > /etc/modprobe.d/blacklist-floppy.conf`",
    source="LISA verify_floppy_module_is_blacklisted (P1); cloud-image-val",
)
def kmod_floppy_off(image: Image) -> Outcome:
    if image.kernel.problem:
        return unknown(image.kernel.problem)
    how = image.kernel.has("floppy")
    if how == "y":
        return failed("floppy is built in")
    why = obstacle(image, "floppy")
    return passed(why) if why else failed("floppy is a module, and nothing forbids it")


@rule(
    "kmod-mlx",
    "The drivers of Mellanox's network functions are there",
    severity="warning",
    required="mlx5_core and mlx4_en; likely to block where the plan claims accelerated networking and mlx5_core is missing",
    fix=INSTALL.format("them"),
    source="LISA sriov; Marketplace FAQ (2023)",
)
def kmod_mlx(image: Image) -> Outcome:
    """ConnectX-3 (mlx4) is of old hosts: its driver alone missing weighs less."""
    outcome = _available(image, "mlx5_core", severity="likely blocker" if _claims_network(image) else None)
    return _available(image, "mlx5_core", "mlx4_en") if outcome.status == "pass" else outcome


@rule(
    "kmod-pci-hyperv",
    "The driver of Hyper-V's PCI is there",
    severity="blocker",
    required="pci-hyperv in the kernel: every network function and every NVMe disk comes through it. A warning where the "
    "plan claims neither accelerated networking nor NVMe",
    fix=INSTALL.format("pci-hyperv"),
    source="LISA; Microsoft's guide for RHEL",
)
def kmod_pci_hyperv(image: Image) -> Outcome:
    is_claimed = _claims_network(image) or "nvme" in image.claims
    return _available(image, "pci_hyperv", severity=None if is_claimed else "warning")


@rule(
    "kmod-mana",
    "The driver of Microsoft's network adapter is there",
    severity="warning",
    required="mana in the kernel (5.15 with the vendor's patches, or 6.2 and later); without it Azure falls back to netvsc",
    fix=INSTALL.format("mana"),
    source="Microsoft's pages about MANA (2023, 2026)",
    known_on="2026-11-22",
)
def kmod_mana(image: Image) -> Outcome:
    return _available(image, "mana")
