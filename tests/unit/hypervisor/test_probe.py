"""How guests run: what is asked, and what follows from the answer."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from flight.workflows.hypervisor.probe import (
    DEBUG_CONSOLE,
    DEBUG_EXIT,
    EXIT_BYTE,
    WORD,
    Acceleration,
    boot_sector,
    libguestfs_env,
    parse_version,
    plan_probe,
)
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.run import Ran


def test_the_boot_sector_says_its_word_and_leaves() -> None:
    sector = boot_sector()
    assert len(sector) == 512
    assert sector.endswith(b"\x55\xaa")
    assert run_sector(sector) == (WORD, EXIT_BYTE)


def run_sector(code: bytes) -> tuple[bytes, int]:
    """An interpreter for the four instructions that the sector is made of."""
    at, al, said = 0, 0, b""
    while True:
        if code[at] == 0xFA:  # cli
            at += 1
        elif code[at] == 0xB0:  # mov al, imm8
            al, at = code[at + 1], at + 2
        elif code[at : at + 2] == bytes([0xE6, DEBUG_CONSOLE]):  # out imm8, al
            said, at = said + bytes([al]), at + 2
        elif code[at : at + 2] == bytes([0xE6, DEBUG_EXIT]):
            return said, al
        else:
            raise AssertionError(f"an unknown instruction {code[at]:#x} at {at}")


@pytest.mark.parametrize(
    ("has_kvm", "wanted"), [(True, ("kvm", "host")), (False, ("tcg", "max"))], ids=["kvm", "emulated"]
)
def test_the_tiny_guest_runs_as_real_ones_do(has_kvm: bool, wanted: tuple[str, str]) -> None:
    argv = plan_probe("qemu", Path("/tmp/a,b.img"), has_kvm=has_kvm)
    assert (argv[argv.index("-accel") + 1], argv[argv.index("-cpu") + 1]) == wanted
    assert argv[argv.index("-smp") + 1] == "2"
    assert any(word.startswith("file=/tmp/a,,b.img,") for word in argv)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright", (10, 0, 2)),
        ("QEMU emulator version 7.2.17", (7, 2, 17)),
        ("qemu-img version 2.9.50", (2, 9, 50)),
        ("something else", ()),
    ],
)
def test_a_version_is_read_from_what_a_program_says(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("has_kvm", "version", "holds"),
    [(False, (7, 2, 17), False), (False, (9, 2, 4), False), (False, (10, 0, 2), True), (True, (7, 2, 17), True)],
    ids=["emulated-7.2", "emulated-9.2", "emulated-10.0", "kvm-7.2"],
)
def test_debian13_needs_kvm_or_a_new_emulator(has_kvm: bool, version: tuple[int, ...], holds: bool) -> None:
    assert Acceleration(has_kvm, "qemu", version).runs_debian13 is holds


@pytest.mark.parametrize(("out", "why"), [("", "it said nothing"), ("boot failed\n", r"it said: boot failed\n")])
def test_a_guest_that_does_not_say_its_word_is_no_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, why: str
) -> None:
    def ran(argv: list[str], **_: object) -> Ran:
        return Ran(0, "QEMU emulator version 10.0.2" if "--version" in argv else out, 0.1)

    probing = importlib.import_module("flight.workflows.hypervisor.probe")
    monkeypatch.setattr(probing, "run", ran)
    monkeypatch.setattr(probing, "find", lambda program, **_: "/bin/sh")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ProgramError, match="it ended without its word") as caught:
        probing.probe("qemu", tmp_path)
    assert caught.value.why == why
    assert "reinstall" in caught.value.fix


def test_libguestfs_is_kept_from_a_kvm_that_lies() -> None:
    emulated, kvm = (libguestfs_env(Acceleration(has_kvm, "/bin/qemu", (10, 0))) for has_kvm in (False, True))
    assert emulated["LIBGUESTFS_BACKEND_SETTINGS"] == "force_tcg"
    assert "LIBGUESTFS_BACKEND_SETTINGS" not in kvm
    assert emulated["LIBGUESTFS_BACKEND"] == kvm["LIBGUESTFS_BACKEND"] == "direct"
