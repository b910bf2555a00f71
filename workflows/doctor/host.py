"""A look at this host: programs, guests, libguestfs's kernel, space, the work folder, and who listens where."""

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
    Finding,
    Need,
    Port,
    from_error,
    judge_acceleration,
    judge_debian13,
    judge_kernels,
    judge_port,
    judge_program,
    judge_space,
)
from flight.workflows.hypervisor.connection import choose_uri, is_embedded
from flight.workflows.hypervisor.probe import parse_version, probe
from flight.workflows.kit.errors import FlightError, ProgramError
from flight.workflows.kit.run import find, run
from flight.workflows.kit.server import Server, is_taken, owner
from flight.workflows.settings import Programs, Settings

ASK_S: Final = 20.0
ANSWER_S: Final = 2.0
FIRMWARE: Final = Path("/usr/share/qemu/firmware")
TOOLS: Final = (
    Need("sfdisk", "fdisk"),
    Need("mkfs.ext4", "e2fsprogs", (1, 46)),
    Need("mkfs.vfat", "dosfstools"),
    Need("mcopy", "mtools"),
    Need("setpriv", "util-linux"),
    Need("unshare", "util-linux"),
)
"""Programs beside the configured ones. mkfs.ext4 is the one that knows `-d`, hash_seed and E2FSPROGS_FAKE_TIME."""
ASKED_AS: Final = {"mkfs.ext4": "-V"}


def configured(programs: Programs) -> tuple[Need, ...]:
    return (
        Need(programs.qemu_img, "qemu-utils", (2, 9)),
        Need(programs.qemu_system, "qemu-system-x86", (7, 1)),
        Need(programs.mmdebstrap, "mmdebstrap", (1, 3)),
        Need(programs.virt_sysprep, "guestfs-tools", (1, 46)),
        Need(programs.virt_sparsify, "guestfs-tools", (1, 46)),
    )


def look_at_host(settings: Settings) -> Iterator[Finding]:
    """Everything but servers and cloud."""
    yield look_at_root()
    for need in (*configured(settings.programs), *TOOLS):
        yield look_at_program(need)
    yield look_at_work(settings.paths.work)
    yield judge_space(_free_bytes(settings.paths.work), settings.paths.work)
    yield judge_kernels(_kernels(Path("/boot")))
    yield look_at_libvirt(settings.libvirt.uri)
    yield look_at_firmware(FIRMWARE)
    try:
        acceleration = probe(settings.programs.qemu_system, settings.paths.work)
    except FlightError as error:
        yield from_error("KVM", error)
    except OSError as error:
        yield Finding("KVM", "fault", f"the probe's answer cannot be kept: {error}", "mend the work folder first")
    else:
        yield judge_acceleration(acceleration)
        yield judge_debian13(acceleration, settings.image.recipe)


def look_at_root() -> Finding:
    if os.geteuid() == 0:
        return Finding("root", "ok", "flight runs as root")
    return Finding(
        "root", "fault", f"flight runs as user {os.geteuid()}: images hold files of root's", "run flight as root"
    )


def look_at_program(need: Need) -> Finding:
    try:
        path = find(need.program, why="look at it")
    except ProgramError:
        return judge_program(need, path=None, version=None)
    if not need.least:
        return judge_program(need, path=path, version=None)
    said: list[str] = []  # mke2fs tells its version on stderr
    try:
        asked = [path, ASKED_AS.get(Path(need.program).name, "--version")]
        run(asked, why="ask its version", timeout_s=ASK_S, heard=said.append)
    except ProgramError as error:
        return from_error(need.program, error)
    return judge_program(need, path=path, version=_version_in("\n".join(said)))


def look_at_work(work: Path) -> Finding:
    """By writing a file there."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=work) as file:
            file.write(b"flight")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Finding(
            "work folder", "fault", f"cannot write to {work}: {error.strerror}", "set [paths] work in luigi.cfg"
        )
    return Finding("work folder", "ok", str(work))


def look_at_libvirt(configured_uri: str) -> Finding:
    """The binding, and for root's embedded driver the user that it insists on."""
    if importlib.util.find_spec("libvirt") is None:
        return Finding("libvirt", "fault", "its Python binding is not installed", "pip install libvirt-python")
    uri = choose_uri(configured_uri)
    if is_embedded(uri) and os.geteuid() == 0 and not _is_user("libvirt-qemu"):
        return Finding(
            "libvirt", "fault", "the embedded driver needs the user libvirt-qemu", "install libvirt-daemon-system"
        )
    return Finding("libvirt", "ok", f"guests are run through {uri.partition('?')[0]}")


def look_at_firmware(folder: Path) -> Finding:
    described = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if any("uefi" in one.get("interface-types", ()) for one in described):
        return Finding("UEFI firmware", "ok", f"described in {folder}")
    return Finding("UEFI firmware", "fault", f"there is none described in {folder}", "install ovmf")


def look_at_scheduler(url: str) -> Finding:
    """Is it luigid that answers where luigi.cfg says? `url` as in http://127.0.0.1:8082."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or 80
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/api/is_pause_enabled?data=%7B%7D", timeout=ANSWER_S) as answer:
            is_luigid = "response" in json.load(answer)
    except (urllib.error.HTTPError, ValueError, http.client.HTTPException):
        is_luigid = False
    except OSError as error:
        if parts.hostname in ("127.0.0.1", "localhost"):
            return _local_scheduler(port)
        reason = getattr(error, "reason", error)
        return Finding("scheduler", "fault", f"{url} does not answer: {reason}", "check [core] in luigi.cfg")
    if is_luigid:
        return Finding("scheduler", "ok", f"it answers on {url}")
    return judge_port("scheduler", port, "stranger", owner=owner(port))


def _local_scheduler(port: int) -> Finding:
    start = "flight scheduler start (or run luigi with --local-scheduler)"
    who: Port = "silent" if is_taken(port) else "nobody"
    return judge_port("scheduler", port, who, start=start, is_needed=True)


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
            who = "stranger"
        start = f"flight {name} start; a stage that needs it starts it too"
        yield judge_port(f"{name} {server.name}", server.port, who, owner=owner(server.port), start=start)


def _version_in(text: str) -> tuple[int, ...]:
    """The version after the word, or the first that stands anywhere: 'virt-sysprep 1.48.6', 'mke2fs 1.47.0 (5-Feb)'."""
    return parse_version(text) or parse_version(f"version {_first_number(text)}")


def _first_number(text: str) -> str:
    return next((word.strip("(),") for word in text.split() if word[:1].isdigit() and "." in word), "")


def _free_bytes(folder: Path) -> int:
    """Free for us on the filesystem that holds the folder, whether or not it is there yet."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _kernels(boot: Path) -> dict[Path, bool]:
    return {
        path: os.access(path, os.R_OK) and Path("/lib/modules", path.name.removeprefix("vmlinuz-")).is_dir()
        for path in sorted(boot.glob("vmlinuz-*"))
    }


def _is_user(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False
