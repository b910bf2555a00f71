"""Guests that really run: the probe, a boot to a login prompt both ways, and the ways in which it fails."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from smalldisk import CORE_START, ESP_START, HOSTNAME, ROOT_UUID, SECTOR, make_disk, put_kernel, zero

from flight.workflows.hypervisor.boot import Boot, Expected, boot_to_login, problems_on
from flight.workflows.hypervisor.console import clean_console
from flight.workflows.hypervisor.domain import FIRMWARES, Domain, Firmware, render_domain
from flight.workflows.hypervisor.probe import probe
from flight.workflows.kit.errors import FlightError, ProgramError
from flight.workflows.kit.run import run
from flight.workflows.settings import Libvirt, Paths, Settings

EXPECTED = Expected(root_uuid=ROOT_UUID, hostname=HOSTNAME)
QUICK_STALL_S = 20
"""For guests that must be found to stall, at the latest while GRUB loads a kernel through an emulated BIOS."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_disk(tmp_path_factory.mktemp("smalldisk"))


@pytest.fixture
def copy(disk: Path, tmp_path: Path) -> Path:
    """The disk, for spoiling."""
    return Path(shutil.copy(disk, tmp_path / "spoiled.raw"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(
        Settings(), paths=Paths(work=tmp_path / "work"), libvirt=Libvirt(uri="qemu:///embed", cpus=1, memory_mib=512)
    )


@pytest.fixture(autouse=True)
def no_guest_stays(tmp_path: Path) -> Iterator[None]:
    yield
    assert not running_guests(tmp_path)


def running_guests(folder: Path) -> list[int]:
    """The pids of QEMUs that run a guest whose files lie below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_text().split("\0")
        except OSError:
            continue
        if "qemu-system" in words[0] and any(f"{folder}/" in word for word in words):
            found.append(int(path.parent.name))
    return found


def until(happened: Callable[[], bool], *, within_s: float = 180) -> bool:
    deadline = time.monotonic() + within_s
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_png(path: Path | None) -> bool:
    return path is not None and path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_probe_believes_only_a_guest_that_ran(tmp_path: Path) -> None:
    found = probe("qemu-system-x86_64", tmp_path)
    assert found.version >= (7, 0)
    assert found.has_kvm is not bool(found.why_not_kvm)
    assert os.access("/dev/kvm", os.W_OK) or not found.has_kvm
    assert probe("qemu-system-x86_64", tmp_path) == found


def test_the_probe_s_answer_is_kept_until_something_changes(tmp_path: Path) -> None:
    script = tmp_path / "qemu"
    script.write_text('#!/bin/sh\necho asked >> "$0.asked"\nexec qemu-system-x86_64 "$@"\n')
    script.chmod(0o755)
    first = probe(str(script), tmp_path)
    asked = (tmp_path / "qemu.asked").read_text()
    assert probe(str(script), tmp_path) == first
    assert (tmp_path / "qemu.asked").read_text() == asked
    os.utime(script, ns=(1, 1))
    probe(str(script), tmp_path)
    assert (tmp_path / "qemu.asked").read_text() != asked
    (tmp_path / "cache" / "acceleration.json").write_text("{torn")
    assert probe(str(script), tmp_path) == first


def test_an_emulator_that_runs_no_guest_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "qemu"
    script.write_text("#!/bin/sh\necho QEMU emulator version 9.9.9\n")
    script.chmod(0o755)
    with pytest.raises(ProgramError, match="could not run a tiny guest"):
        probe(str(script), tmp_path)


@pytest.mark.parametrize(
    ("kind", "firmware"),
    [("raw", "bios"), ("qcow2", "uefi"), ("vhd", "bios"), ("vhd", "uefi")],
    ids=lambda value: value,
)
def test_a_disk_boots_to_its_login_prompt_and_stays_as_it_was(
    disk: Path, tmp_path: Path, settings: Settings, firmware: Firmware, kind: str
) -> None:
    image = tmp_path / f"image.{kind}"
    how = {"raw": ["raw"], "qcow2": ["qcow2"], "vhd": ["vpc", "-o", "subformat=fixed,force_size=on"]}[kind]
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", *how, disk, image], check=True)
    before, out = digest(image), tmp_path / "out"
    told: list[str] = []
    boot = boot_to_login(
        image,
        settings=settings,
        work=out,
        firmware=firmware,
        expected=EXPECTED,
        told=lambda progress: told.append(str(progress)),
    )
    assert boot.reached == f"{HOSTNAME} login:"
    assert boot.seconds > 0
    assert is_png(boot.screenshot)
    assert "Linux version" in boot.console.read_text(errors="replace")
    assert any("guest" in each for each in told)
    assert digest(image) == before
    assert sorted(path.name for path in out.iterdir()) == [
        f"console-{firmware}.log",
        f"guest-{firmware}.log",
        f"screen-{firmware}.png",
    ]


def test_another_disk_s_console_does_not_pass(disk: Path, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(FlightError, match="asks for a login, but") as raised:
        boot_to_login(
            disk, settings=settings, work=tmp_path / "out", firmware="bios", expected=Expected(root_uuid="0000")
        )
    assert f"root filesystem is {ROOT_UUID}, not 0000" in raised.value.why
    left = clean_console((tmp_path / "out" / "console-bios.log").read_bytes())
    assert "another boot" in problems_on(left, stamp="flight-000000000000", expected=EXPECTED)[0]


def spoil_boot_code(disk: Path) -> None:
    """The firmware jumps into zeros: the signature at the sector's end still says that there is code."""
    zero(disk, start=0, count=440)


def spoil_first_sector(disk: Path) -> None:
    zero(disk, start=0, count=SECTOR)


def spoil_core(disk: Path) -> None:
    zero(disk, start=(CORE_START + 1) * SECTOR, count=2047 * SECTOR)


def spoil_esp(disk: Path) -> None:
    zero(disk, start=ESP_START * SECTOR, count=60 << 20)


def spoil_kernel(disk: Path) -> None:
    empty = disk.parent / "empty-kernel"
    empty.write_bytes(bytes(8 << 20))
    put_kernel(disk, empty)


BROKEN = [
    ("bios", spoil_boot_code, r"s nothing came on its console", "first sector"),
    ("bios", spoil_first_sector, r"the guest has a disk that the firmware cannot boot from", "first sector"),
    ("bios", spoil_core, r"s nothing came on its console", "first sector"),
    ("bios", spoil_esp, r"stopped at GRUB's prompt", "grub.cfg"),
    ("uefi", spoil_esp, r"ended in the UEFI shell|cannot boot from", "BOOTX64.EFI"),
    ("bios", spoil_kernel, r"kernel that GRUB cannot load", "kernel's file"),
    ("uefi", spoil_kernel, r"kernel that GRUB cannot load", "kernel's file"),
]


@pytest.mark.parametrize(
    ("firmware", "spoil", "reason", "fix"),
    BROKEN,
    ids=[f"{spoil.__name__}-{firmware}" for firmware, spoil, *_ in BROKEN],
)
def test_a_broken_disk_fails_soon_and_says_where(
    copy: Path,
    tmp_path: Path,
    settings: Settings,
    firmware: Firmware,
    spoil: Callable[[Path], None],
    reason: str,
    fix: str,
) -> None:
    spoil(copy)
    with pytest.raises(FlightError) as raised:
        boot_to_login(copy, settings=settings, work=tmp_path / "out", firmware=firmware, stall_s=QUICK_STALL_S)
    assert reason in str(raised.value) or any(part in str(raised.value) for part in reason.split("|"))
    assert fix in raised.value.fix
    assert is_png(tmp_path / "out" / f"screen-{firmware}.png")
    assert not list((tmp_path / "out").glob(".arriving-*"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("turnoff", "ended before it asked for a login: it shut itself down"),
        ("endless", "s nothing came on its console and its disk was idle"),
        ("init=/nothing rdinit=/nothing", "had a kernel panic"),
    ],
    ids=["powers-off", "stalls", "panics"],
)
def test_a_guest_that_never_asks_fails(words: str, reason: str, tmp_path: Path, settings: Settings) -> None:
    disk = make_disk(tmp_path / "disk", words=words)
    with pytest.raises(FlightError) as raised:
        boot_to_login(disk, settings=settings, work=tmp_path / "out", firmware="bios", stall_s=QUICK_STALL_S)
    assert reason in raised.value.why
    assert "| SeaBIOS" in raised.value.why or "| [" in raised.value.why


def test_a_boot_that_takes_too_long_is_ended(disk: Path, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(FlightError, match=r"did not ask for a login within \d s"):
        boot_to_login(disk, settings=settings, work=tmp_path / "out", firmware="bios", timeout_s=1)


def test_a_guest_that_qemu_refuses_is_explained(disk: Path, tmp_path: Path, settings: Settings) -> None:
    huge = replace(settings, libvirt=replace(settings.libvirt, memory_mib=1 << 30))
    with pytest.raises(ProgramError, match="could not start the guest") as raised:
        boot_to_login(disk, settings=huge, work=tmp_path / "out", firmware="bios")
    assert raised.value.why


def test_a_hypervisor_that_is_not_there_is_explained(disk: Path, tmp_path: Path, settings: Settings) -> None:
    elsewhere = replace(settings, libvirt=replace(settings.libvirt, uri="nosuch:///system"))
    with pytest.raises(ProgramError, match="could not open nosuch:///system") as raised:
        boot_to_login(disk, settings=elsewhere, work=tmp_path / "out", firmware="bios")
    assert "[libvirt] uri" in raised.value.fix


def test_two_guests_boot_at_once(disk: Path, tmp_path: Path, settings: Settings) -> None:
    def boot(firmware: Firmware) -> Boot:
        return boot_to_login(disk, settings=settings, work=tmp_path / firmware, firmware=firmware, expected=EXPECTED)

    with ThreadPoolExecutor() as pool:
        boots = list(pool.map(boot, FIRMWARES))
    assert len({boot.console for boot in boots}) == 2


DAEMONISING = """
import os, time
from flight.workflows.hypervisor.connection import orphans_ended
if not (first := os.fork()):  # as libvirt's child does: a session of its own, a child in it, and an end at once
    os.setsid()
    if not os.fork():
        time.sleep(0.5)
    os._exit(0)
for _ in range(200):
    time.sleep(0.02)
    if ended := list(orphans_ended()):
        break
print(first in ended, len(ended))
assert os.waitpid(first, 0) == (first, 0)  # it was left to whom it belongs to
"""


def test_only_guests_are_waited_for_and_not_what_libvirt_waits_for_itself() -> None:
    ran = run([sys.executable, "-c", DAEMONISING], why="daemonise", contained=True, timeout_s=60)
    assert ran.out.split() == ["False", "1"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_kill_of_the_parent_leaves_no_guest(tmp_path: Path, number: signal.Signals) -> None:
    disk = make_disk(tmp_path / "disk", words="endless")
    out = tmp_path / "out"
    program = textwrap.dedent(f"""
        from dataclasses import replace
        from pathlib import Path
        from flight.workflows.hypervisor.boot import boot_to_login
        from flight.workflows.settings import Libvirt, Paths, Settings
        settings = replace(Settings(), paths=Paths(work=Path({str(tmp_path)!r})), libvirt=Libvirt(uri="qemu:///embed"))
        boot_to_login(Path({str(disk)!r}), settings=settings, work=Path({str(out)!r}), firmware="bios")
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        console = out / "console-bios.log"
        assert until(lambda: console.exists() and b"Linux version" in console.read_bytes())
        assert len(running_guests(tmp_path)) == 1
    finally:
        parent.send_signal(number)
        parent.wait(30)
    assert until(lambda: not running_guests(tmp_path), within_s=20)
    assert not list(out.glob(".arriving-*"))
    assert "flight" not in [line.split()[0] for line in Path("/proc/mounts").read_text().splitlines()]


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("has_kvm", [False, True], ids=["emulated", "kvm"])
def test_libvirt_s_own_schema_agrees_with_the_domain(tmp_path: Path, firmware: Firmware, has_kvm: bool) -> None:
    domain = Domain(
        name="flight-0123",
        disk=tmp_path / "overlay.qcow2",
        console=tmp_path / "console.log",
        firmware=firmware,
        nvram=tmp_path / "overlay.fd",
        has_kvm=has_kvm,
        emulator="/usr/bin/qemu-system-x86_64",
        stamp="flight-0123",
    )
    xml = render_domain(domain, as_root=has_kvm)
    assert validate(xml, tmp_path).returncode == 0
    assert validate(xml.replace("<on_reboot>destroy", "<on_reboot>explode"), tmp_path).returncode != 0


def validate(xml: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "domain.xml").write_text(xml)
    return subprocess.run(
        ["virt-xml-validate", str(folder / "domain.xml"), "domain"], capture_output=True, text=True, check=False
    )
