"""mmdebstrap, offline and shut in: indexes and packages are in place, and of this machine it sees /usr."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.install.debian import apt
from flight.workflows.install.debian.sources import Wanted, render_sources
from flight.workflows.install.isolation import Bind, Machine, Volatile
from flight.workflows.install.times import clock_of
from flight.workflows.install.tools import TARGET, host_machine
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress, Told
from flight.workflows.kit.run import find

SOURCES, ELSEWHERE = "/etc/flight.list", "/opt/mmdebstrap"
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "INITRD": "No",  # the kernel's hook heeds it: one initramfs is made later, of the finished system
    "TAR_OPTIONS": "--anchored --exclude=./proc --exclude=./sys --exclude=./dev",  # they are mounted already
}
LEFTOVERS = (
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
)
"""What mmdebstrap leaves in a tree that a machine's own installation would not hold."""


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


@dataclass(frozen=True)
class Bootstrap:
    """One run of mmdebstrap: `fetched` brought what it needs, `debs` is where the cached package files lie."""

    plan: InstallPlan
    wanted: Wanted
    fetched: apt.Apt
    debs: Path
    epoch: int
    mmdebstrap: str

    def run(self, to: Path, *, root: Path, log_to: Path, told: Told) -> None:
        """Install the packages into the empty folder `to`. `root` is an empty folder for the machine it runs in."""
        argv = [self._program, *render_arguments(self.plan, self.wanted)]
        packages = len(self._files)
        machine = self._machine(to, root)
        why, fix = "install the packages", "look which package's script failed, and above that why"
        machine.run(argv, why=why, fix=fix, log_to=log_to, heard=_counting(packages, told))

    @property
    def _program(self) -> str:
        found = find(self.mmdebstrap, why="install the packages")
        return found if found.startswith("/usr/") else ELSEWHERE

    @property
    def _files(self) -> list[str]:
        return sorted(path.name for path in self.fetched.archives.glob("*.deb"))

    def _machine(self, to: Path, root: Path) -> Machine:
        cached = f"{TARGET}/var/cache/apt"
        own = (Bind(find(self.mmdebstrap, why=""), ELSEWHERE),) if self._program == ELSEWHERE else ()
        return host_machine(
            root,
            to,
            mounts=(
                *own,
                Bind(str(self.fetched.lists), f"{TARGET}/var/lib/apt/lists", writable=True),
                Volatile(cached),
                Bind(str(self.debs), f"{cached}/debs"),
            ),
            links=tuple((f"{cached}/archives/{name}", f"../debs/{name}") for name in self._files),
            files=((SOURCES, render_sources(self.fetched.sources)),),
            makes_links_itself=(TARGET,),
            environment={**ENVIRONMENT, **clock_of(self.epoch)},
        )


def render_arguments(plan: InstallPlan, wanted: Wanted) -> list[str]:
    """mmdebstrap's command line. The namespace holds no secret, and neither does this."""
    return [
        "--mode=root",
        "--format=directory",
        "--verbose",
        f"--variant={wanted.variant}",
        "--architectures=amd64",
        "--skip=check/empty,update,cleanup/apt",
        f"--include={','.join(wanted.asked)}",
        *(f"--aptopt={line}" for line in settings_of(plan)),
        *(f"--dpkgopt={line}" for line in render_dpkg_options(plan)),
        plan.release,
        TARGET,
        SOURCES,
    ]


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
    for pattern in LEFTOVERS:
        for path in tree.glob(pattern):
            remove(path)
    apt_user = next((int(line.split(":")[2]) for line in _lines(tree / "etc/passwd") if line.startswith("_apt:")), 0)
    for name in ("var/lib/apt/lists", "var/cache/apt/archives"):
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name / "partial").mkdir(parents=True)
        (tree / name / "partial").chmod(0o700)
        os.chown(tree / name / "partial", apt_user, 0)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def installed(tree: Path) -> dict[str, str]:
    """Names and versions of what dpkg holds for installed. Raises ProgramError for what is only half installed."""
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
