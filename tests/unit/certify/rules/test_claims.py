"""Claims: what several rules say together, of a real disk with one thing wrong each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trees import DEBIAN, ask, changed

from flight.workflows.certify.image import CLAIMS
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import RULES, claims

CONFIG = next(path for path in DEBIAN.tree.glob("/boot/config-*"))
KERNEL = next(path for path in DEBIAN.signers if "vmlinuz" in path)
LOADER = "/boot/efi/EFI/BOOT/BOOTX64.EFI"
GRUB = "/boot/efi/EFI/BOOT/grubx64.efi"
CLAIMED = {
    "cap-accelnet": "accelerated-networking",
    "cap-nvme": "nvme",
    "cap-trustedlaunch": "trusted-launch",
    "cap-cloudinit": "cloud-init",
    "cap-extensions": "extensions",
    "cap-ssh-disabled": "ssh-disabled",
    "cap-backup": "backup",
    "cap-hibernation": "hibernation",
}


def signed(path: str, *names: str) -> dict[str, Any]:
    return {"signers": {**DEBIAN.signers, path: names}}


def without(path: str) -> dict[str, Any]:
    return {"signers": {each: names for each, names in DEBIAN.signers.items() if each != path}}


def words(path: str, old: str, new: str) -> dict[str, Any]:
    return {"files": {path: (DEBIAN.tree.text(path) or "").replace(old, new)}}


UNMANAGED = ("/usr/lib/udev/rules.d/10-azure-unmanaged-sriov.rules", "/etc/systemd/network/01-azure-sriov.network")
WILDCARD = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
GRUB_CFG = "/boot/grub/grub.cfg"
CASES = {
    "accelnet": ("cap-accelnet", {}, "pass", "net-vf-unmanaged"),
    "accelnet-taken": (
        "cap-accelnet",
        {"without": UNMANAGED, "files": {"/etc/systemd/network/80-eth0.network": WILDCARD}},
        "fail",
        "net-vf-unmanaged: /etc/systemd/network/80-eth0.network",
    ),
    "nvme": ("cap-nvme", {}, "pass", "initrd-nvme"),
    "nvme-without-a-timeout": (
        "cap-nvme",
        words(GRUB_CFG, "nvme_core.io_timeout=240", ""),
        "fail",
        "cmdline-nvme-timeout",
    ),
    "trusted": ("cap-trustedlaunch", {}, "pass", "Microsoft"),
    "an-unsigned-loader": ("cap-trustedlaunch", signed(LOADER), "fail", "nobody, not by Microsoft"),
    "a-loader-of-one-s-own": ("cap-trustedlaunch", signed(LOADER, "Me"), "fail", "by Me, not by Microsoft"),
    "an-unsigned-grub": ("cap-trustedlaunch", signed(GRUB), "fail", "grubx64.efi is not signed"),
    "an-unsigned-kernel": ("cap-trustedlaunch", signed(KERNEL), "fail", "is not signed"),
    "no-loader": ("cap-trustedlaunch", without(LOADER), "fail", "no EFI/BOOT/BOOTX64.EFI"),
    "a-kernel-that-was-not-read": ("cap-trustedlaunch", without(KERNEL), "unknown", "was not read"),
    "no-kernel": ("cap-trustedlaunch", {"without": ["/boot/grub", "/boot/efi/EFI/debian"]}, "unknown", "not known"),
    "cloud-init": ("cap-cloudinit", {}, "pass", "cloudinit-present"),
    "cloud-init-is-disabled": (
        "cap-cloudinit",
        {"files": {"/etc/cloud/cloud-init.disabled": ""}},
        "fail",
        "cloudinit-",
    ),
    "extensions": ("cap-extensions", {}, "pass", "ext-support"),
    "extensions-are-off": (
        "cap-extensions",
        {"files": {"/etc/waagent.conf": f"{DEBIAN.tree.text('/etc/waagent.conf')}\nExtensions.Enabled=n\n"}},
        "fail",
        "ext-support",
    ),
    "ssh-is-enabled": ("cap-ssh-disabled", {}, "fail", "ssh.service is enabled"),
    "ssh-is-disabled": (
        "cap-ssh-disabled",
        {"links": {"/etc/systemd/system/ssh.service": "/dev/null"}},
        "pass",
        "by hand",
    ),
    "backup": ("cap-backup", {}, "pass", "hyperv-daemons"),
    "no-daemon": ("cap-backup", {"packages": {"hyperv-daemons": None}}, "fail", "hyperv-daemons"),
    "no-daemon-for-snapshots": (
        "cap-backup",
        {"links": {"/etc/systemd/system/hv-vss-daemon.service": "/dev/null"}},
        "fail",
        "hv-vss-daemon.service is masked",
    ),
    "hibernation": ("cap-hibernation", {}, "pass", "can"),
    "a-kernel-that-cannot": (
        "cap-hibernation",
        words(CONFIG, "CONFIG_HIBERNATION=y", ""),
        "fail",
        "no CONFIG_HIBERNATION",
    ),
    "a-command-line-that-forbids": (
        "cap-hibernation",
        words(GRUB_CFG, "nvme_core.io_timeout=240", "nvme_core.io_timeout=240 noresume"),
        "fail",
        "noresume",
    ),
}


@pytest.mark.parametrize(("rule", "change", "status", "said"), CASES.values(), ids=CASES)
def test_a_claim_is_what_the_disk_says(rule: str, change: dict[str, Any], status: str, said: str) -> None:
    outcome = ask(rule, changed(DEBIAN, **change), claims={CLAIMED[rule]})
    assert (outcome.status, said in outcome.seen) == (status, True), outcome


@pytest.mark.parametrize("rule", CLAIMED)
def test_what_is_not_claimed_is_not_asked(rule: str) -> None:
    assert ask(rule, DEBIAN).status == "not applicable"


@pytest.mark.parametrize("rule", ["cap-nvme", "cap-trustedlaunch"])
def test_some_claims_need_generation_2(rule: str) -> None:
    outcome = ask(rule, DEBIAN, generations={"V1"}, claims={CLAIMED[rule]})
    assert (outcome.status, "generation 1" in outcome.seen) == ("fail", True)


def test_every_claim_has_one_rule_and_every_rule_behind_it_is_one() -> None:
    own = [value for value in vars(claims).values() if isinstance(value, Rule)]
    assert {rule.claim: rule.id for rule in own} == {word: name for name, word in CLAIMED.items()}
    assert set(CLAIMED.values()) == set(CLAIMS)
    assert {name for names in claims.NEEDED.values() for name in names} <= {rule.id for rule in RULES}


def test_the_worst_of_several_faults_is_told_first() -> None:
    change = {"without": UNMANAGED, "files": {"/etc/systemd/network/80-eth0.network": WILDCARD}}
    snapshot = changed(DEBIAN, **change)
    config = (DEBIAN.tree.text(CONFIG) or "").replace("CONFIG_PCI_HYPERV=", "CONFIG_NOT=")
    modules = [path for path in DEBIAN.tree.entries if "pci-hyperv" in path]
    outcome = ask(
        "cap-accelnet", changed(snapshot, files={CONFIG: config}, without=modules), claims={"accelerated-networking"}
    )
    assert outcome.status == "fail"
    assert outcome.seen.startswith("kmod-pci-hyperv: ")
    assert outcome.seen.endswith(", and net-vf-unmanaged")
    assert outcome.severity in ("blocker", "likely blocker")


def test_names_of_signers_are_quoted() -> None:
    hostile = replace(DEBIAN, signers={**DEBIAN.signers, LOADER: ("Microsoft\x1b[31m\n" + "x" * 500,)})
    outcome = ask("cap-trustedlaunch", hostile, claims={"trusted-launch"})
    assert "\x1b" not in outcome.seen and len(outcome.seen) < 200
