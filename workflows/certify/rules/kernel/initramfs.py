"""What the initramfs of the booting kernel holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flight.workflows.certify.effective.drivers import forbidden
from flight.workflows.certify.image import Image
from flight.workflows.certify.reading.initramfs import Initramfs
from flight.workflows.certify.rule import Outcome, failed, passed, rule, unknown
from flight.workflows.kit.text import quoted

TO_BOOT: Final = ("hv_vmbus", "hv_storvsc")
FOR_LISA: Final = ("hv_storvsc", "hv_netvsc", "hv_vmbus", "hyperv_keyboard")
"""hid_hyperv is waived on Azure."""
NVME: Final = ("nvme", "nvme_core")
ADD: Final = (
    "Debian: add the names to /etc/initramfs-tools/modules and run `update-initramfs -u -k all`. Enterprise Linux: write "
    '`add_drivers+=" {} "` into /etc/dracut.conf.d/azure.conf and run `dracut -f --regenerate-all`.'
)


def _unknown(image: Image) -> str:
    """Why nothing can be said; empty where something can."""
    if problem := image.boot.unknown or image.kernel.problem:
        return problem
    for path in image.boot.entry.initrds:
        if path not in image.snapshot.initramfs:
            return (
                f"{quoted(path)} cannot be read: {quoted(image.snapshot.unreadable.get(path, 'nobody looked into it'))}"
            )
    return ""


def _loaded(image: Image) -> list[Initramfs]:
    """All that are handed to the kernel, which unpacks one over the other."""
    return [image.snapshot.initramfs[path] for path in image.boot.entry.initrds]


def _missing(image: Image, wanted: Iterable[str], present: set[str]) -> list[str]:
    return [name for name in wanted if name not in present and image.kernel.has(name) != "y"]


def _seen(image: Image, wanted: Iterable[str]) -> str:
    builtin = [name for name in wanted if image.kernel.has(name) == "y"]
    inside = [name for name in wanted if name not in builtin]
    where = f"{', '.join(inside)} in {quoted(image.boot.initramfs)}" if inside else ""
    return "; ".join(part for part in (where, f"{', '.join(builtin)} built in" if builtin else "") if part)


def _holds(image: Image, wanted: tuple[str, ...]) -> Outcome:
    """Each is built into the kernel, or a module in the initramfs that nothing forbids."""
    if why := _unknown(image):
        return unknown(why)
    parts = _loaded(image)
    if missing := _missing(image, wanted, {name for part in parts for name in part.modules}):
        if any(part.is_squashed for part in parts):
            return unknown(f"{quoted(image.boot.initramfs)} holds a filesystem image that nobody looked into")
        where = f"in {quoted(image.boot.initramfs)}" if parts else "and there is no initramfs"
        return failed(f"no {', '.join(missing)} {where}")
    for name in wanted:
        if image.kernel.has(name) != "y" and (why := forbidden(image, name)):
            return failed(f"{name} is there, but {why}")
    return passed(_seen(image, wanted))


@rule(
    "initrd-hv-min",
    "The initramfs finds Azure's disk",
    severity="blocker",
    required="hv_vmbus and hv_storvsc in the initramfs of the kernel that boots, or built into that kernel",
    fix=ADD.format("hv_vmbus hv_storvsc hv_netvsc"),
    source="Microsoft's guides for any Linux and for RHEL",
)
def initrd_hv_min(image: Image) -> Outcome:
    return _holds(image, TO_BOOT)


@rule(
    "initrd-hv-full",
    "The initramfs has Hyper-V's drivers, network and keyboard too",
    severity="likely blocker",
    required="hv_storvsc, hv_netvsc, hv_vmbus and hyperv-keyboard in modules.dep inside the initramfs, or built into the "
    "kernel",
    fix=ADD.format("hv_vmbus hv_netvsc hv_storvsc hyperv-keyboard"),
    source="LISA verify_initrd_modules (P1)",
)
def initrd_hv_full(image: Image) -> Outcome:
    if why := _unknown(image):
        return unknown(why)
    parts = _loaded(image)
    if missing := _missing(image, FOR_LISA, {name for part in parts for name in part.modules_dep}):
        if any(part.is_squashed for part in parts):
            return unknown(f"{quoted(image.boot.initramfs)} holds a filesystem image that nobody looked into")
        return failed(f"modules.dep in {quoted(image.boot.initramfs) or 'no initramfs'} lacks {', '.join(missing)}")
    return passed(_seen(image, FOR_LISA))


@rule(
    "initrd-nvme",
    "The initramfs finds an NVMe disk",
    severity="blocker",
    required="nvme and nvme_core in the initramfs of the kernel that boots, or built into that kernel",
    fix=ADD.format("nvme nvme_core"),
    source="Microsoft's guides for NVMe, RHEL and Debian (2026)",
    generation="V2",
    claim="nvme",
)
def initrd_nvme(image: Image) -> Outcome:
    return _holds(image, NVME)
