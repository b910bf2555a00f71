"""What is to be thought of what was seen: values in, findings out (pure)."""

from __future__ import annotations

import errno
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
Device = Literal["there", "absent", "closed"]
"""/dev/kvm: it can be opened, there is none, it may not be opened."""
Port = Literal["ours", "nobody", "stranger", "silent"]
"""Who answers on a port: what we look for, nobody, another program, or ours that does not answer."""

BUILD_BYTES: Final = 8 << 30
"""One walk of a recipe for compute nodes: package tree, qcow2, raw, VHD and the rehearsal's blob, caches included."""
ROOM_BYTES: Final = 2 * BUILD_BYTES
"""With less than this, the second version of an image may not find space beside the first."""
BUILD_FILES: Final = 200_000
"""Twice the files of a package tree for compute nodes, since a second one may stand beside it."""
NOT_OURS: Final = "may not be read"
CLOCK_FAULT_S: Final = 300
"""Azure refuses tokens that seem older or younger by five minutes (a shared key: fifteen).

Source: "Authorize with Shared Key", Specifying the Date header; RFC 7519 clock skew as Microsoft Entra applies it.
"""
CLOCK_WARNING_S: Final = 60
ACCOUNT_KINDS: Final = ("StorageV2", "Storage")
"""The general-purpose kinds. Source: "Storage account overview", Types of storage accounts."""


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
    """A program that flight runs, the Debian package that brings it, and the oldest version that does (empty: any).

    `setting` can name another one (empty: none can). `only`: what alone asks for it (empty: every walk).
    """

    program: str
    package: str
    least: tuple[int, ...] = ()
    setting: str = ""
    only: str = ""

    @property
    def name(self) -> str:
        return Path(self.program).name

    @property
    def fix(self) -> str:
        return f"apt-get install {self.package}{self.another}"

    @property
    def another(self) -> str:
        return f", or name another one: [programs] {self.setting} in luigi.cfg" if self.setting else ""


def from_error(name: str, error: FlightError) -> Finding:
    """A fault that says what an error says."""
    why = error.why.splitlines()[0] if error.why else ""
    return Finding(name, "fault", f"{error.what}: {why}" if why else error.what, error.fix)


def judge_program(need: Need, *, path: str | None, version: tuple[int, ...] | None) -> Finding:
    """`version` None: it has none that can be asked for; (): it was asked, and said nothing that reads as one."""
    if path is None:
        seen = f"{need.program} is not here"
        if need.only:
            return Finding(need.name, "warning", f"{seen}: only {need.only} ask for it", need.fix)
        return Finding(need.name, "fault", seen, need.fix)
    if version is None or not need.least:
        return Finding(need.name, "ok", " ".join(filter(None, (path, dotted(version or ())))))
    newer = f"upgrade {need.package} to {dotted(need.least)} or newer{need.another}"
    if not version:
        return Finding(need.name, "warning", f"{path} does not say its version; {dotted(need.least)} is needed", newer)
    if version < need.least:
        return Finding(need.name, "fault", f"{path} {dotted(version)} is older than {dotted(need.least)}", newer)
    return Finding(need.name, "ok", f"{path} {dotted(version)}")


def judge_others(family: str, missing: Sequence[Need], recipe: str) -> Finding:
    """A family of distributions that the configured recipe is not of: to know at most."""
    if not missing:
        return Finding(family, "ok", "its recipes can be built here too")
    names, packages = (
        ", ".join(need.name for need in missing),
        " ".join(dict.fromkeys(need.package for need in missing)),
    )
    seen = f"its recipes cannot be built here without {names}"
    return Finding(family, "warning", seen, f"nothing is needed for {recipe}; else apt-get install {packages}")


def judge_acceleration(found: Acceleration, device: Device = "there") -> Finding:
    """`device`: how /dev/kvm is. Emulation is no fault: all of it works, at a tenth of the speed.

    QEMU's own reason is not told: its words for the same fault differ by release, and help nobody here.
    """
    if found.has_kvm:
        return Finding("KVM", "ok", f"a guest ran under KVM (QEMU {dotted(found.version)})")
    why = {
        "absent": "there is no /dev/kvm",
        "closed": "/dev/kvm may not be opened",
        "there": "/dev/kvm is there, and a tiny guest did not run under it",
    }[device]
    fix = {
        "absent": "switch virtualisation on in the firmware and modprobe kvm_intel or kvm_amd, or pass it to the container",
        "closed": "let flight open it; to a container it is passed as a device",
        "there": "use a machine whose /dev/kvm runs guests",
    }[device]
    return Finding(
        "KVM", "warning", f"guests are emulated, which is slow but right: {why}", f"nothing is needed; for speed, {fix}"
    )


def judge_debian13(found: Acceleration, release: str) -> Finding:
    """Only a fault where the recipe that is built is one for Debian 13."""
    if found.runs_debian13:
        how = "under KVM" if found.has_kvm else f"under the emulation of QEMU {dotted(found.version)}"
        return Finding("Debian 13 guests", "ok", f"they hold {how}")
    return Finding(
        "Debian 13 guests",
        "fault" if release in ("trixie", "13") else "warning",
        f"they crash at random under the emulation of QEMU {dotted(found.version)}",
        "install QEMU 10.0 or newer (bookworm-backports has it), or set [image] recipe = flight-compute-debian12",
    )


def judge_kernels(kernels: Mapping[Path, str]) -> Finding:
    """`kernels`: those in /boot, and why each is of no use to libguestfs's appliance (empty: it is)."""
    usable = [path.name for path, why_not in kernels.items() if not why_not]
    if usable:
        return Finding("libguestfs", "ok", f"its appliance can be made of {usable[-1]}")
    seen = "; ".join(f"{path.name} {why_not}" for path, why_not in kernels.items()) or "there is no kernel in /boot"
    unreadable = [str(path) for path, why_not in kernels.items() if why_not == NOT_OURS]
    install = f"apt-get install linux-image-cloud-amd64{', or reinstall the package of that kernel' if kernels else ''}"
    fix = f"chmod a+r {' '.join(unreadable)}" if unreadable else install
    return Finding("libguestfs", "fault", f"its appliance cannot be made: {seen}", fix)


def judge_work(work: Path, refusal: OSError | None) -> Finding:
    """`refusal`: what the system said when a file was written there."""
    if refusal is None:
        return Finding("work folder", "ok", str(work))
    fix = {
        errno.EACCES: "give it to the user who runs flight (chown -R), or ",
        errno.EPERM: "give it to the user who runs flight (chown -R), or ",
        errno.EROFS: "mount its filesystem writable, or ",
        errno.ENOSPC: "free some space there (flight clean --old), or ",
        errno.EDQUOT: "free some space there (flight clean --old), or ",
    }.get(refusal.errno or 0, "")
    another = "set [paths] work in luigi.cfg to a folder that can be written"
    return Finding("work folder", "fault", f"cannot write to {work}: {refusal.strerror or refusal}", f"{fix}{another}")


def judge_space(free_bytes: int, free_files: int | None, work: Path) -> Finding:
    """`free_files`: how many more the filesystem can name; None where it knows no limit."""
    seen = f"{human_bytes(free_bytes)} free in {work}; a build needs {human_bytes(BUILD_BYTES)}"
    fix = "flight clean --old, or name a folder on another disk: [paths] work in luigi.cfg"
    verdict: Verdict = "fault" if free_bytes < BUILD_BYTES else "warning" if free_bytes < ROOM_BYTES else "ok"
    if verdict == "ok" and free_files is not None and free_files < BUILD_FILES:
        verdict, seen = "fault", f"room for {free_files} more files in {work}; a build needs {BUILD_FILES}"
    return Finding("space", verdict, seen, "" if verdict == "ok" else fix)


def judge_mirror(mirror: str, release: str, status: int | str) -> Finding:
    """`status`: that of a Debian release's index (no release: of whatever lies there), or why there was no answer."""
    if status == 200 or (isinstance(status, int) and not release):
        return Finding("package mirror", "ok", f"{mirror} {f'has {release}' if release else 'answers'}")
    setting = "[image] mirror in luigi.cfg" if release else "[sources] archive in the recipe"
    if isinstance(status, int):
        seen = f"{mirror} answers {status} when asked for {release}"
        fix = "see that `release` in the recipe is a release of Debian, and that this is a mirror of it"
    else:
        seen, fix = f"{mirror} cannot be reached: {status}", "see that this host reaches it (network, proxy)"
    return Finding("package mirror", "fault", seen, f"{fix}, or name another: {setting}")


def judge_port(
    name: str,
    port: int,
    who: Port,
    *,
    owner: str = "",
    start: str = "",
    setting: str = "another port",
    is_needed: bool = False,
) -> Finding:
    """A server of ours on this host; one that does not run is a matter for `start`, a stranger on its port a fault."""
    place = f"127.0.0.1:{port}"
    if who == "ours":
        return Finding(name, "ok", f"it answers on {place}")
    if who == "nobody":
        return Finding(name, "warning" if is_needed else "ok", f"it does not run; {place} is free", start)
    holder = owner or "another program"
    if who == "silent":
        return Finding(
            name, "fault", f"{holder} listens on {place} but does not answer", f"end that program, then {start}"
        )
    return Finding(
        name,
        "fault",
        f"{place} is taken by {holder}",
        f"end that program, or set {setting} in luigi.cfg to another port",
    )


def judge_clock(skew_s: float, *, whose: str) -> Finding:
    """`skew_s`: how far this host is ahead of a server's Date header; `whose`: that server's."""
    seen = f"{_time(abs(skew_s))} {'ahead of' if skew_s > 0 else 'behind'} {whose}"
    if abs(skew_s) < CLOCK_WARNING_S:
        return Finding("clock", "ok", seen)
    is_fault = abs(skew_s) >= CLOCK_FAULT_S
    return Finding(
        "clock",
        "fault" if is_fault else "warning",
        f"{seen}: Azure refuses logins from {CLOCK_FAULT_S // 60} minutes on" if is_fault else seen,
        "let the clock follow a time server: apt-get install chrony",
    )


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )


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
