"""The second phase: dnf installs what was fetched, offline and shut in, and the result is compared with the plan.

Of this machine it sees /usr, and no login. rpm runs the packages' scripts in the tree; the machine around both holds
nothing that a script could change but what is thrown away.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flight.workflows.install.el import trouble
from flight.workflows.install.el.dnf import Dnf, Planned, arguments, write_settings
from flight.workflows.install.el.sources import RELEASES, major
from flight.workflows.install.isolation import Bind, Machine, Volatile
from flight.workflows.install.times import clock_of
from flight.workflows.install.tools import TARGET, host_machine
from flight.workflows.kickstart.plan import InstallPlan
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress, Told

SETTINGS, INDEXES = "/etc/flight", "/var/cache/flight"
STEP = re.compile(r"\s+(Installing|Running scriptlet|Verifying)\s*: .*?(\d+)/(\d+)\s*$")
MOST_LINES = 100_000
"""Of dnf's words, kept in memory; a script of a package may say as much as it likes."""
LIST = r"%{NAME}\t%{EVR}.%{ARCH}\n"
EXPORT = "/var/tmp/flight-rpmdb"


@dataclass(frozen=True)
class Transaction:
    """One installation: `fetched` holds the indexes, `packages` is the folder with the package files."""

    plan: InstallPlan
    fetched: Dnf
    planned: Planned
    packages: Path
    epoch: int

    def run(self, to: Path, *, root: Path, log_to: Path, told: Told) -> None:
        """Install into the folder `to`. `root` is an empty folder for the machine it runs in. Raises as `trouble` says."""
        machine = self._machine(to, root)
        argv = arguments(self.plan, settings=Path(SETTINGS), root=Path(TARGET), cache=Path(INDEXES))
        lines: collections.deque[str] = collections.deque(maxlen=MOST_LINES)
        heard = _both(lines.append, _counting(told))
        try:
            machine.run(
                [*argv, "--cacheonly", *self.planned.words], why="install the packages", log_to=log_to, heard=heard
            )
        except ProgramError as error:
            raise trouble.explained(error, "\n".join(lines), self.plan, self.fetched.sources) from None
        trouble.check_words(list(lines))
        trouble.compare(self.planned.packages, self._installed(machine))
        if RELEASES[major(self.plan)].backend == "bdb":
            self._hand_over(machine, to, log_to=log_to)

    def _machine(self, to: Path, root: Path) -> Machine:
        settings = self.fetched.scratch / "settings"
        write_settings(self.plan, self.fetched.sources, settings, seen_at=Path(SETTINGS), login=False)
        kept = [path.name for path in sorted(self.fetched.indexes.iterdir()) if (path / "repodata").is_dir()]
        local = [source.folder for source in self.fetched.sources if source.folder]
        return host_machine(
            root,
            to,
            mounts=(
                Volatile("/var/log"),
                Bind(str(settings), SETTINGS),
                Bind(str(self.fetched.indexes), INDEXES, writable=True),
                *(Bind(str(self.packages), f"{INDEXES}/{name}/packages") for name in kept),
                *(Bind(folder, folder) for folder in local),
            ),
            environment={"HOME": f"{SETTINGS}/home", **clock_of(self.epoch)},
        )

    def _installed(self, machine: Machine) -> dict[str, tuple[str, ...]]:
        """What rpm has on its list, but for the keys. Asked by the host's own rpm: the tree may hold none."""
        argv = ["rpm", "--root", TARGET, "-qa", "--qf", LIST]
        return installed_in(machine.run(argv, why="read the list of installed packages").out)

    def _hand_over(self, machine: Machine, to: Path, *, log_to: Path) -> None:
        """Give the list to the release's own rpm, whose format no newer rpm can write."""
        path = RELEASES[major(self.plan)].path
        export = f"rpmdb --root {TARGET} --exportdb > {TARGET}{EXPORT} && rm -rf {TARGET}{path}/*"
        machine.run(["sh", "-c", export], why="hand over the list of packages", log_to=log_to)
        importing = f"rpmdb --importdb < {EXPORT} && rm {EXPORT}"
        Machine(root=to).run(["sh", "-c", importing], why="take over the list of packages", log_to=log_to)


def installed_in(listed: str) -> dict[str, tuple[str, ...]]:
    """Versions by package, as `Planned` has them; an epoch of 0 is none."""
    packages: dict[str, tuple[str, ...]] = {}
    for line in listed.splitlines():
        name, _, version = line.partition("\t")
        if name != "gpg-pubkey":
            packages[name] = (*packages.get(name, ()), version.removeprefix("0:"))
    return packages


def _counting(told: Told) -> Callable[[str], None]:
    """Turns dnf's words into progress."""

    def heard(line: str) -> None:
        if found := STEP.match(line):
            what = "checking packages" if found[1] == "Verifying" else "installing packages"
            told(Progress(int(found[2]), int(found[3]), what))

    return heard


def _both(*hearers: Callable[[str], object]) -> Callable[[str], None]:
    def heard(line: str) -> None:
        for each in hearers:
            each(line)

    return heard


def versions(planned: Planned) -> dict[str, str]:
    """For the facts: each package's version, or versions."""
    return {name: ", ".join(each) for name, each in sorted(planned.packages.items())}
