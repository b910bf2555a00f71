"""The Debian family: a package tree by mmdebstrap, offline and shut in, from packages that `apt` found and checked."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight.workflows.install import apt
from flight.workflows.install.configure import TreeFile, render_grub_defaults, text_file
from flight.workflows.install.isolation import Bind, Machine, Volatile, tmpfs
from flight.workflows.install.times import clamp, clock_of
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import ProgramError, RecipeError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import find

SETTLED = ("/media", "/srv", "/mnt", "/opt")
"""Folders that a Debian machine has; one of them, seen by nobody else, holds logins and keys in memory."""
TARGET = "/target"
HOST_FILES = (
    "/etc/alternatives",
    "/etc/debian_version",
    "/etc/dpkg",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/nsswitch.conf",
    "/etc/passwd",
)
"""What of the host's /etc its mmdebstrap, apt and dpkg read. Neither keys nor names of this machine are among them."""
MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
CORE_GROUPS = ("core", "minimal", "minimal-environment")
"""Anaconda's words for the least that runs; here: the essential packages and apt, which are always installed."""
STANDARD_GROUPS = {"standard": "standard", "server-product-environment": "standard", "base": "important"}
"""Groups that are a priority in Debian (Policy 2.5), by mmdebstrap's name for the variant."""
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "INITRD": "No",  # the kernel's hook of initramfs-tools heeds it: one initramfs is made later, of the finished system
    "TAR_OPTIONS": "--anchored --exclude=./proc --exclude=./sys --exclude=./dev",  # they are mounted already
}
LEFTOVERS = (
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/0000flight.list",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/hostname",
    "etc/resolv.conf",
)
"""What mmdebstrap leaves in a tree that a machine's own installation would not hold."""

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


@dataclass(frozen=True)
class Wanted:
    """Packages in apt's words: what comes first (a variant of mmdebstrap), and what is asked for by name."""

    variant: str
    names: tuple[str, ...]
    excluded: tuple[str, ...]

    @property
    def asked(self) -> tuple[str, ...]:
        return (*self.names, "apt", *(f"{name}-" for name in self.excluded))


def problems(plan: InstallPlan) -> Iterator[str]:
    """What this family cannot honour, each with file and line."""
    yield from apt.problems(plan)
    if plan.selinux in ("enforcing", "permissive"):
        yield f"{plan.recipe}: selinux --{plan.selinux} is not built for Debian; give --disabled"


def plan_packages(plan: InstallPlan) -> Wanted:
    """Names, groups and exclusions in apt's words. A group that is no priority is a task: `task-NAME`."""
    groups = [group for group in (plan.packages.environment, *plan.packages.groups) if group]
    priorities = [STANDARD_GROUPS[group] for group in groups if group in STANDARD_GROUPS]
    tasks = [f"task-{group}" for group in groups if group not in CORE_GROUPS and group not in STANDARD_GROUPS]
    excluded = (*plan.packages.excluded, *(f"task-{group}" for group in plan.packages.excluded_groups))
    names = [name for name in dict.fromkeys((*tasks, *plan.packages.names)) if name not in excluded]
    variant = "standard" if "standard" in priorities else "important" if priorities else "apt"
    return Wanted(variant, tuple(names), tuple(dict.fromkeys(excluded)))


def settings_of(plan: InstallPlan) -> list[str]:
    """What apt and dpkg must know in both phases, as lines of apt.conf."""
    return [f'APT::Install-Recommends "{str(plan.packages.recommends).lower()}";', 'APT::Install-Suggests "false";']


def render_dpkg_options(plan: InstallPlan) -> list[str]:
    """Lines of dpkg.cfg: documentation and languages that the plan does not want."""
    lines = ["force-unsafe-io", "force-confdef", "force-confold"]
    if not plan.packages.docs:
        lines += [f"path-exclude=/usr/share/{folder}/*" for folder in ("doc", "info", "man", "lintian")]
        lines += ["path-include=/usr/share/doc/*/copyright"]  # the licences ask for it
    if plan.packages.languages:
        kept = {
            part for language in plan.packages.languages for part in (language.split(".")[0], language.split("_")[0])
        }
        lines += ["path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias"]
        lines += [f"path-include=/usr/share/locale/{name}/*" for name in sorted(kept)]
    return lines


def install(
    plan: InstallPlan,
    to: Path,
    *,
    cache: Path,
    mmdebstrap: str,
    logs: Path,
    scratch: Path,
    environment: Mapping[str, str],
    told: Told,
) -> dict[str, Any]:
    """The package tree at `to`. Runs in namespaces of its own (`isolation.enclosed`): its mounts end with it."""
    started = time.time() - 1
    sources = apt.sources_of(plan, environment)
    wanted = plan_packages(plan)
    settings = [*settings_of(plan), *apt.reaching()]
    private = _private(to, cache, scratch)
    log = logs / "apt.log"
    fetcher = apt.Apt(private / "apt", sources, scratch=scratch, settings=settings)
    told(Progress(0, 0, "reading the package indexes"))
    fetcher.update(cache / f"index-{_key_of(sources)}", log_to=log)
    first = _first_words(wanted.variant, plan.release)
    base = fetcher.would_install(*first, log_to=log)
    asked = ("install", *_known(fetcher, wanted, base, plan, log))
    rest = fetcher.would_install(*asked, after=base, log_to=log)
    fetched = fetcher.fetch([(first, base), (asked, rest)], cache / "debs", log_to=log, told=told)
    remove(private / "apt" / "auth.conf")
    to.mkdir(mode=0o755)
    _bootstrap(plan, wanted, asked[1:], to, fetcher, private / "machine", mmdebstrap, cache / "debs", logs, told)
    tidy(to)
    if plan.source_date_epoch:
        clamp(to, since=started, to=plan.source_date_epoch)
    packages = installed(to)
    check_installed(plan, wanted, packages)
    return {"packages": packages, "indexes": fetcher.indexes(), "downloaded_bytes": fetched}


def _private(to: Path, cache: Path, scratch: Path) -> Path:
    """A folder in memory that nobody else sees and that ends with this namespace."""
    ours = [path.resolve() for path in (to.parent, cache, scratch)]
    at = next(p for p in map(Path, SETTLED) if p.is_dir() and not any(each.is_relative_to(p) for each in ours))
    tmpfs(at)
    return at


def _key_of(sources: tuple[apt.Source, ...]) -> str:
    return hashlib.sha256(apt.render_sources(sources).encode()).hexdigest()[:12]


def _first_words(variant: str, suite: str) -> tuple[str, ...]:
    """How mmdebstrap asks apt for the packages it unpacks first (run_download in 1.3.5 and 1.5.7)."""
    if variant == "apt":
        return ("dist-upgrade",)
    return ("install", f"?narrow(?or(?archive(^{suite}$),?codename(^{suite}$)),?architecture(amd64),?essential)")


def _known(fetcher: apt.Apt, wanted: Wanted, base: list[apt.Deb], plan: InstallPlan, log: Path) -> tuple[str, ...]:
    """What to ask for; names that no source has are dropped where the kickstart says --ignoremissing."""
    words = wanted.asked
    while plan.packages.ignore_missing:
        try:
            fetcher.would_install("install", *words, after=base, log_to=log)
            break
        except RecipeError as error:
            missing = re.findall(r"Unable to locate package (\S+)", error.why)
            fewer = tuple(word for word in words if word not in missing)
            if fewer == words:
                raise
            words = fewer
    return words


def _bootstrap(
    plan: InstallPlan,
    wanted: Wanted,
    names: tuple[str, ...],
    to: Path,
    fetcher: apt.Apt,
    root: Path,
    mmdebstrap: str,
    debs: Path,
    logs: Path,
    told: Told,
) -> None:
    """Run mmdebstrap where it finds indexes and packages in place, no network, and nothing of this machine but /usr."""
    program = find(mmdebstrap, why="install the packages")
    root.mkdir()
    files = [path.name for path in fetcher.archives.glob("*.deb")]
    cached = f"{TARGET}/var/cache/apt"
    machine = Machine(
        root=root,
        is_bare=True,
        views=("/", TARGET),
        mounts=(
            Volatile("/tmp"),
            Bind("/usr", "/usr"),
            *(Bind(path, path) for path in HOST_FILES if os.path.exists(path)),
            *((Bind(program, "/opt/mmdebstrap"),) if not program.startswith("/usr/") else ()),
            Bind(str(to), TARGET, writable=True),
            Bind(str(fetcher.lists), f"{TARGET}/var/lib/apt/lists", writable=True),
            Volatile(cached),
            Bind(str(debs), f"{cached}/debs"),
        ),
        links=(
            *((f"/{name}", f"usr/{name}") for name in MERGED if os.path.islink(f"/{name}")),
            *((f"{cached}/archives/{name}", f"../debs/{name}") for name in files),
        ),
        files=(("/etc/flight.list", apt.render_sources(fetcher.sources)),),
        environment={**ENVIRONMENT, **clock_of(plan)},
    )
    argv = [
        program if program.startswith("/usr/") else "/opt/mmdebstrap",
        "--mode=root",
        "--format=directory",
        "--verbose",
        f"--variant={wanted.variant}",
        "--architectures=amd64",
        "--skip=check/empty,update,cleanup/apt",
        f"--include={','.join(names)}",
        *(f"--aptopt={line}" for line in settings_of(plan)),
        *(f"--dpkgopt={line}" for line in render_dpkg_options(plan)),
        plan.release,
        TARGET,
        "/etc/flight.list",
    ]
    try:
        machine.run(argv, why="install the packages", log_to=logs / "packages.log", heard=_counting(len(files), told))
    except ProgramError as error:
        raise apt.explained(error) from None


def _counting(packages: int, told: Told) -> Callable[[str], None]:
    """Turns dpkg's words into progress: each package is unpacked once and set up once."""
    done = 0

    def heard(line: str) -> None:
        nonlocal done
        if line.startswith(("Unpacking ", "Setting up ")):
            done += 1
            told(Progress(min(done, 2 * packages), 2 * packages, "installing packages"))

    return heard


def tidy(tree: Path) -> None:
    """Take out what only the installation needed, and bring back what it mounted over."""
    for name in LEFTOVERS:
        remove(tree / name)
    apt_user = next((int(line.split(":")[2]) for line in _lines(tree / "etc/passwd") if line.startswith("_apt:")), 0)
    for name in ("var/lib/apt/lists", "var/cache/apt/archives"):
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name / "partial").mkdir(parents=True)
        (tree / name / "partial").chmod(0o700)
        os.chown(tree / name / "partial", apt_user, 0)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def installed(tree: Path) -> dict[str, str]:
    """Names and versions that dpkg holds for installed. Raises ProgramError for a package that is only half installed."""
    packages = {}
    for stanza in (tree / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", stanza, re.M))
        if not fields or fields["Status"].endswith(("not-installed", "config-files")):
            continue
        if fields["Status"] != "install ok installed":
            raise ProgramError(
                f"could not install the packages: {fields['Package']} is left '{fields['Status']}'",
                why="its scripts did not run to their end",
                fix="look into packages.log",
            )
        packages[fields["Package"]] = fields["Version"]
    return dict(sorted(packages.items()))


def check_installed(plan: InstallPlan, wanted: Wanted, packages: Mapping[str, str]) -> None:
    """Raise RecipeError where an excluded package came in nevertheless."""
    came = [name for name in wanted.excluded if name in packages]
    if came:
        raise RecipeError(
            f"{plan.packages.where}: excluded, and installed nevertheless: {', '.join(came)}",
            why="they belong to the essential packages of this release",
            fix="take them off the exclusions",
        )


def configuration(plan: InstallPlan, tree: Path) -> Iterator[TreeFile]:
    """Files of /etc that Debian spells in its own way. Raises RecipeError for what the installed packages cannot do."""
    yield text_file("/etc/default/locale", f"LANG={plan.language}\n")
    yield text_file("/etc/default/keyboard", render_keyboard(plan.keyboard))
    yield text_file("/etc/timezone", f"{plan.timezone}\n")
    yield text_file("/etc/default/grub", render_grub_defaults(plan))
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
        wanted = "yes" if network.ipv6 else "ipv4"
        text = f"[Match]\nName={network.device}\n\n[Network]\nDHCP={wanted}\n"
        yield text_file(f"/etc/systemd/network/80-{network.device}.network", text)


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


def make_bootable(plan: InstallPlan, machine: Machine, *, log_to: Path, told: Told) -> list[str]:
    """One initramfs for each kernel, then the boot menu, by the guest's own programs; the kernels' releases."""
    kernels = sorted(path.name.removeprefix("vmlinuz-") for path in (machine.root / "boot").glob("vmlinuz-*"))
    if not kernels:
        raise RecipeError(
            f"{plan.packages.where}: there is no kernel among the packages",
            fix="add linux-image-cloud-amd64 to %packages",
        )
    for place, release in enumerate(kernels):
        told(Progress(place, len(kernels), "making the initramfs"))
        remove(machine.root / "boot" / f"initrd.img-{release}")
        machine.run(["update-initramfs", "-c", "-k", release], why="make the initramfs", log_to=log_to)
    machine.run(["update-grub"], why="write the boot menu", log_to=log_to, fix="add grub2-common to %packages")
    return kernels


def tidy_system(root: Path) -> None:
    """Take out what belongs to this build or to one machine only. Called with the tree for /."""
    for pattern in TRACES:
        for path in root.glob(pattern):
            remove(path)
    for path in (root / "var/log").rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "README":
            os.truncate(path, 0)
