"""EFI programs that others signed; where their tables lie and who signed is asked of objdump and openssl."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from flight.workflows.certify.reading.signatures import signers


def said_by_openssl(path: Path) -> set[str]:
    """The common names of the certificates in each signature of the table that objdump finds."""
    headers = subprocess.run(["objdump", "-p", path], check=True, capture_output=True, text=True).stdout
    place = re.search(r"^Entry 4 (\w+) (\w+) Security Directory", headers, re.M)
    assert place, headers
    start, length = int(place[1], 16), int(place[2], 16)
    table, names = path.read_bytes()[start : start + length], set()
    while table:
        (size,) = struct.unpack_from("<I", table)
        argv = ["openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout"]
        printed = subprocess.run(argv, input=table[8:size], check=True, stdout=-1).stdout.decode()
        names |= set(re.findall(r"^subject=.*CN ?= ?([^,\n]+)", printed, re.M))
        table = table[size + -size % 8 :]
    return names


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's shim, which Microsoft signed: once, or once for each of its keys."""
    folder = tmp_path_factory.mktemp("shim")
    subprocess.run(
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "shim-signed"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["dpkg-deb", "-x", next(folder.glob("*.deb")), folder], check=True)
    return next(folder.glob("usr/lib/shim/shimx64.efi.signed"))


def test_the_signers_of_shim_are_microsoft(shim: Path) -> None:
    found = signers(shim.read_bytes())
    assert set(found) == said_by_openssl(shim)
    assert "Microsoft Windows UEFI Driver Publisher" in found


def test_the_signer_of_this_hosts_kernel_is_debian() -> None:
    kernel = sorted(Path("/boot").glob("vmlinuz-*"))[-1]
    found = signers(kernel.read_bytes())
    assert set(found) == said_by_openssl(kernel)
    assert all(name.startswith("Debian Secure Boot Signer") for name in found)


def test_grub_as_it_was_built_is_unsigned() -> None:
    assert signers(Path("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi").read_bytes()) == ()


def test_a_program_that_is_not_for_efi_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no EFI program"):
        signers(Path("/bin/sh").read_bytes())
