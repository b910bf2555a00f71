"""What is to be thought of what was seen: values in, findings out (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from flight.workflows.cloud.names import RULES, not_named
from flight.workflows.hypervisor.probe import Acceleration
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import human_bytes
from flight.workflows.settings import Azure

Verdict = Literal["ok", "warning", "fault"]
Port = Literal["ours", "nobody", "stranger", "silent"]
"""Who answers on a port: what we look for, nobody, another program, or ours that does not answer."""

BUILD_BYTES: Final = 8 << 30
"""One walk of a recipe for compute nodes: package tree, qcow2, raw, VHD and the rehearsal's blob, caches included."""
ROOM_BYTES: Final = 2 * BUILD_BYTES
"""With less than this, the second version of an image may not find space beside the first."""
CLOCK_FAULT_S: Final = 300
"""Azure refuses tokens that seem older or younger by five minutes (a shared key: fifteen).

Source: "Authorize with Shared Key", Specifying the Date header; RFC 7519 clock skew as Microsoft Entra applies it.
"""
CLOCK_WARNING_S: Final = 60
ACCOUNT_KINDS: Final = ("StorageV2", "Storage")
"""The general-purpose kinds. Source: "Storage account overview", Types of storage accounts."""

SHORT: Final = 60
"""Characters: what is longer are QEMU's own words, which help nobody here."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was seen, what to think of it, what would mend it."""

    name: str
    verdict: Verdict
    seen: str
    fix: str = ""

    @property
    def is_fault(self) -> bool:
        return self.verdict == "fault"


@dataclass(frozen=True)
class Need:
    """A program that flight runs: the oldest version that does (empty: any), and the package that brings it."""

    program: str
    package: str
    least: tuple[int, ...] = ()


def from_error(name: str, error: FlightError) -> Finding:
    """A fault that says what an error says."""
    why = error.why.splitlines()[0] if error.why else ""
    return Finding(name, "fault", f"{error.what}: {why}" if why else error.what, error.fix)


def judge_program(need: Need, *, path: str | None, version: tuple[int, ...] | None) -> Finding:
    """`version` None: it has none that can be asked for; (): it was asked, and said nothing that reads as one."""
    fix = f"install {need.package}, or name another in [programs] of luigi.cfg"
    if path is None:
        return Finding(need.program, "fault", "it is not here", fix)
    if version is None or not need.least:
        return Finding(need.program, "ok", " ".join(filter(None, (path, dotted(version or ())))))
    if not version:
        return Finding(need.program, "warning", f"{path} does not say its version; {dotted(need.least)} is needed", fix)
    if version < need.least:
        return Finding(need.program, "fault", f"{path} {dotted(version)} is older than {dotted(need.least)}", fix)
    return Finding(need.program, "ok", f"{path} {dotted(version)}")


def judge_acceleration(found: Acceleration) -> Finding:
    if found.has_kvm:
        return Finding("KVM", "ok", f"a guest ran under KVM (QEMU {dotted(found.version)})")
    why = found.why_not_kvm if len(found.why_not_kvm) < SHORT else "a tiny guest did not run under KVM"
    return Finding(
        "KVM",
        "warning",
        f"guests are emulated, which is slow but right: {why}",
        "nothing is needed; for speed, use a machine whose /dev/kvm runs guests",
    )


def judge_debian13(found: Acceleration, recipe: str) -> Finding:
    """Only a fault where the recipe that is built is one for Debian 13."""
    if found.runs_debian13:
        how = "under KVM" if found.has_kvm else f"under the emulation of QEMU {dotted(found.version)}"
        return Finding("Debian 13 guests", "ok", f"they hold {how}")
    wanted = "debian13" in recipe or "trixie" in recipe
    return Finding(
        "Debian 13 guests",
        "fault" if wanted else "warning",
        f"they crash at random under the emulation of QEMU {dotted(found.version)}",
        "install QEMU 10.0 or newer (bookworm-backports has it), or set [image] recipe = flight-compute-debian12",
    )


def judge_kernels(kernels: Mapping[Path, bool]) -> Finding:
    """`kernels`: those in /boot, and whether we may read them and their modules are there."""
    usable = [path.name for path, is_usable in kernels.items() if is_usable]
    if usable:
        return Finding("libguestfs", "ok", f"its appliance can be made of {usable[-1]}")
    seen = f"cannot use {', '.join(path.name for path in kernels)}" if kernels else "there is no kernel in /boot"
    return Finding(
        "libguestfs",
        "fault",
        f"its appliance cannot be made: {seen}",
        "install linux-image-cloud-amd64; chmod a+r /boot/vmlinuz-*",
    )


def judge_space(free_bytes: int, work: Path) -> Finding:
    seen = f"{human_bytes(free_bytes)} free in {work}; a build needs {human_bytes(BUILD_BYTES)}"
    fix = "flight clean --old, or another [paths] work in luigi.cfg"
    verdict: Verdict = "fault" if free_bytes < BUILD_BYTES else "warning" if free_bytes < ROOM_BYTES else "ok"
    return Finding("space", verdict, seen, "" if verdict == "ok" else fix)


def judge_port(
    name: str, port: int, who: Port, *, owner: str = "", start: str = "", is_needed: bool = False
) -> Finding:
    """A server of ours on this host; one that does not run is a matter for `start`, a stranger on its port a fault."""
    place = f"127.0.0.1:{port}"
    if who == "ours":
        return Finding(name, "ok", f"it answers on {place}")
    if who == "nobody":
        return Finding(name, "warning" if is_needed else "ok", f"it does not run; {place} is free", start)
    if who == "silent":
        return Finding(name, "fault", f"it listens on {place} but does not answer", f"stop it, then {start}")
    return Finding(
        name,
        "fault",
        f"{place} is taken by {owner or 'another program'}",
        "end that program, or set another port in luigi.cfg",
    )


def judge_clock(skew_s: float) -> Finding:
    """`skew_s`: how far this host is ahead of the storage's Date header."""
    seen = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the storage's"
    verdict: Verdict = "ok"
    if abs(skew_s) >= CLOCK_WARNING_S:
        verdict = "fault" if abs(skew_s) >= CLOCK_FAULT_S else "warning"
    return Finding("clock", verdict, seen, "" if verdict == "ok" else "let the clock follow a time server (chrony)")


def judge_account(kind: str, sku: str, *, is_hierarchical: bool = False) -> Finding:
    """Images are made of page blobs, which only general-purpose accounts without a hierarchical namespace hold."""
    seen = " ".join(filter(None, (kind or "of an unknown kind", sku, "hierarchical" if is_hierarchical else "")))
    if kind in ACCOUNT_KINDS and not is_hierarchical:
        return Finding("storage account", "ok", seen)
    fix = "use a general-purpose one: az storage account create --kind StorageV2 --enable-hierarchical-namespace false"
    return Finding("storage account", "fault", f"it is {seen}: it holds no page blobs", fix)


def judge_region(account: str, regions: Sequence[str], azure: Azure) -> Finding:
    """`regions`: those of the accounts of that name that the subscription shows us (one, or none)."""
    if not regions:
        return Finding(
            "region",
            "warning",
            f"the subscription does not show us the storage account '{account}': its region is not known",
            "give this identity the role 'Reader' on the account, or check [azure] account and subscription",
        )
    short = [region.replace(" ", "").lower() for region in regions]
    wanted = azure.location.replace(" ", "").lower()
    if wanted in short:
        return Finding("region", "ok", f"account and image are in {wanted}")
    return Finding(
        "region",
        "fault",
        f"the account is in {short[0]}, the image is wanted in {wanted}",
        f"set [azure] location = {short[0]}, or use an account in {wanted}",
    )


def judge_names(azure: Azure) -> Finding:
    """Whether Azure would take the names in luigi.cfg."""
    given = {
        "subscription": azure.subscription,
        "resource group": azure.resource_group,
        "storage account": azure.account,
        "container": azure.container,
    }
    bad = [
        f"'{name}' as {kind}: it takes {RULES[kind].words}"
        for kind, name in given.items()
        if not RULES[kind].holds(name)
    ]
    bad += [f"no {name} of yours is named" for name in not_named(vars(azure))]
    fix = "set them in [azure] of luigi.cfg"
    return Finding("names", "fault" if bad else "ok", "; ".join(bad) or "Azure would take them", fix if bad else "")


def dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
