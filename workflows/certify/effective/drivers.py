"""Whether a driver is there when it is asked for: the kernel has it, and nothing forbids it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flight.workflows.certify.effective.modprobe import plain

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

CODEPAGE: Final = "437"
CHARSET: Final = "iso8859-1"
"""What vfat asks for where the kernel's configuration does not say. Source: the kernel's fs/fat/Kconfig."""


def obstacle(image: Image, driver: str) -> str:
    """Why a driver could not be had; empty where it could. Raises NotTaken."""
    how = image.kernel.has(driver)
    if how == "y":
        return ""
    if not how:
        return image.kernel.lack(driver)
    return forbidden(image, driver)


def without_driver(image: Image) -> str:
    """What stops sr_mod, the driver of the DVD drive that udf is mounted from; empty where it is built in, or free."""
    return "" if image.kernel.has("sr_mod") == "y" else forbidden(image, "sr_mod")


def without_tables(image: Image) -> str:
    """What stops the tables of characters that vfat asks for by their names, whose absence fails every mount.

    A blacklist does not: it is about aliases.
    """
    kernel = image.kernel
    page = kernel.option("FAT_DEFAULT_CODEPAGE") or CODEPAGE
    charset = kernel.option("FAT_DEFAULT_IOCHARSET").strip('"') or CHARSET
    names = [name for name in (f"nls_cp{page}", f"nls_{plain(charset)}") if kernel.has(name) != "y"]
    found = (image.modprobe.stops(name, line) for name in names for line in _lines(image))
    return next((reason for reason in found if reason), "")


def forbidden(image: Image, driver: str) -> str:
    """What stops a module, or one that it needs; of a command line any that boots counts."""
    lines = _lines(image)
    found = (image.modprobe.forbids(driver, line) for line in lines)
    needed = (image.modprobe.stops(name, line) for name in image.kernel.needs(driver) for line in lines)
    return next((reason for reason in (*found, *needed) if reason), "")


def _lines(image: Image) -> list[str]:
    return [entry.command_line for entry in image.boot.booting] or [""]
