"""What is installed, and whose a path is: from dpkg's own files, or from a copied RPM database by this host's rpm.

    read_dpkg, read_dpkg_lists   from texts below /var/lib/dpkg
    query_rpm                    runs rpm, without powers, over a copy; parse_rpm and parse_rpm_owners read its words

Source: deb-status(5) fields in deb-control(5), dpkg-query's triplet of states; rpm's queryformat(7).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flight.workflows.kit.run import find, run

INSTALLED: Final = ("installed", "triggers-awaited", "triggers-pending")
"""dpkg's states in which a package works."""
MERGED: Final = re.compile(r"/(?:usr/)?((?:bin|sbin|lib|lib32|lib64|libx32|libo32)/.+)")
"""Where /bin and its like are links into /usr: one file, two names."""
MOST_PACKAGES: Final = 100_000
MOST_PATHS: Final = 2_000_000
MOST_DATABASE_BYTES: Final = 1 << 30
RPM_DATABASES: Final = {"rpmdb.sqlite": "sqlite", "Packages.db": "ndb", "Packages": "bdb_ro"}
"""The database's main file, and what rpm calls the backend: EL 9 on, SUSE, EL 8 and older."""
RPM_PACKAGE: Final = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{BUILDTIME}\n"
RPM_OWNER: Final = r"[%{FILENAMES}\t%{=NAME}\n]"
RPM_TIMEOUT_S: Final = 60.0
RPM_MEMORY_BYTES: Final = 2 << 30
RPM_FIX: Final = "see that the disk's own `rpm -qa` works; where it does, a newer rpm on this host may read it"
NOBODY: Final = 65534
"""The user and group that own nothing (nobody, nogroup)."""


@dataclass(frozen=True)
class Package:
    """`version` as the package's system writes it, epoch and release included; `state` in dpkg's word.

    `source` and `source_version` name what it was built from. `built` in seconds since 1970; 0: not known.
    """

    name: str
    version: str
    architecture: str = ""
    source: str = ""
    source_version: str = ""
    state: str = "installed"
    built: int = 0

    @property
    def is_installed(self) -> bool:
        return self.state in INSTALLED


def read_dpkg(status: str) -> tuple[Package, ...]:
    """The packages of /var/lib/dpkg/status, those that were removed too. Raises ValueError where it is no such file."""
    packages = []
    for fields in _paragraphs(status):
        package = _dpkg_package(fields)
        if package.is_installed and not package.version:
            raise ValueError(f"it names {_short(package.name)} without a version")
        packages.append(package)
        if len(packages) > MOST_PACKAGES:
            raise ValueError(f"it names more than {MOST_PACKAGES} packages")
    return tuple(packages)


def read_dpkg_lists(lists: Mapping[str, str], diversions: str = "") -> dict[str, str]:
    """Whose a path is, from /var/lib/dpkg/info/NAME.list by NAME (or NAME:ARCHITECTURE), and dpkg's diversions.

    Of a folder that several packages have, the first in order is the owner.
    """
    moved = _read_diversions(diversions)
    owners: dict[str, str] = {}
    for name in sorted(lists):
        package = name.partition(":")[0]
        for path in lists[name].split("\n"):
            if not path.startswith("/") or path == "/.":
                continue
            place, diverter = moved.get(path, (path, package))
            owners.setdefault(path if diverter == package else place, package)
        if len(owners) > MOST_PATHS:
            raise ValueError(f"the packages own more than {MOST_PATHS} paths")
    return owners


def owner_of(path: str, owners: Mapping[str, str]) -> str | None:
    """The package that owns an absolute path, by either name that a file in a merged /usr has."""
    if path in owners:
        return owners[path]
    match = MERGED.fullmatch(path)
    if not match:
        return None
    return owners.get(f"/{match[1]}" if path.startswith("/usr/") else f"/usr/{match[1]}")


def query_rpm(database: Path, *, log_to: Path | None) -> tuple[tuple[Package, ...], dict[str, str]]:
    """The packages, and whose a path is, of a folder that was copied from /var/lib/rpm (or /usr/lib/sysimage/rpm).

    rpm reads another copy, as nobody where we are root: its parsers meet what strangers wrote.
    Raises ProgramError where rpm fails, ValueError where what it says is not believable.
    """
    rpm = find("rpm", why="read the disk's RPM database")
    main = next((name for name in RPM_DATABASES if stat.S_ISREG(_mode(database / name))), None)
    if main is None:
        raise ValueError("there is no RPM database that flight knows")
    with tempfile.TemporaryDirectory(prefix="flight-rpm-") as folder:
        room = Path(folder)
        _copy(database, main, room)
        place = ["--dbpath", folder, "--define", f"_db_backend {RPM_DATABASES[main]}"]
        asked = [rpm, *place, "--nosignature", "-qa", "--qf"]
        packages = parse_rpm(_ask([*asked, RPM_PACKAGE], room, log_to, is_strict=True))
        owners = parse_rpm_owners(_ask([*asked, RPM_OWNER], room, log_to))
    if not packages:
        raise ValueError(f"this host's rpm finds no package in {main}")
    return packages, owners


def parse_rpm(text: str) -> tuple[Package, ...]:
    """The packages in rpm's answer to RPM_PACKAGE. Raises ValueError where a row is not one of them."""
    rows = _rows(text, columns=7, most=MOST_PACKAGES)
    return tuple(sorted((_rpm_package(*row) for row in rows), key=lambda package: (package.name, package.version)))


def parse_rpm_owners(text: str) -> dict[str, str]:
    """The owners in rpm's answer to RPM_OWNER. Raises ValueError where a row is not one of them."""
    owners: dict[str, str] = {}
    for path, name in _rows(text, columns=2, most=MOST_PATHS):
        owners.setdefault(path, name)
    return owners


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Paragraphs of `Name: value` lines; of a value of several lines only the first is kept. Names in lower case."""
    fields: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] not in " \t":
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise ValueError(f"its line {number} is no field: {_short(line)}")
            fields[name.lower()] = value.strip()
    if fields:
        yield fields


def _dpkg_package(fields: Mapping[str, str]) -> Package:
    name, version = fields.get("package", ""), fields.get("version", "")
    if not name:
        raise ValueError("it has a paragraph that names no package")
    state = fields.get("status", "").split()
    if len(state) != 3:
        raise ValueError(f"it gives {_short(name)} no state")
    source, _, source_version = fields.get("source", name).partition(" ")
    return Package(
        name=name,
        version=version,
        architecture=fields.get("architecture", ""),
        source=source,
        source_version=source_version.strip(" ()") or version,
        state=state[2],
    )


def _read_diversions(text: str) -> dict[str, tuple[str, str]]:
    """By diverted path: where the others' file lies instead, and who diverts it (":" is the administrator)."""
    lines = text.rstrip("\n").split("\n") if text else []
    if len(lines) % 3:
        raise ValueError("dpkg's diversions are not three lines each")
    return {lines[at]: (lines[at + 1], lines[at + 2].partition(":")[0]) for at in range(0, len(lines), 3)}


def _rpm_package(
    name: str, epoch: str, version: str, release: str, architecture: str, source_rpm: str, built: str
) -> Package:
    if not (epoch.isdecimal() and built.isdecimal()):
        raise ValueError(f"rpm gives {_short(name)} an epoch or a time that is no number")
    before = f"{int(epoch[:20])}:" if epoch.strip("0") else ""
    source = re.fullmatch(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm", source_rpm)
    return Package(
        name=name,
        version=f"{before}{version}-{release}",
        architecture="" if architecture == "(none)" else architecture,
        source=source[1] if source else "",
        source_version=before + source[2] if source else "",
        built=int(built[:20]),
    )


def _rows(text: str, *, columns: int, most: int) -> Iterator[list[str]]:
    for number, line in enumerate(filter(None, text.split("\n")), 1):
        row = line.split("\t")
        if len(row) != columns or not all(row):
            raise ValueError(f"rpm's answer has a row that is none: {_short(line)}")
        if number > most:
            raise ValueError(f"rpm's answer has more than {most} rows")
        yield row


def _copy(database: Path, main: str, to: Path) -> None:
    """The database's files that are needed, and nothing that is a link; SQLite's log holds what was written last."""
    wanted = [database / name for name in (main, f"{main}-wal") if stat.S_ISREG(_mode(database / name))]
    if sum(path.stat().st_size for path in wanted) > MOST_DATABASE_BYTES:
        raise ValueError(f"the RPM database is larger than {MOST_DATABASE_BYTES >> 20} MiB")
    for path in wanted:
        shutil.copyfile(path, to / path.name)
    if os.geteuid() == 0:
        for path in (to, *to.iterdir()):
            os.chown(path, NOBODY, NOBODY)


def _mode(path: Path) -> int:
    """0 where there is nothing."""
    return path.lstat().st_mode if os.path.lexists(path) else 0


def _ask(argv: list[str], room: Path, log_to: Path | None, *, is_strict: bool = False) -> str:
    """What rpm answers. It leaves out a package that it cannot read, and ends well: where strict, that is a ValueError."""
    complaints: deque[str] = deque(maxlen=1)

    def heard(line: str) -> None:
        if line.startswith("error:"):
            complaints.append(line)

    # A change of the user takes back what kit.run asked the kernel for: to end rpm when we die.
    nobody = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    powerless = ["setpriv", *nobody, "--no-new-privs", "--inh-caps=-all", "--pdeathsig", "KILL", "--"]
    bounded = ["prlimit", f"--as={RPM_MEMORY_BYTES}", "--core=0", "--"]
    ran = run(
        [*powerless, *bounded, *argv],
        why="read the disk's RPM database",
        log_to=log_to,
        timeout_s=RPM_TIMEOUT_S,
        fix=RPM_FIX,
        cwd=Path("/"),
        env={"HOME": str(room), "TMPDIR": str(room)},
        heard=heard if is_strict else None,  # it costs as much as all the rest
        shown=argv,
    )
    if complaints:
        raise ValueError(f"rpm cannot read all of the database: {_short(complaints[0])}")
    return ran.out


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}…")
