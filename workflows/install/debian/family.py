"""The Debian family: packages by apt and mmdebstrap, configuration in its words, boot files by its programs."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flight.workflows.install.configure import TreeFile, networkd_file, render_grub_defaults, text_file
from flight.workflows.install.debian import apt, bootstrap, sources
from flight.workflows.install.debian.sources import Source, Wanted
from flight.workflows.install.grub import Names
from flight.workflows.install.inside import below
from flight.workflows.install.isolation import Machine, from_inside
from flight.workflows.install.layout import Layout
from flight.workflows.install.times import clamp, epoch_of
from flight.workflows.install.tools import private_folder
from flight.workflows.install.traces import take_out
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import RecipeError
from flight.workflows.kit.progress import Progress, Told

if TYPE_CHECKING:
    from flight.workflows.settings import Programs

GRUB = Names("grub", for_bios="grub-pc-bin and grub2-common", for_efi="shim-signed and grub-efi-amd64-signed")
VENDOR = "debian"
"""Its folder on the EFI partition; the signed GRUB looks there and nowhere else."""
SIGNED = {
    "shimx64.efi": "usr/lib/shim/shimx64.efi.signed",
    "grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
    "mmx64.efi": "usr/lib/shim/mmx64.efi.signed",
}
FSCK = "FSTYPE=ext4\n"
"""Brings the root's fsck into the initramfs: the hook else asks the device, and while building there is none."""
TRACES = (
    "etc/ssh/ssh_host_*",
    "usr/sbin/policy-rc.d",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*.deb",
    "var/cache/ldconfig/aux-cache",
    "var/lib/apt/lists/*_*",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/log/*.log",
    "var/log/apt/*",
)


def problems(plan: InstallPlan) -> Iterator[str]:
    """What this family cannot honour, each with file and line."""
    yield from sources.problems(plan)
    if plan.selinux in ("enforcing", "permissive"):
        yield f"{plan.recipe}: selinux --{plan.selinux} is not built for Debian; give --disabled"


def install(
    plan: InstallPlan,
    to: Path,
    *,
    cache: Path,
    programs: Programs,
    logs: Path,
    scratch: Path,
    environment: Mapping[str, str],
    told: Told,
) -> dict[str, Any]:
    """The package tree at `to`. Runs in namespaces of its own (`isolation.enclosed`): its mounts end with it."""
    started = time.time() - 1
    origins = sources.sources_of(plan, environment)
    wanted = sources.plan_packages(plan)
    private = private_folder(to.parent, cache, scratch)
    log = logs / "apt.log"
    settings = [*bootstrap.settings_of(plan), *apt.reaching()]
    fetcher = apt.Apt(private / "apt", origins, scratch=scratch, settings=settings)
    told(Progress(0, 0, "reading the package indexes"))
    fetcher.update(cache / f"index-{_key_of(origins)}", log_to=log)
    epoch = epoch_of(plan, (index["date"] for index in fetcher.indexes()))
    first = _first_words(wanted.variant, plan.release)
    base = fetcher.would_install(*first, log_to=log)
    wanted = _known(fetcher, wanted, base, plan, log)
    asked = ("install", *wanted.asked)
    rest = fetcher.would_install(*asked, after=base, log_to=log)
    fetched = fetcher.fetch([(first, base), (asked, rest)], cache / "debs", log_to=log, told=told)
    remove(private / "apt" / "auth.conf")
    to.mkdir(mode=0o755)
    run = bootstrap.Bootstrap(plan, wanted, fetcher, cache / "debs", epoch, programs.mmdebstrap)
    run.run(to, root=private, log_to=logs / "packages.log", told=told)
    from_inside(to, bootstrap.tidy, Path("/"))
    packages = from_inside(to, bootstrap.installed, Path("/"))
    check_installed(plan, wanted, packages)
    clamp(to, since=started, to=epoch)
    os.utime(to, (epoch, epoch))
    return {"packages": packages, "indexes": fetcher.indexes(), "downloaded_bytes": fetched, "epoch": epoch}


def _key_of(origins: tuple[Source, ...]) -> str:
    return hashlib.sha256(sources.render_sources(origins).encode()).hexdigest()[:12]


def _first_words(variant: str, suite: str) -> tuple[str, ...]:
    """How mmdebstrap asks apt for the packages it unpacks first (run_download in 1.3.5 and 1.5.7)."""
    if variant == "apt":
        return ("dist-upgrade",)
    return ("install", f"?narrow(?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture(amd64),?essential)")


def _known(fetcher: apt.Apt, wanted: Wanted, base: list[apt.Deb], plan: InstallPlan, log: Path) -> Wanted:
    """What to ask for; names that no source has are dropped where the kickstart says --ignoremissing."""
    while plan.packages.ignore_missing:
        try:
            fetcher.would_install("install", *wanted.asked, after=base, log_to=log)
            break
        except RecipeError as error:
            missing = re.findall(r"Unable to locate package (\S+)", error.why)
            names = tuple(name for name in wanted.names if name not in missing)
            excluded = tuple(name for name in wanted.excluded if name not in missing)
            fewer = replace(wanted, names=names, excluded=excluded)
            if fewer == wanted:
                raise
            wanted = fewer
    return wanted


def check_installed(plan: InstallPlan, wanted: Wanted, packages: Mapping[str, str]) -> None:
    """Raise RecipeError where an excluded package came in nevertheless."""
    came = [name for name in wanted.excluded if name in packages]
    if came:
        raise RecipeError(
            f"{plan.packages.where_of(*came)}: excluded, and installed nevertheless: {', '.join(came)}",
            why="they belong to the essential packages of this release",
            fix="take them off the exclusions",
        )


def configuration(plan: InstallPlan, tree: Path) -> Iterator[TreeFile]:
    """Files of /etc that Debian spells in its own way. Raises RecipeError for what the installed packages cannot do."""
    yield text_file("/etc/default/locale", f"LANG={plan.language}\n")
    yield text_file("/etc/default/keyboard", render_keyboard(plan.keyboard))
    yield text_file("/etc/timezone", f"{plan.timezone}\n")
    yield text_file("/etc/default/grub", render_grub_defaults(plan))
    if (tree / "etc/initramfs-tools").is_dir():
        yield text_file("/etc/initramfs-tools/conf.d/fsck", FSCK)
    yield from _network_files(plan, tree)
    yield from _source_files(plan)
    if is_generated(plan.language):
        yield text_file("/etc/locale.gen", f"{plan.language} {plan.language.partition('.')[2] or 'ISO-8859-1'}\n")


def is_generated(language: str) -> bool:
    """Whether locale-gen must make it: glibc holds C, C.UTF-8 and POSIX itself."""
    return language not in ("C", "C.UTF-8", "POSIX")


def render_keyboard(layout: str) -> str:
    """keyboard(5)."""
    return f'XKBMODEL="pc105"\nXKBLAYOUT="{layout}"\nXKBVARIANT=""\nXKBOPTIONS=""\nBACKSPACE="guess"\n'


def _network_files(plan: InstallPlan, tree: Path) -> Iterator[TreeFile]:
    """One interface by name, no hardware address: ifupdown's where that is installed, else systemd-networkd's.

    The latter sorts after what cloud-init and netplan write, and gives way to it.
    """
    network = plan.network
    if (tree / "usr/sbin/ifup").exists() or (tree / "sbin/ifup").exists():
        six = f"iface {network.device} inet6 auto\n" if network.ipv6 else ""
        text = f"auto {network.device}\niface {network.device} inet dhcp\n{six}"
        yield text_file(f"/etc/network/interfaces.d/{network.device}", text)
    else:
        yield networkd_file(network)


def enabled_units(plan: InstallPlan, tree: Path) -> tuple[str, ...]:
    """Units the network needs that no package enables by itself."""
    has_ifup = (tree / "usr/sbin/ifup").exists() or (tree / "sbin/ifup").exists()
    return () if has_ifup else ("systemd-networkd.service",)


def _source_files(plan: InstallPlan) -> Iterator[TreeFile]:
    """The image's own sources: the plan's lines, and the repositories that stay, each with its key and no login."""
    if plan.image_sources:
        yield text_file("/etc/apt/sources.list", "".join(f"{line}\n" for line in plan.image_sources))
    for each in plan.repositories:
        if not each.stays:
            continue
        by = ""
        if each.key:
            raw = Path(each.key).read_bytes()
            ending = "asc" if raw.startswith(b"-----BEGIN") else "gpg"
            yield TreeFile(f"/etc/apt/keyrings/{each.name}.{ending}", raw)
            by = f"[signed-by=/etc/apt/keyrings/{each.name}.{ending}] "
        line = f"deb {by}{each.url} {each.suite or plan.release} {' '.join(each.components or ('main',))}\n"
        yield text_file(f"/etc/apt/sources.list.d/{each.name}.list", line)


def finish_configuration(plan: InstallPlan, machine: Machine, *, log_to: Path) -> None:
    """What the guest's own programs do with the configuration."""
    if is_generated(plan.language):
        fix = f"add locales to %packages, or give 'lang C.UTF-8' instead of {plan.language}"
        machine.run(["locale-gen"], why=f"make the locale {plan.language}", log_to=log_to, fix=fix)


def make_bootable(plan: InstallPlan, layout: Layout, machine: Machine, *, log_to: Path, told: Told) -> list[str]:
    """One initramfs for each kernel, then the boot menu, by the guest's own programs; the kernels' releases."""
    boot = below(machine.root, "/boot")
    kernels = sorted(path.name.removeprefix("vmlinuz-") for path in boot.glob("vmlinuz-*"))
    if not kernels:
        raise RecipeError(
            f"{plan.packages.where}: there is no kernel among the packages",
            fix="add linux-image-cloud-amd64 to %packages",
        )
    for place, release in enumerate(kernels):
        told(Progress(place, len(kernels), "making the initramfs"))
        remove(boot / f"initrd.img-{release}")
        machine.run(["update-initramfs", "-c", "-k", release], why="make the initramfs", log_to=log_to)
    machine.run(["update-grub"], why="write the boot menu", log_to=log_to, fix="add grub2-common to %packages")
    return kernels


def command_lines(root: Path) -> list[str]:
    """The kernel's arguments of every menu entry, each once, in their order."""
    lines = re.findall(r"^\s*linux\s+\S+\s+(.*)$", below(root, GRUB.menu).read_text(), re.M)
    return list(dict.fromkeys(" ".join(line.split()) for line in lines))


def efi_programs(root: Path) -> tuple[str, dict[str, bytes]]:
    """The vendor's folder on the EFI partition, and the signed programs for it by name (none: not installed)."""
    found = {name: below(root, path) for name, path in SIGNED.items()}
    if not all(path.is_file() for path in found.values()):
        return VENDOR, {}
    return VENDOR, {name: path.read_bytes() for name, path in found.items()}


def tidy_system(root: Path) -> None:
    """Take out what belongs to this build or to one machine only. Called with the tree for /."""
    take_out(root, TRACES)


def label(plan: InstallPlan, root: Path, *, scratch: Path, log_to: Path) -> None:
    """Debian's files carry no labels: `problems` refuses SELinux."""
