"""What a console's words mean, however they arrive."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.hypervisor.console import FAILURES, LOGIN, Console, clean_console, find_sign

SIGNS = (LOGIN, *FAILURES)

ENDINGS = [
    ("login", b"\r\nDebian GNU/Linux 13 localhost ttyS0\r\n\r\nlocalhost login: "),
    ("login", b"\x1b[?2004h\x1b[0mnode-7.example login:"),
    ("kernel panic", b"[    2.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"),
    (
        "no root filesystem",
        b"Gave up waiting for root.\r\nALERT!  UUID=12-34 does not exist.  Dropping to a shell!\r\n",
    ),
    ("no root filesystem", b"dracut-initqueue[300]: Warning: /dev/disk/by-uuid/12-34 does not exist\r\n"),
    ("initramfs shell", b"BusyBox v1.37.0 built-in shell (ash)\r\n\r\n(initramfs) "),
    ("initramfs shell", b"\r\ndracut:/# "),
    ("emergency mode", b"You are in emergency mode. After logging in, type journalctl\r\n"),
    ("emergency mode", b"Cannot open access to console, the root account is locked.\r\n"),
    ("systemd froze", b"systemd[1]: Freezing execution.\r\n"),
    ("GRUB rescue", b"error: no such partition.\r\nEntering rescue mode...\r\ngrub rescue> "),
    ("GRUB prompt", b"   Minimal BASH-like line editing\r\n\r\n\x1b[1;1Hgrub> "),
    ("no kernel", b"error: invalid magic number.\r\n"),
    ("no kernel", b"error: ../../grub-core/loader/i386/efi/linux.c:259:you need to load the kernel first.\r\n"),
    ("no kernel", b"error: bad shim signature.\r\n"),
    (
        "no bootable device",
        b"Booting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n",
    ),
    ("no bootable device", b"BdsDxe: No bootable option or device was found.\r\n"),
    ("UEFI shell", b"\x1b[2J\x1b[01;01HUEFI Interactive Shell v2.2\r\n"),
    ("Secure Boot", b'BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0): Access Denied\r\n'),
    ("Secure Boot", b"Image is prohibited by secure boot policy\r\n"),
]

HARMLESS = [
    b"waagent: HTTP 403 Access Denied\r\n",
    b"Last login: Mon Nov 23 00:42:01 UTC 2026 on ttyS0\r\n",
    b"[    1.0] panic=10 given; login: later\r\n",
    b"error: file `/boot/grub/fonts/unicode.pf2' not found.\r\n",
    b"[  OK  ] Reached target getty.target - Login Prompts.\r\n",
    b'BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0): Not Found\r\n',
    b"ci-info: no authorized SSH keys fingerprints found for user azureuser.\r\n",
    b"Cleared /dev/ttyS0; systemd-emergency-mode.service is masked\r\n",
]


@pytest.mark.parametrize(("name", "raw"), ENDINGS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(ENDINGS)])
def test_each_ending_is_known_by_its_words(name: str, raw: bytes) -> None:
    seen = find_sign(clean_console(raw), SIGNS)
    assert seen is not None
    assert seen.sign.name == name


def test_every_sign_has_words_here() -> None:
    assert {name for name, _ in ENDINGS} == {sign.name for sign in SIGNS}


@pytest.mark.parametrize("raw", HARMLESS, ids=range(len(HARMLESS)))
def test_what_a_good_boot_may_say_ends_nothing(raw: bytes) -> None:
    assert find_sign(clean_console(raw), SIGNS) is None


def test_the_sign_that_came_first_counts() -> None:
    seen = find_sign("host login: \nKernel panic - not syncing: Attempted to kill init!\n", SIGNS)
    assert seen is not None
    assert seen.sign == LOGIN


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[0;1;32m  OK  \x1b[0m done\r\n", "  OK   done\n"),
        (b"one\x1b[5;1Htwo", "one\ntwo"),
        (b"\x1b]0;title\x07bell\x07", "bell"),
        (b"broken \xff utf-8", "broken \ufffd utf-8"),
        (b"\x00\x01tab\there", "tab\there"),
    ],
    ids=["colours", "cursor", "title", "not-utf-8", "controls"],
)
def test_terminal_codes_are_taken_out(raw: bytes, text: str) -> None:
    assert clean_console(raw) == text


@given(raw=st.binary(max_size=400))
def test_no_byte_that_a_guest_writes_can_drive_a_terminal(raw: bytes) -> None:
    assert all(letter in "\n\t" or letter.isprintable() or ord(letter) > 0x9F for letter in clean_console(raw))


@given(cut=st.integers(0, 60), noise=st.integers(0, 20_000))
def test_a_prompt_is_seen_in_whatever_pieces_it_arrives(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: int
) -> None:
    path = tmp_path_factory.mktemp("console") / "log"
    text = b"x" * noise + b"\r\nDebian GNU/Linux 13 \x1b[1mlocalhost\x1b[0m ttyS0\r\n\r\nlocalhost login: "
    console = Console(path, SIGNS)
    seen = []
    with open(path, "ab", buffering=0) as file:
        for piece in (text[: len(text) - cut], text[len(text) - cut :]):
            file.write(piece)
            seen.append(console.look())
    assert [each.text for each in seen if each][:1] == ["localhost login:"]
    assert console.size_bytes == len(text)


def test_a_line_cut_by_the_window_does_not_look_like_a_prompt(tmp_path: Path) -> None:
    path = tmp_path / "log"
    console = Console(path, (LOGIN,))
    line = b"the words of a very long line: somebody login: " + b"." * 8150
    path.write_bytes(line)
    assert console.look() is None
    path.write_bytes(line + b".")
    assert console.look() is None


def test_a_console_that_is_not_there_yet_is_silent(tmp_path: Path) -> None:
    console = Console(tmp_path / "none", SIGNS)
    assert console.look() is None
    assert console.last_lines(3) == ()
    assert not console.is_at_firmware


@pytest.mark.parametrize(
    ("raw", "is_at_firmware"),
    [
        (b"SeaBIOS (version 1.16)\r\nBooting from Hard Disk...\r\n", True),
        (b'BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)\r\n', True),
        (b"Booting from Hard Disk...\r\nGRUB loading...\r\n", True),
        (b"Booting from Hard Disk...\r\nGRUB loading...\r\nWelcome to GRUB!\r\n", False),
        (b"SeaBIOS (version 1.16)\r\n", False),
    ],
    ids=["bios", "uefi", "core", "grub-spoke", "not-yet"],
)
def test_boot_code_that_is_silent_is_told_from_boot_code_that_spoke(
    tmp_path: Path, raw: bytes, is_at_firmware: bool
) -> None:
    path = tmp_path / "log"
    path.write_bytes(raw)
    console = Console(path, SIGNS)
    console.look()
    assert console.is_at_firmware is is_at_firmware
