"""The way to libvirt: a daemon where one runs, else its QEMU driver inside our own worker process.

The embedded driver allows one process a root, and a process one root in its life: every guest gets a worker process of
its own, contained in a pid and mount namespace, so that guest, root and mounts go when the worker goes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.run import run

if TYPE_CHECKING:
    import libvirt

EMBED_ROOT: Final = Path("/run/flight/embed")
"""Short, for a unix socket's path may have 107 bytes only; each worker mounts a tmpfs of its own over it."""
EMBED: Final = f"qemu:///embed?root={EMBED_ROOT}"
DAEMON_SOCKETS: Final = (Path("/run/libvirt/virtqemud-sock"), Path("/run/libvirt/libvirt-sock"))
QEMU_CONF: Final = """\
stdio_handler = "file"
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
"""
"""There is no virtlogd, and the namespaces are those of the worker."""


def plan_uri(configured: str, *, is_root: bool, has_daemon: bool) -> str:
    """The URI to open: as configured; else root's daemon where one answers, or the embedded driver; a user's own."""
    if configured.startswith("qemu:///embed"):
        return EMBED
    if configured:
        return configured
    if not is_root:
        return "qemu:///session"
    return "qemu:///system" if has_daemon else EMBED


def choose_uri(configured: str) -> str:
    """`plan_uri` for this host and user."""
    return plan_uri(configured, is_root=os.geteuid() == 0, has_daemon=any(_answers(path) for path in DAEMON_SOCKETS))


def is_embedded(uri: str) -> bool:
    return uri.startswith("qemu:///embed")


@contextlib.contextmanager
def connected(uri: str) -> Iterator[libvirt.virConnect]:
    """A connection with its event loop; for the embedded driver, in a root that is ours alone. In a worker only."""
    import libvirt

    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints what is raised as well
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, daemon=True).start()
    if is_embedded(uri):
        _make_root()
        threading.Thread(target=_reap_guests, daemon=True).start()
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise ProgramError(
            f"could not open {uri}",
            why=str(error),
            fix="set [libvirt] uri in luigi.cfg, or install libvirt-daemon-system",
        ) from error
    try:
        yield connection
    finally:
        with contextlib.suppress(libvirt.libvirtError):
            connection.close()


def _run_events() -> None:
    import libvirt

    while True:
        libvirt.virEventRunDefaultImpl()


def _make_root() -> None:
    EMBED_ROOT.mkdir(parents=True, exist_ok=True)
    run(
        ["mount", "-t", "tmpfs", "-o", "mode=0700,size=64m", "flight", EMBED_ROOT],
        why="make a place for libvirt's state",
    )
    (EMBED_ROOT / "etc").mkdir()
    (EMBED_ROOT / "etc" / "qemu.conf").write_text(QEMU_CONF)


def _reap_guests() -> None:
    """Wait for daemonised QEMUs: we are pid 1 of our namespace, and libvirt waits 80 s for a zombie to go."""
    while True:
        for pid in orphans_ended():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def orphans_ended() -> Iterator[int]:
    """Zombies among our children that nobody else waits for: they live in a session that another process began.

    To daemonise, libvirt's child begins a session and ends at once, its child is the QEMU. The first of the two libvirt
    waits for itself, and fails ("No child processes") where we were faster.
    """
    ours = os.getsid(0)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid = int(path.parent.name)
            state, parent, _group, session = path.read_text().rpartition(")")[2].split()[:4]
            if state == "Z" and int(parent) == os.getpid() and int(session) not in (ours, pid):
                yield pid


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
