"""A look at this host: libguestfs's kernel, how guests run, space, the work folder, and who listens where."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import pwd
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from flight.workflows.doctor.verdict import (
    NOT_OURS,
    Device,
    Finding,
    Port,
    from_error,
    judge_acceleration,
    judge_debian13,
    judge_kernels,
    judge_port,
    judge_space,
    judge_work,
)
from flight.workflows.hypervisor.connection import choose_uri, is_embedded
from flight.workflows.hypervisor.probe import CACHE, probe
from flight.workflows.kit.arriving import write_whole
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.server import Server, is_taken, owner
from flight.workflows.recipe import Recipe
from flight.workflows.settings import Settings

ANSWER_S: Final = 2.0
MOST_ANSWER_BYTES: Final = 4096
BOOT: Final = Path("/boot")
FIRMWARE: Final = Path("/usr/share/qemu/firmware")
KVM: Final = Path("/dev/kvm")
WITHOUT_LIBVIRT: Final = "images are built without it, and cannot be booted here by the tests"
SCHEDULER_PORT: Final = "[core] scheduler_port"


def look_at_root() -> Finding:
    if os.geteuid() == 0:
        return Finding("root", "ok", "flight runs as root")
    seen = f"flight runs as user {os.geteuid()}, and images hold files of root's"
    return Finding("root", "fault", seen, "run flight as root (sudo)")


def look_at_work(work: Path) -> Finding:
    """By writing a file there, or where it would be made; nothing of that stays."""
    there = _nearest(work)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"flight")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return judge_work(work, error)
    return judge_work(work, None)


def look_at_space(work: Path) -> Finding:
    """Free for us on the filesystem that holds the folder, whether or not it is there yet."""
    there = _nearest(work)
    room = os.statvfs(there)
    return judge_space(shutil.disk_usage(there).free, room.f_favail if room.f_files else None, work)


def look_at_kernels() -> Finding:
    if BOOT.is_dir() and not os.access(BOOT, os.R_OK | os.X_OK):
        return judge_kernels({BOOT: NOT_OURS})
    return judge_kernels({path: _why_no_appliance(path) for path in sorted(BOOT.glob("vmlinuz-*"))})


def look_at_guests(settings: Settings, recipe: Recipe | None) -> Iterator[Finding]:
    """How guests run here: asked anew, by a tiny one. What is seen takes the place of what stages believe, if they do."""
    with tempfile.TemporaryDirectory(prefix="flight-doctor-") as folder:
        try:
            found = probe(settings.programs.qemu_system, Path(folder))
        except FlightError as error:
            yield from_error("KVM", error)
            return
        seen = (Path(folder) / "cache" / CACHE).read_text()
    believed = settings.paths.work / "cache" / CACHE
    with contextlib.suppress(OSError):  # the work folder has a look of its own
        if believed.exists() and believed.read_text() != seen:
            write_whole(believed, seen)
    yield judge_acceleration(found, kvm_device(KVM))
    yield judge_debian13(found, recipe.release if recipe else "")


def kvm_device(path: Path) -> Device:
    """Opened, since in a container its mode says nothing."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return "absent"
    except OSError:
        return "closed"
    return "there"


def look_at_libvirt(configured_uri: str) -> Finding:
    """The binding, and for root's embedded driver the user that it insists on."""
    if importlib.util.find_spec("libvirt") is None:
        seen = f"its Python binding is not installed: {WITHOUT_LIBVIRT}"
        return Finding("libvirt", "warning", seen, "nothing is needed for a walk; else pip install libvirt-python")
    uri = choose_uri(configured_uri)
    if is_embedded(uri) and os.geteuid() == 0 and not _is_user("libvirt-qemu"):
        seen = f"its embedded driver needs the user libvirt-qemu: {WITHOUT_LIBVIRT}"
        fix = "nothing is needed for a walk; else apt-get install libvirt-daemon-system"
        return Finding("libvirt", "warning", seen, fix)
    return Finding("libvirt", "ok", f"guests are run through {uri.partition('?')[0]}")


def look_at_firmware(folder: Path) -> Finding:
    described = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if any("uefi" in one.get("interface-types", ()) for one in described):
        return Finding("UEFI firmware", "ok", f"described in {folder}")
    return Finding("UEFI firmware", "fault", f"there is none described in {folder}", "apt-get install ovmf")


def look_at_scheduler(url: str) -> Finding:
    """Is it luigid that answers where luigi.cfg says? `url` as in http://127.0.0.1:8082."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or 80
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/is_pause_enabled?data=%7B%7D", timeout=ANSWER_S) as answer:
            is_luigid = "response" in json.loads(answer.read1(MOST_ANSWER_BYTES))
    except (urllib.error.HTTPError, ValueError, http.client.HTTPException):
        is_luigid = False
    except OSError as error:
        if parts.hostname in ("127.0.0.1", "localhost"):
            return _local_scheduler(port)
        reason = getattr(error, "reason", error)
        return Finding("scheduler", "fault", f"{url} does not answer: {reason}", "check [core] in luigi.cfg")
    if is_luigid:
        return Finding("scheduler", "ok", f"it answers on {url}")
    return judge_port("scheduler", port, "stranger", owner=owner(port), setting=SCHEDULER_PORT)


def _local_scheduler(port: int) -> Finding:
    start = "flight scheduler start (or run luigi with --local-scheduler)"
    who: Port = "silent" if is_taken(port) else "nobody"
    return judge_port("scheduler", port, who, owner=owner(port), start=start, is_needed=True)


def look_at_servers(name: str, servers: Callable[[], Sequence[Server]]) -> Iterator[Finding]:
    """The rehearsal's servers; `servers` raises a FlightError where what they need is not installed."""
    try:
        found = servers()
    except FlightError as error:
        yield from_error(name, error)
        return
    for server in found:
        ours = server.pid() is not None
        who: Port = "ours" if ours and server.answers() else "silent" if ours else "nobody"
        if who == "nobody" and is_taken(server.port):
            if other := server.of_another():
                seen = f"127.0.0.1:{server.port} is taken by flight's own {server.name} of the work folder {other}"
                yield Finding(f"{name} {server.name}", "fault", seen, server.way_out(other))
                continue
            who = "stranger"
        start = f"flight {name} start; a stage that needs it starts it too"
        yield judge_port(
            f"{name} {server.name}", server.port, who, owner=owner(server.port), start=start, setting=server.setting
        )


def _is_user(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # Path.exists() raises


def _why_no_appliance(kernel: Path) -> str:
    if not os.access(kernel, os.R_OK):
        return NOT_OURS
    modules = Path("/lib/modules", kernel.name.removeprefix("vmlinuz-"))
    return "" if modules.is_dir() else f"has no modules in {modules}"
