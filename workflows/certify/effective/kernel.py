"""The kernel that boots: its configuration, what is built into it, and which of its modules are on the disk. Pure.

A driver that the configuration calls a module may lie in a package of its own that is not installed (Enterprise Linux's
kernel-modules-extra, Ubuntu's linux-modules-extra): only a file that modules.dep lists can be loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from flight.workflows.certify.reading.initramfs import module_name
from flight.workflows.certify.tree import Tree

if TYPE_CHECKING:
    from flight.workflows.certify.image import Image

How = Literal["y", "m", ""]
OPTION: Final = re.compile(r"CONFIG_(\w+)=(.*)")
OPTIONS: Final[Mapping[str, str]] = {
    "hv_vmbus": "HYPERV",
    "hv_storvsc": "HYPERV_STORAGE",
    "hv_netvsc": "HYPERV_NET",
    "hv_utils": "HYPERV_UTILS",
    "hv_balloon": "HYPERV_BALLOON",
    "hid_hyperv": "HID_HYPERV_MOUSE",
    "hyperv_keyboard": "HYPERV_KEYBOARD",
    "hyperv_fb": "FB_HYPERV",
    "hyperv_drm": "DRM_HYPERV",
    "pci_hyperv": "PCI_HYPERV",
    "mana": "MICROSOFT_MANA",
    "mlx4_en": "MLX4_EN",
    "mlx5_core": "MLX5_CORE",
    "nvme": "BLK_DEV_NVME",
    "nvme_core": "NVME_CORE",
    "udf": "UDF_FS",
    "vfat": "VFAT_FS",
    "cifs": "CIFS",
    "floppy": "BLK_DEV_FD",
}
"""The configuration's word for a module. Source: the kernel's Makefiles and Kconfig."""


@dataclass(frozen=True)
class Kernel:
    """`version` is uname -r, empty where it is not known: then `problem` says why. `folder` holds its modules."""

    tree: Tree
    version: str = ""
    problem: str = ""
    folder: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", f"/lib/modules/{self.version}")

    @cached_property
    def config_path(self) -> str:
        """Where its configuration stands; empty where it does not."""
        if not self.version:
            return ""
        places = (f"/boot/config-{self.version}", f"{self.folder}/config")
        return next((path for path in places if self.tree.is_file(path)), "")

    @cached_property
    def config(self) -> Mapping[str, str]:
        """Values by option, without CONFIG_. Raises NotTaken."""
        found = (OPTION.fullmatch(line) for line in self.tree.lines(self.config_path)) if self.config_path else ()
        return {row[1]: row[2] for row in found if row}

    @cached_property
    def builtin(self) -> frozenset[str]:
        """What modules.builtin names. Raises NotTaken."""
        return frozenset(map(module_name, self._lines("modules.builtin")))

    @cached_property
    def _dependencies(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Of every module that modules.dep lists: its path there, and those it needs. Raises NotTaken."""
        rows = (line.partition(":") for line in self._lines("modules.dep") if ":" in line)
        return {module_name(path): (path, tuple(map(module_name, rest.split()))) for path, _, rest in rows}

    def file(self, module: str) -> str:
        """A module's path, empty where no file of it can be loaded."""
        listed = self._dependencies.get(module, ("", ()))[0]
        path = listed if listed.startswith("/") else f"{self.folder}/{listed}"
        return path if listed and self.tree.is_file(path) else ""

    def needs(self, module: str) -> tuple[str, ...]:
        """The modules that are loaded before it."""
        return self._dependencies.get(module.replace("-", "_"), ("", ()))[1]

    def _lines(self, name: str) -> list[str]:
        return self.tree.lines(f"{self.folder}/{name}") if self.version else []

    def option(self, name: str) -> str:
        """The value of an option: y, m, a text, or empty."""
        return self.config.get(name, "")

    def has(self, driver: str) -> How:
        """y: built in; m: a module whose file is there."""
        driver = driver.replace("-", "_")
        configured = self.option(OPTIONS.get(driver, ""))
        if driver in self.builtin or configured == "y":
            return "y"
        return "m" if self.file(driver) else ""

    def lack(self, driver: str) -> str:
        """Why a driver is not there, for a person."""
        option = OPTIONS.get(driver, "")
        if driver in self._dependencies or self.option(option) == "m":
            return f"{driver} is a module whose file is not on the disk"
        return f"{self.version} does not have {driver}"


def kernel_of(image: Image) -> Kernel:
    boot = image.boot
    if boot.problem:
        return Kernel(image.tree, problem=boot.unknown)
    if not boot.version:
        return Kernel(image.tree, problem=f"which kernel {boot.kernel} is cannot be told from its name")
    if not image.tree.is_folder(f"/lib/modules/{boot.version}"):
        return Kernel(image.tree, problem=f"/lib/modules has nothing for the kernel that boots, {boot.version}")
    return Kernel(image.tree, boot.version)
