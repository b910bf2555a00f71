"""The VHD around the disk: footer, size, name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Check, Outcome, failed, not_applicable, passed, rule
from flight.workflows.kit.progress import human_bytes
from flight.workflows.kit.text import quoted
from flight.workflows.vhd import FOOTER_BYTES, LARGEST_BYTES, MIB, Footer
from flight.workflows.vhd.layout import FIXED, NO_NEXT

LEAST_BYTES: Final = 20 * MIB
SMALLEST_OS_BYTES: Final = 1 << 30
USUAL_OS_BYTES: Final = 30 << 30
"""An OS disk's least size: 1 GiB by the Marketplace's questions and answers, 30 GiB by policy 200 as others quote it."""
UNUSED: Final = (NO_NEXT, 0xFFFF_FFFF)
"""A fixed disk's data offset: as everybody writes it, and as the specification's text has it."""
ROUNDING: Final = "qemu"
"""The creator that `qemu-img` writes without force_size: it rounds the size to cylinders, heads and sectors."""
GOOD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
CONVERT: Final = "`qemu-img convert -O vpc -o subformat=fixed,force_size=on DISK FIXED.vhd`"
SPECIFICATION: Final = "Virtual Hard Disk specification 1.0"


def of_footer(check: Callable[[Image, Footer], Outcome]) -> Check:
    """A check of what the footer says; where there is none, vhd-cookie says so once, and that is enough."""

    def checked(image: Image) -> Outcome:
        footer = image.snapshot.container.footer
        return not_applicable("there is no footer to read: see vhd-cookie") if footer is None else check(image, footer)

    return checked


@rule(
    "vhd-cookie",
    "The file ends with a VHD footer",
    severity="blocker",
    required=f"the file's last {FOOTER_BYTES} bytes begin with `conectix`",
    fix=f"make a fixed VHD of the disk: {CONVERT}; a VHD that was cut short is fetched again",
    source='Marketplace FAQ, "VHD specifications"',
)
def vhd_cookie(image: Image) -> Outcome:
    container = image.snapshot.container
    if container.footer is not None:
        return passed("conectix")
    if container.form not in ("VHD", "raw"):
        return failed(f"it is a {quoted(container.form)} file")
    if container.form == "VHD":
        return failed("it begins as a dynamic VHD and does not end as one")
    return failed("it has no footer: a raw disk, or a VHD that was cut short")


@rule(
    "vhd-fixed",
    "The VHD is a fixed one",
    severity="blocker",
    required="the footer's disk type is 2 (fixed), and its data offset all ones",
    fix="`qemu-img convert -O vpc -o subformat=fixed,force_size=on --image-opts "
    "driver=vpc,file.filename=DISK.vhd,force_size_calc=current_size FIXED.vhd`; a differencing disk is merged first",
    source="Marketplace FAQ; Microsoft's guides for Linux, RHEL and Debian",
)
@of_footer
def vhd_fixed(image: Image, footer: Footer) -> Outcome:
    if footer.disk_type != FIXED:
        return failed(f"it is a {footer.type_name} VHD" if footer.disk_type in (3, 4) else f"disk {footer.type_name}")
    if footer.next_offset not in UNUSED:  # readers of fixed disks do not use it
        return failed(f"fixed, but its data offset is {footer.next_offset:#x}", severity="warning")
    return passed("fixed")


@rule(
    "vhd-footer-checksum",
    "The footer's checksum is right",
    severity="blocker",
    required="the ones' complement of the sum of the footer's other bytes",
    fix=f"fetch or make the VHD again: its footer was damaged, or edited; from the raw disk: {CONVERT}",
    source=f'{SPECIFICATION}, which the Marketplace FAQ cites ("VHD specifications")',
)
@of_footer
def vhd_footer_checksum(image: Image, footer: Footer) -> Outcome:
    if footer.checksum == footer.right_checksum:
        return passed(f"{footer.checksum:08x}")
    return failed(f"{footer.checksum:08x}, and it should be {footer.right_checksum:08x}")


@rule(
    "vhd-size-mib",
    "The disk is a whole number of MiB",
    severity="blocker",
    required="the footer's current size is a multiple of 1,048,576 bytes",
    fix="where vhd-fixed fails, that first; then "
    "copy the file, take off its footer (`truncate -s -512 DISK`), grow it (`truncate -s %1M DISK`), move a GPT's "
    f"backup (`sfdisk --relocate gpt-bak-std DISK`), then {CONVERT}",
    source="Marketplace FAQ; Microsoft's guides for Linux, RHEL and Debian",
)
@of_footer
def vhd_size_mib(image: Image, footer: Footer) -> Outcome:
    over = footer.current_bytes % MIB
    if over:
        return failed(f"{footer.current_bytes} bytes: {over} more than {footer.current_bytes // MIB} MiB")
    if not footer.current_bytes:
        return failed("0 bytes")
    return passed(f"{footer.current_bytes // MIB} MiB")


@rule(
    "vhd-length",
    "The file is as long as its footer says",
    severity="blocker",
    required=f"the file's length is the footer's current size and {FOOTER_BYTES} bytes more",
    fix=f"fetch the VHD again and compare the sizes, or make it again from the raw disk: {CONVERT}",
    source='Marketplace FAQ, "VHD specifications"',
)
@of_footer
def vhd_length(image: Image, footer: Footer) -> Outcome:
    if footer.disk_type != FIXED:
        return not_applicable("it is no fixed VHD: see vhd-fixed")
    over = image.snapshot.container.file_bytes - footer.current_bytes - FOOTER_BYTES
    if over:
        return failed(f"{abs(over)} bytes too {'long' if over > 0 else 'short'} for a disk of {footer.current_bytes}")
    return passed(f"{image.snapshot.container.file_bytes} bytes")


@rule(
    "vhd-size-min",
    "The disk has at least 20 MB",
    severity="blocker",
    required="the footer's current size is 20 MiB or more",
    fix="build the image on a larger disk; Azure's own begin at 30 GiB",
    source='Marketplace FAQ, "VHD specifications"',
)
@of_footer
def vhd_size_min(image: Image, footer: Footer) -> Outcome:
    size = footer.current_bytes
    return passed(human_bytes(size)) if size >= LEAST_BYTES else failed(f"{human_bytes(size)} ({size} bytes)")


@rule(
    "vhd-size-range",
    "The OS disk has 30 to 1023 GiB",
    severity="blocker",
    required="1 to 1023 GiB; below 30 GiB it is only advised against, since sources differ about the least size",
    fix="build the image on a disk of 30 GiB (a hole costs nothing to upload), or shrink filesystems, partitions and "
    "disk below 1023 GiB",
    source="Marketplace FAQ (1 to 1023 GB); Microsoft's guides for Linux and RHEL; policy 200 as others quote it (30 GB)",
)
@of_footer
def vhd_size_range(image: Image, footer: Footer) -> Outcome:
    size = footer.current_bytes
    if size > LARGEST_BYTES:
        return failed(f"{human_bytes(size)}: {size - LARGEST_BYTES} bytes beyond 1023 GiB")
    if size < SMALLEST_OS_BYTES:
        return failed(f"{human_bytes(size)}: below 1 GiB")
    if size < USUAL_OS_BYTES:
        return failed(f"{human_bytes(size)}: below 30 GiB", severity="warning")
    return passed(human_bytes(size))


@rule(
    "vhd-orig-eq-cur",
    "The disk's original size is its current one",
    severity="warning",
    required="both sizes in the footer are the same",
    fix=f"write the footer anew: take it off a copy (`truncate -s -512 DISK`), then {CONVERT}",
    source=SPECIFICATION,
)
@of_footer
def vhd_orig_eq_cur(image: Image, footer: Footer) -> Outcome:
    if footer.original_bytes == footer.current_bytes:
        return passed(f"{footer.current_bytes} bytes")
    return failed(f"{footer.original_bytes} bytes once, {footer.current_bytes} now")


@rule(
    "vhd-qemu-chs-trap",
    "The size was not rounded to cylinders, heads and sectors",
    severity="info",
    required="a footer made with force_size (creator `qem2`), or a size that such a rounding left whole MiB",
    fix="convert with `-o subformat=fixed,force_size=on`",
    source="Microsoft's Linux guide (its note on force_size); measured with qemu-img 7.2",
)
@of_footer
def vhd_qemu_chs_trap(image: Image, footer: Footer) -> Outcome:
    if footer.creator_name == ROUNDING and footer.current_bytes % MIB:
        return failed(f"qemu-img without force_size rounded it to {footer.geometry} sectors")
    return passed(f"made by {quoted(footer.creator_name or 'an unnamed program')}")


@rule(
    "vhd-name",
    "The file's name is plain",
    severity="blocker",
    required="only letters and digits of ASCII, `.`, `_` and `-` (forbidden are percent signs, quotation marks and "
    "unnamed special characters: this is the strictest reading)",
    fix="rename the file",
    source='Marketplace FAQ, "Invalid VHD name"',
)
def vhd_name(image: Image) -> Outcome:
    name = image.snapshot.container.name
    if GOOD_NAME.fullmatch(name):
        return passed(quoted(name, most=50))
    odd = "".join(dict.fromkeys(sign for sign in name if not re.fullmatch(r"[A-Za-z0-9._-]", sign)))
    return failed(f"{quoted(name, most=50)} has {quoted(odd, most=20)}" if odd else f"'{quoted(name)}' begins oddly")
