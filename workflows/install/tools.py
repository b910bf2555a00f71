"""A machine for this host's own programs, beside a tree that scripts of packages run in: of the host it sees /usr.

Neither keys nor names of this machine are among the few files of /etc that mmdebstrap, apt, dpkg, dnf and rpm read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flight.workflows.install.inside import tmpfs
from flight.workflows.install.isolation import Bind, Machine, Volatile

TARGET = "/target"
"""Where the tree is seen."""
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
SETTLED = ("/media", "/srv", "/mnt", "/opt")
"""Folders that a Linux machine has; one of them, seen by nobody else, holds logins and keys in memory."""
MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


def host_machine(
    root: Path,
    tree: Path,
    *,
    mounts: tuple[Bind | Volatile, ...] = (),
    links: tuple[tuple[str, str], ...] = (),
    views: tuple[str, ...] = ("/", TARGET),
    **other: Any,
) -> Machine:
    """The machine; `root` is an empty folder for it, `tree` is seen at `TARGET` and can be written. The rest is as in Machine."""
    seen = (Bind(path, path) for path in HOST_FILES if os.path.exists(path))
    merged = ((f"/{name}", f"usr/{name}") for name in MERGED if os.path.islink(f"/{name}"))
    return Machine(
        root=root,
        is_bare=True,
        views=views,
        mounts=(Volatile("/tmp"), Bind("/usr", "/usr"), *seen, Bind(str(tree), TARGET, writable=True), *mounts),
        links=(*merged, *links),
        **other,
    )


def private_folder(*ours: Path) -> Path:
    """A folder in memory that nobody else sees and that ends with this namespace; none of `ours` lies below it."""
    places = [path.resolve() for path in ours]
    at = next(p for p in map(Path, SETTLED) if p.is_dir() and not any(each.is_relative_to(p) for each in places))
    tmpfs(at)
    return at
