"""Old systems, old kernels, other machines."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.kernel import age

RULES = [value.id for value in vars(age).values() if isinstance(value, Rule)]


def head(machine: int, bits: int = 2) -> Mapping[str, bytes]:
    path = DEBIAN.tree.real("/bin/sh") or ""
    return {path: b"\x7fELF" + bytes([bits, 1, 1]) + bytes(11) + machine.to_bytes(2, "little") + bytes(44)}


def kernel(version: str, system: str, release: str, package: str = "") -> Snapshot:
    """A system that boots this kernel."""
    folder = f"/lib/modules/{version}"
    files = {
        "/boot/grub/grub.cfg": f"menuentry x {{\n linux /boot/vmlinuz-{version}\n}}\n",
        f"/boot/vmlinuz-{version}": "x",
        f"{folder}/modules.dep": "",
        f"{folder}/modules.builtin": "",
        "/etc/os-release": f'ID={system}\nID_LIKE="rhel"\nVERSION_ID="{release}"\n',
    }
    return changed(DEBIAN, files=files, packages={f"linux-image-{version}": package} if package else {})


SACK = {
    "Debian 13": (DEBIAN, "pass", "6.12.117-1; the floor is 5.1.11"),
    "Debian 10": (kernel("4.19.0-5-amd64", "debian", "10", "4.19.37-5"), "pass", "4.19.37-5; the floor is 4.19.37-5"),
    "Debian 10, too old": (
        kernel("4.19.0-5-amd64", "debian", "10", "4.19.37-3"),
        "fail",
        "4.19.37-3; the floor is 4.19.37-5",
    ),
    "Debian 10 without a package": (kernel("4.19.0-5-amd64", "debian", "10"), "fail", "4.19.0-5-amd64"),
    "Debian 9": (kernel("4.9.0-9-amd64", "debian", "9", "4.9.168-1+deb9u3"), "pass", "4.9.168-1+deb9u3"),
    "Debian 9, too old": (kernel("4.9.0-9-amd64", "debian", "9", "4.9.168-1+deb9u2"), "fail", "4.9.168-1+deb9u2"),
    "8": (el(8), "pass", "4.18.0-553.el8_10.x86_64; the floor is 4.18.0-80.4.2"),
    "9": (el(9), "pass", "the floor is 5.1.11"),
    "10": (el(10), "pass", "the floor is 5.1.11"),
    "8, too old": (kernel("4.18.0-80.1.2.el8_0.x86_64", "rhel", "8.0"), "fail", "the floor is 4.18.0-80.4.2"),
    "7.4, too old": (kernel("3.10.0-693.el7.x86_64", "rhel", "7.4"), "fail", "the floor is 3.10.0-693.50.3"),
    "7.9": (kernel("3.10.0-1160.el7.x86_64", "rhel", "7.9"), "pass", "the floor is 3.10.0-957.21.3"),
    "Ubuntu 18.04": (kernel("4.15.0-1050-azure", "ubuntu", "18.04"), "pass", "the floor is 4.15.0-1049"),
    "Ubuntu 18.04, too old": (kernel("4.15.0-1048-azure", "ubuntu", "18.04"), "fail", "the floor is 4.15.0-1049"),
    "Ubuntu 18.04, newer": (kernel("5.4.0-1023-azure", "ubuntu", "18.04"), "pass", "the floor is 5.1.11"),
    "another system": (kernel("4.14.100", "amzn", "2"), "fail", "4.14.100; the floor is 4.14.127"),
    "another system, newer": (kernel("4.14.355", "amzn", "2"), "pass", "4.14.127"),
    "a line without patches": (kernel("3.16.1", "debian", "13"), "fail", "the floor is 5.1.11"),
    "nothing boots": (
        changed(DEBIAN, files={"/boot/efi/EFI/debian/grub.cfg": "x\n"}),
        "unknown",
        "see cmdline-console",
    ),
}


@pytest.mark.parametrize(("snapshot", "status", "words"), SACK.values(), ids=SACK)
def test_the_kernel_has_the_patches_or_not(snapshot: Snapshot, status: str, words: str) -> None:
    outcome = ask("kernel-sack-floor", snapshot)
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


MACHINES = {
    "flight's own": (DEBIAN, "pass", "x86_64"),
    "9": (el(9), "pass", "x86_64"),
    "32 bits": (changed(DEBIAN, heads=head(3, bits=1)), "fail", "/bin/sh is for i386, 32 bits"),
    "x32": (changed(DEBIAN, heads=head(0x3E, bits=1)), "fail", "/bin/sh is for x86_64, 32 bits"),
    "another": (changed(DEBIAN, heads=head(0xF3)), "fail", "/bin/sh is for machine 243, 64 bits"),
    "no shell": (changed(DEBIAN, heads={}), "unknown", "/bin/sh is no program"),
    "a script for a shell": (changed(DEBIAN, heads=dict.fromkeys(head(3), b"#!/bin/true\n")), "unknown", "no program"),
    "an empty kernel": (
        changed(DEBIAN, files={Image(DEBIAN).boot.kernel: ""}),
        "fail",
        "vmlinuz-6.12.117+deb13-cloud-amd64, is empty",
    ),
    "another kernel": (changed(DEBIAN, heads=head(0xB7)), "fail", "/bin/sh is for aarch64, the kernel for x86_64"),
}


@pytest.mark.parametrize(("snapshot", "status", "words"), MACHINES.values(), ids=MACHINES)
def test_the_machine_is_one_of_azures(snapshot: Snapshot, status: str, words: str) -> None:
    outcome = ask("arch-64", snapshot)
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


def test_arm_is_well() -> None:
    config = Image(DEBIAN).kernel.config_path
    snapshot = changed(DEBIAN, heads=head(0xB7), files={config: "CONFIG_ARM64=y\n"})
    assert ask("arch-64", snapshot).seen == "aarch64"


SYSTEMS = {
    "ID=debian\nVERSION_ID=13": ("pass", "debian 13"),
    "ID=debian\nVERSION_ID=7": ("fail", "debian 7 is older than debian 8"),
    "ID=debian": ("pass", "debian without a number"),
    "ID=ubuntu\nVERSION_ID=12.04": ("fail", "ubuntu 12.04"),
    "ID=ubuntu\nVERSION_ID=24.04": ("pass", "ubuntu 24.04"),
    "ID=rhel\nVERSION_ID=7.9": ("fail", "rhel 7.9 is older than el 8"),
    "ID=almalinux\nID_LIKE=rhel\nVERSION_ID=9.4": ("pass", "almalinux 9.4"),
    "ID=fedora\nVERSION_ID=19": ("fail", "fedora 19"),
    "ID=sles\nVERSION_ID=11.4": ("fail", "sles 11.4 is older than suse 12"),
    "ID=gentoo": ("not applicable", "'gentoo' is no system that the test knows"),
    "": ("not applicable", "no system"),
}


@pytest.mark.parametrize(("text", "outcome"), SYSTEMS.items())
def test_systems_from_before_ghost_are_warned_of(text: str, outcome: tuple[str, str]) -> None:
    said = ask("kernel-security-threats", changed(DEBIAN, files={"/etc/os-release": text, "/usr/lib/os-release": text}))
    assert (said.status, outcome[1] in said.seen) == (outcome[0], True), said


def test_every_rule_has_a_test() -> None:
    assert set(RULES) == {"arch-64", "kernel-sack-floor", "kernel-security-threats"}
