"""Whether a console is that of a boot that reached its login prompt, and what a person reads where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.hypervisor.boot import Expected, backing_format, explain_failure, problems_on
from flight.workflows.hypervisor.console import FAILURES, Sign, clean_console
from flight.workflows.hypervisor.guest import Ended
from flight.workflows.hypervisor.probe import Acceleration
from flight.workflows.kit.errors import FlightError

UUID = "0d4f6e1a-5a2e-4b8e-9f3c-7f1f0f6f2a11"
STAMP = "flight-0123456789ab"
CONSOLE = clean_console(
    f"""[    0.000000] Linux version 6.12.48+deb13-cloud-amd64\r
[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=UUID={UUID} ro console=ttyS0\r
[    0.000000] DMI: QEMU Standard PC (Q35 + ICH9, 2009), BIOS {STAMP} \r
\r
Debian GNU/Linux 13 compute ttyS0\r
\r
compute login: """.encode()
)
EXPECTED = Expected(root_uuid=UUID, hostname="compute")
EMULATED = Acceleration(has_kvm=False, emulator="qemu", version=(10, 0, 2))
STALLED = Ended(
    how="stalled", sign="", text="", seconds=200, silent_s=90, cpu_s=3, last_lines=("[ 1.0] x",), screenshot="/w/s.png"
)


@pytest.mark.parametrize("expected", [EXPECTED, Expected(), Expected(hostname="compute")], ids=["all", "none", "host"])
def test_the_console_of_this_boot_has_no_problems(expected: Expected) -> None:
    assert problems_on(CONSOLE, stamp=STAMP, expected=expected) == []


@pytest.mark.parametrize(
    ("console", "stamp", "expected", "said"),
    [
        (CONSOLE, "flight-ffffffffffff", EXPECTED, "the console of another boot"),
        (CONSOLE, STAMP, replace(EXPECTED, root_uuid="other"), f"root filesystem is {UUID}, not other"),
        (CONSOLE, STAMP, replace(EXPECTED, hostname="other"), "it is compute that asks for a login, not other"),
        (CONSOLE.replace("login:", "logout:"), STAMP, Expected(), "no login prompt"),
        (CONSOLE.replace("compute login:", "Last login:"), STAMP, Expected(), "no login prompt"),
        (CONSOLE.replace("Command line", "Something"), STAMP, EXPECTED, "root filesystem is not named"),
        ("compute login: ", STAMP, Expected(), "no kernel named its machine"),
        ("", STAMP, Expected(), "no login prompt"),
    ],
    ids=["other-boot", "other-disk", "other-host", "no-prompt", "last-login", "no-root", "prompt-alone", "empty"],
)
def test_another_console_does_not_pass(console: str, stamp: str, expected: Expected, said: str) -> None:
    assert any(said in problem for problem in problems_on(console, stamp=stamp, expected=expected))


def test_a_quiet_kernel_is_known_by_its_root_filesystem_alone() -> None:
    quiet = "\n".join(line for line in CONSOLE.splitlines() if "DMI:" not in line)
    assert problems_on(quiet, stamp=STAMP, expected=EXPECTED) == []


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (STALLED, "for 90 s nothing came on its console"),
        (replace(STALLED, how="late"), "did not ask for a login within 200 s"),
        (replace(STALLED, how="gone", text="its QEMU died"), "ended before it asked for a login: its QEMU died"),
        (replace(STALLED, how="sign", sign="GRUB rescue", text="grub rescue>"), "stopped at GRUB's rescue prompt"),
        (replace(STALLED, last_lines=()), "its console stayed empty"),
    ],
    ids=["stalled", "late", "gone", "sign", "empty"],
)
def test_a_failed_boot_is_explained(ended: Ended, said: str) -> None:
    error = explain_failure("x.vhd", "uefi", ended, acceleration=EMULATED)
    assert "x.vhd does not boot to a login prompt (uefi)" in error.what
    assert said in error.why
    assert "/w/s.png" in error.why
    assert all(f"| {line}" in error.why for line in ended.last_lines)
    assert error.fix


@pytest.mark.parametrize("sign", FAILURES, ids=lambda sign: sign.name)
def test_every_sign_of_a_failed_boot_has_its_words_and_what_to_look_at(sign: Sign) -> None:
    seen = replace(STALLED, how="sign", sign=sign.name, text="these words")
    error = explain_failure("x.vhd", "bios", seen, acceleration=EMULATED)
    assert error.why.startswith(f"the guest {sign.meaning}: these words")
    assert error.fix == sign.hint


def test_boot_code_that_said_nothing_is_named_as_the_cause() -> None:
    silent = replace(STALLED, last_lines=("SeaBIOS (version 1.16)", "Booting from Hard Disk..."))
    assert "first sector" in explain_failure("x.raw", "bios", silent, acceleration=EMULATED).fix


def test_a_panic_under_an_old_emulator_is_the_emulator_s() -> None:
    panic = replace(STALLED, how="sign", sign="kernel panic", text="Kernel panic - not syncing: Fatal exception")
    old = replace(EMULATED, version=(7, 2, 17))
    assert "QEMU 10.0" in explain_failure("x.vhd", "bios", panic, acceleration=old).fix
    assert "QEMU" not in explain_failure("x.vhd", "bios", panic, acceleration=EMULATED).fix


@pytest.mark.parametrize(
    ("name", "known"), [("a.vhd", "vpc"), ("a.VHD", "vpc"), ("a.qcow2", "qcow2"), ("a.raw", "raw"), ("a.img", "raw")]
)
def test_a_disk_s_format_is_read_from_its_name(name: str, known: str) -> None:
    assert backing_format(Path(name)) == known


def test_a_disk_without_a_telling_name_is_refused() -> None:
    with pytest.raises(FlightError, match="extension"):
        backing_format(Path("disk"))
