"""The first process of a namespace: makes the machine, gives up its powers, runs one program. Started by `isolation`.

A module of its own since it is run as a program: `python -m flight.workflows.install.inside machine|enclosed`, with its
order pickled on stdin.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from flight.workflows.install.isolation import (
    BIND,
    NODEV,
    NOEXEC,
    NOSUID,
    RDONLY,
    REC,
    Bind,
    Machine,
    Volatile,
    bind,
    mount,
    tmpfs,
)
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.progress import Progress

KEPT_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 10, 18, 29, 31)
"""chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service, sys_chroot, audit_write, setfcap.

What dpkg, useradd and setcap need. dac_read_search is not among them: it opens files by handle, outside of any root.
"""
LAST_CAPABILITY = 63
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""Bound from the host: mknod is refused in many containers."""
SYNCING_CALLS = (26, 74, 75, 162, 277, 306)
"""msync, fsync, fdatasync, sync, sync_file_range, syncfs on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).

A tree that is not finished is thrown away after a crash, and a finished one is synced as a whole: until then each
sync costs time and buys nothing.
"""
HOSTNAME = b"localhost"

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET, _MNT_DETACH = 0x04000000, 0x08000000, 0x40000000, 2
_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 23, 24, 22, 2
_SYS_PIVOT_ROOT, _AUDIT_ARCH_X86_64 = 155, 0xC000003E


def _enter(machine: Machine) -> None:
    """Make this process, the first of a new mount and pid namespace, a part of the machine."""
    flags = _CLONE_NEWUTS | _CLONE_NEWIPC | (0 if machine.network else _CLONE_NEWNET)
    _checked(_LIBC.unshare(flags), "unshare")
    _checked(_LIBC.sethostname(HOSTNAME, len(HOSTNAME)), "sethostname")
    root = machine.root
    if machine.is_bare:
        tmpfs(root)
    else:
        mount(str(root), root, flags=BIND | REC)
    for each in machine.mounts:
        _attach(each, _below(root, each.at))
    for view in machine.views:
        _equip(_below(root, view), machine.devices)
    for link, to in machine.links:
        _below(root, link).parent.mkdir(parents=True, exist_ok=True)
        _below(root, link).symlink_to(to)
    for path, text in machine.files:
        _below(root, path).parent.mkdir(parents=True, exist_ok=True)
        _below(root, path).write_text(text)
        _below(root, path).chmod(0o755)
    _become_root(root)


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _attach(each: Bind | Volatile, at: Path) -> None:
    """Mount it, making what it is mounted over where that is missing."""
    at.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(each, Volatile):
        at.mkdir(exist_ok=True)
        tmpfs(at, mode=0o1777 if at.name == "tmp" else 0o755)
        return
    if not os.path.lexists(at):
        at.mkdir() if Path(each.source).is_dir() else at.touch()
    bind(each.source, at, writable=each.writable)


def _equip(root: Path, devices: Sequence[str]) -> None:
    """/dev, /proc and /sys of a root."""
    for name in ("dev", "proc", "sys"):
        (root / name).mkdir(exist_ok=True)
    mount("proc", root / "proc", "proc", flags=RDONLY | NOSUID | NODEV | NOEXEC)
    mount("sysfs", root / "sys", "sysfs", flags=RDONLY | NOSUID | NODEV | NOEXEC)
    dev = root / "dev"
    mount("tmpfs", dev, "tmpfs", flags=NOSUID, options="mode=755")
    for name in DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", dev / name, flags=BIND)
    (dev / "pts").mkdir()
    mount("devpts", dev / "pts", "devpts", flags=NOSUID | NOEXEC, options="newinstance,ptmxmode=0666,mode=0620")
    (dev / "shm").mkdir(mode=0o1777)
    for path in devices:
        _below(dev, path).parent.mkdir(parents=True, exist_ok=True)
        _below(dev, path).touch()


def _become_root(root: Path) -> None:
    """Let `root` be / and nothing of the old one be reachable (pivot_root(2), "pivot_root(".", ".")")."""
    os.chdir(root)
    _checked(_LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    _checked(_LIBC.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def _lose_capabilities() -> None:
    """Shrink the bounding set, and what this process holds, to `KEPT_CAPABILITIES`."""
    for number in range(LAST_CAPABILITY + 1):
        if number not in KEPT_CAPABILITIES and _LIBC.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            _checked(_LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")
    kept = sum(1 << number for number in KEPT_CAPABILITIES)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _checked(_LIBC.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)), "capset")


def _ignore_syncs() -> None:
    """Let the `SYNCING_CALLS` succeed without doing anything, for this process and all its children."""
    load_arch, load_number = (0x20, 0, 0, 4), (0x20, 0, 0, 0)
    allow, pretend = (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000)
    many = len(SYNCING_CALLS)
    compare = [(0x15, many - place, 0, number) for place, number in enumerate(SYNCING_CALLS)]
    program = [load_arch, (0x15, 0, many + 1, _AUDIT_ARCH_X86_64), load_number, *compare, allow, pretend]
    raw = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    pointed = struct.pack("@HP", len(program), ctypes.addressof(raw))
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, pointed, 0, 0), "seccomp")


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _serve_machine(machine: Machine, argv: Sequence[str], variables: Mapping[str, str]) -> NoReturn:
    """Be the machine's first process: start the program, bury the orphans, end with the program's own code."""
    _enter(machine)
    _ignore_syncs()
    _lose_capabilities()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        try:
            os.execvpe(argv[0], list(argv), dict(variables))
        except OSError as error:
            print(f"{argv[0]}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(127)
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _serve_enclosed(work: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> NoReturn:
    def told(progress: Progress) -> None:
        print("progress", json.dumps(vars(progress)), sep="\t", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    try:
        answer = (True, work(*args, told=told, **named))
    except FlightError as error:
        answer = (False, error)
    print("answer", base64.b64encode(pickle.dumps(answer)).decode(), sep="\t", flush=True)
    os._exit(0)


if __name__ == "__main__":
    order = pickle.loads(sys.stdin.buffer.read())
    if sys.argv[1] == "machine":
        _serve_machine(*order)
    _serve_enclosed(*order)
