"""The first process of a machine: makes it, gives up its powers, runs one program, ends with that one's exit code.

Run as a program by its path, its order as JSON on stdin, in a mount and pid namespace of its own. It imports nothing
but the standard library, so that it starts in 30 ms: a build starts some thirty of them. The mounts at its top are
also of use outside of a machine.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

KEPT_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 10, 18, 29, 31)
"""chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service, sys_chroot, audit_write, setfcap.

What dpkg, useradd and setcap need. dac_read_search is not among them: it opens files by handle, outside of any root.
"""
LAST_CAPABILITY = 63
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
"""Bound from the host: mknod is refused in many containers."""
LINKED_DEVICES = (
    ("fd", "/proc/self/fd"),
    *((name, f"/proc/self/fd/{n}") for n, name in enumerate(("stdin", "stdout", "stderr"))),
)
"""A shell's <(...) is a name below /dev/fd."""
SYNCING_CALLS = (26, 74, 75, 162, 277, 306)
"""msync, fsync, fdatasync, sync, sync_file_range, syncfs on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).

A tree that is not finished is thrown away after a crash, and a finished one is synced as a whole: until then each
sync costs time and buys nothing.
"""
HOSTNAME = b"localhost"
SLIRP = ("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback")
NAME_SERVER = "10.0.2.3"
"""Where slirp4netns answers for the host's name servers."""
OUT_OF_BOUNDS = ("169.254.0.0/16", "168.63.129.16/32")
"""Link-local addresses, and Azure's wireserver."""
MOST_LINKS = 40
"""As many as the kernel follows."""
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC = 1, 2, 4, 8, 32, 4096, 16384

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x40000000
_MNT_DETACH = 2
_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 23, 24, 22, 2
_SYS_PIVOT_ROOT, _AUDIT_ARCH_X86_64 = 155, 0xC000003E


def mount(source: str, at: str | Path, fstype: str = "", *, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    words = [word.encode() or None for word in (source, str(at), fstype)]
    if _LIBC.mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(at))


def bind(source: str | Path, at: str | Path, *, writable: bool = False) -> None:
    """Let `at` show `source`; the kernel takes read-only only in a second step."""
    mount(str(source), at, flags=BIND)
    if not writable:
        mount("", at, flags=BIND | REMOUNT | RDONLY | NOSUID)


def overlay(lower: Path, upper: Path, work: Path, at: Path) -> bool:
    """Let `at` show `lower` with all changes going to `upper`; False where this filesystem cannot carry an overlay."""
    if any(char in f"{lower}{upper}{work}" for char in ",:\\"):
        return False  # they separate the options
    try:
        mount("overlay", at, "overlay", options=f"lowerdir={lower},upperdir={upper},workdir={work}")
    except OSError:
        return False
    return True


def tmpfs(at: str | Path, *, mode: int = 0o755) -> None:
    """An empty folder in memory."""
    mount("tmpfs", at, "tmpfs", flags=NOSUID | NODEV, options=f"mode={mode:o}")


def enter(machine: Mapping[str, Any]) -> None:
    """Make this process, the first of a new mount and pid namespace, a part of the machine (`isolation.Machine`)."""
    connect = prepare_way_out() if machine["network"] else None
    _checked(_LIBC.unshare(_CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET), "unshare")
    if connect:
        connect()
    _checked(_LIBC.sethostname(HOSTNAME, len(HOSTNAME)), "sethostname")
    root = Path(machine["root"])
    if machine["is_bare"]:
        tmpfs(root)
    else:
        mount(str(root), root, flags=BIND | REC)
    for each in machine["mounts"]:
        _attach(each, below(root, each["at"]))
    for view in machine["views"]:
        _equip(below(root, view), machine["devices"], linked=view not in machine["makes_links_itself"])
    for link, to in machine["links"]:
        below(root, link).parent.mkdir(parents=True, exist_ok=True)
        below(root, link).symlink_to(to)
    for path, text in machine["files"]:
        below(root, path).parent.mkdir(parents=True, exist_ok=True)
        below(root, path).write_text(text)
        below(root, path).chmod(0o755)
    _become_root(root)


def prepare_way_out() -> Callable[[], None]:
    """Fork slirp4netns while this process is still in the host's network; the result is called once it no longer is.

    Then this network namespace reaches out through it, but neither the host's loopback nor `OUT_OF_BOUNDS`: there a cloud
    answers with the build machine's own identity. Raises OSError.
    """
    (go, tell), (ready, told), us = os.pipe(), os.pipe(), os.getpid()
    if os.fork() == 0:
        os.read(go, 1)
        _LIBC.unshare(_CLONE_NEWNS)  # so that it keeps the host's files when / becomes another
        os.set_inheritable(told, True)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        argv = [*SLIRP, f"--ready-fd={told}", "--netns-type=path", f"/proc/{us}/ns/net", "tap0"]
        try:
            os.execvp(argv[0], argv)
        finally:
            os._exit(127)
    os.close(told)

    def connect() -> None:
        os.write(tell, b"1")
        if not os.read(ready, 1):
            raise OSError(0, "slirp4netns, which gives a script the network, did not start")
        for network in OUT_OF_BOUNDS:
            if os.spawnlp(os.P_WAIT, "ip", "ip", "route", "add", "unreachable", network) != 0:
                raise OSError(0, f"could not close the way to {network}")

    return connect


def below(root: Path, path: str) -> Path:
    """Where `path` leads for a program whose / is `root`: no link, absolute or with "..", leads out of it.

    Every way into a tree that a foreign script has had its hands on goes through here, or through a chroot. Nothing is
    asked to be there; nobody else may be changing the tree. Raises OSError (ELOOP) for links without end.
    """
    rest, at, followed = [part for part in path.split("/") if part], root, 0
    while rest:
        part = rest.pop(0)
        if part in (".", ".."):
            at = at.parent if part == ".." and at != root else at
            continue
        if not os.path.islink(at / part):
            at = at / part
            continue
        followed += 1
        if followed > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        to = os.readlink(at / part)
        at = root if to.startswith("/") else at
        rest = [*filter(None, to.split("/")), *rest]
    return at


def _attach(each: Mapping[str, Any], at: Path) -> None:
    """Mount a Bind or a Volatile (which has no source), making what it is mounted over where that is missing."""
    at.parent.mkdir(parents=True, exist_ok=True)
    if "source" not in each:
        at.mkdir(exist_ok=True)
        tmpfs(at, mode=0o1777 if each["at"] == "/tmp" else 0o755)
        return
    if not os.path.lexists(at):
        at.mkdir() if Path(each["source"]).is_dir() else at.touch()
    bind(each["source"], at, writable=each["writable"])


def _equip(root: Path, devices: Sequence[str], *, linked: bool) -> None:
    """/dev, /proc and /sys of a root."""
    dev, proc, sys_ = (below(root, name) for name in ("dev", "proc", "sys"))
    for folder in (dev, proc, sys_):
        folder.mkdir(exist_ok=True)
    mount("proc", proc, "proc", flags=RDONLY | NOSUID | NODEV | NOEXEC)
    mount("sysfs", sys_, "sysfs", flags=RDONLY | NOSUID | NODEV | NOEXEC)
    mount("tmpfs", dev, "tmpfs", flags=NOSUID, options="mode=755")
    for name in DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", dev / name, flags=BIND)
    if linked:
        for name, to in LINKED_DEVICES:
            (dev / name).symlink_to(to)
    (dev / "pts").mkdir()
    mount("devpts", dev / "pts", "devpts", flags=NOSUID | NOEXEC, options="newinstance,ptmxmode=0666,mode=0620")
    (dev / "shm").mkdir()
    (dev / "shm").chmod(0o1777)
    for path in devices:
        below(dev, path).parent.mkdir(parents=True, exist_ok=True)
        below(dev, path).touch()


def _become_root(root: Path) -> None:
    """Let `root` be / and nothing of the old one be reachable (pivot_root(2), "pivot_root(".", ".")")."""
    os.chdir(root)
    _checked(_LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."), "pivot_root")
    _checked(_LIBC.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")


def lose_capabilities(wanted: Sequence[int] = ()) -> None:
    """Shrink the bounding set, and what this process holds, to `KEPT_CAPABILITIES` and those `wanted`."""
    every = {*KEPT_CAPABILITIES, *wanted}
    for number in range(LAST_CAPABILITY + 1):
        if number not in every and _LIBC.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1:
            _checked(_LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")
    kept = sum(1 << number for number in every)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _checked(_LIBC.capset(header, struct.pack("=6I", low, low, 0, high, high, 0)), "capset")


def ignore_syncs() -> None:
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


def serve(machine: Mapping[str, Any], argv: Sequence[str], variables: Mapping[str, str]) -> NoReturn:
    """Be the machine's first process until the program ends."""
    try:
        enter(machine)
    except OSError as error:
        at = f" ({error.filename})" if error.filename else ""
        print(f"the system cannot be entered: {error.strerror or error}{at}", file=sys.stderr, flush=True)
        os._exit(126)
    ignore_syncs()
    lose_capabilities(machine["capabilities"])
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


if __name__ == "__main__":
    serve(*json.load(sys.stdin))
