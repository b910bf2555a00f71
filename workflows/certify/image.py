"""A disk as rules see it: the snapshot, what is claimed of it, and what the system in it would do.

Each view is worked out once, by the module of its name below `effective/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.tree import NotTaken, Tree
from flight.workflows.recipe.values import CLAIMS as CLAIMS

if TYPE_CHECKING:
    from flight.workflows.certify.effective.accounts import Account
    from flight.workflows.certify.effective.boot import Boot
    from flight.workflows.certify.effective.cloudinit import CloudInit
    from flight.workflows.certify.effective.kernel import Kernel
    from flight.workflows.certify.effective.modprobe import Modprobe
    from flight.workflows.certify.effective.sshd import Sshd
    from flight.workflows.certify.effective.units import Units
    from flight.workflows.certify.effective.waagent import Waagent

MACHINES: Final = {0x3E: "x86_64", 0xB7: "aarch64", 0x03: "i386", 0x28: "arm"}
"""ELF's e_machine. Source: elf(5)."""


@dataclass(frozen=True)
class Image:
    """`generations`: V1, V2, or both; `claims`: words of CLAIMS."""

    snapshot: Snapshot
    generations: frozenset[str] = frozenset({"V2"})
    claims: frozenset[str] = frozenset()

    @property
    def tree(self) -> Tree:
        return self.snapshot.tree

    @cached_property
    def os_release(self) -> Mapping[str, str]:
        """os-release's words, unquoted."""
        for path in ("/etc/os-release", "/usr/lib/os-release"):
            pairs = (line.partition("=") for line in self.tree.lines(path) if "=" in line and line[:1] != "#")
            if found := {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}:
                return found
        return {}

    @property
    def known_release(self) -> Mapping[str, str]:
        """The same for what is no rule: none where the file was not taken. A rule that needs it is unknown then."""
        try:
            return self.os_release
        except NotTaken:
            return {}

    @cached_property
    def family(self) -> str:
        """debian, el, suse, or empty."""
        words = f"{self.os_release.get('ID', '')} {self.os_release.get('ID_LIKE', '')}".split()
        if "debian" in words or "ubuntu" in words:
            return "debian"
        if {"rhel", "fedora", "centos", "almalinux", "rocky"} & set(words):
            return "el"
        return "suse" if any("suse" in word or word.startswith("sle") for word in words) else ""

    @property
    def is_el(self) -> bool:
        """Enterprise Linux proper: its releases are counted 8, 9, 10, and Fedora's are not."""
        return self.family == "el" and self.os_release.get("ID") != "fedora"

    @cached_property
    def release(self) -> int:
        """The major release: 12, 9; 0 where it is not said."""
        major = self.os_release.get("VERSION_ID", "").partition(".")[0]
        return int(major) if major.isdecimal() and len(major) < 6 else 0

    @cached_property
    def elf(self) -> tuple[int, str]:
        """The bits (32, 64) and the machine (x86_64, aarch64, …) of /bin/sh; (0, "") where that is no ELF file."""
        head = next((head for path, head in self.snapshot.heads.items() if path == self.tree.real("/bin/sh")), b"")
        if head[:4] != b"\x7fELF" or len(head) < 20:
            return 0, ""
        order = "little" if head[5] == 1 else "big"
        number = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
        return {1: 32, 2: 64}.get(head[4], 0), MACHINES.get(number, f"machine {number}")

    @property
    def machine(self) -> str:
        return self.elf[1]

    @cached_property
    def _packages(self) -> Mapping[str, Package]:
        return {package.name: package for package in self.snapshot.packages if package.is_installed}

    def package(self, *names: str) -> Package | None:
        """The first installed package of these names."""
        return next((self._packages[name] for name in names if name in self._packages), None)

    @cached_property
    def boot(self) -> Boot:
        from flight.workflows.certify.effective.boot import boot_of

        return boot_of(self)

    @cached_property
    def kernel(self) -> Kernel:
        from flight.workflows.certify.effective.kernel import kernel_of

        return kernel_of(self)

    @cached_property
    def modprobe(self) -> Modprobe:
        from flight.workflows.certify.effective.modprobe import modprobe_of

        return modprobe_of(self.tree)

    @cached_property
    def units(self) -> Units:
        from flight.workflows.certify.effective.units import units_of

        return units_of(self.tree)

    @cached_property
    def sshd(self) -> Sshd:
        from flight.workflows.certify.effective.sshd import sshd_of

        return sshd_of(self.tree)

    @cached_property
    def cloudinit(self) -> CloudInit:
        from flight.workflows.certify.effective.cloudinit import cloudinit_of

        return cloudinit_of(self)

    @cached_property
    def waagent(self) -> Waagent:
        from flight.workflows.certify.effective.waagent import waagent_of

        return waagent_of(self)

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        from flight.workflows.certify.effective.accounts import accounts_of

        return accounts_of(self.tree)
