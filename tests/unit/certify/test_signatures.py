"""EFI programs from bytes alone. tests/integration/certify/test_signatures.py reads what others signed."""

from __future__ import annotations

import datetime
import struct
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from flight.workflows.certify.reading.signatures import signers

PE32, PE32_PLUS = 0x10B, 0x20B


@cache
def signature(*names: str) -> bytes:
    """A PKCS #7 structure signed by the first of the names, with a certificate for each."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = datetime.datetime(2024, 1, 1)
    certificates = []
    for number, name in enumerate(names, 1):
        who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        named = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        dated = named.serial_number(number).not_valid_before(made).not_valid_after(made.replace(year=2034))
        certificates.append(dated.sign(key, hashes.SHA256()))
    builder = pkcs7.PKCS7SignatureBuilder().set_data(b"a digest").add_signer(certificates[0], key, hashes.SHA256())
    for certificate in certificates[1:]:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def table_entry(content: bytes, *, kind: int = 2) -> bytes:
    entry = struct.pack("<IHH", 8 + len(content), 0x200, kind) + content
    return entry + bytes(-len(entry) % 8)


def program(table: bytes = b"", *, magic: int = PE32_PLUS, directories: int = 16) -> bytes:
    """An EFI program of headers alone, and behind them its certificate table."""
    stub = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64)
    before = bytes(110 if magic == PE32_PLUS else 94)
    optional = struct.pack("<H", magic) + before[4:] + struct.pack("<I", directories)
    start = len(stub) + 24 + len(optional) + 8 * 16
    places = bytes(32) + struct.pack("<II", start if table else 0, len(table)) + bytes(8 * 11)
    coff = struct.pack("<HHIIIHH", 0x8664, 0, 0, 0, 0, len(optional) + 128, 0)
    return stub + b"PE\0\0" + coff + optional + places + table


@pytest.mark.parametrize("magic", [PE32, PE32_PLUS])
def test_the_names_of_all_certificates_are_found(magic: int) -> None:
    table = table_entry(signature("A publisher", "A CA")) + table_entry(signature("Another publisher"))
    assert sorted(signers(program(table, magic=magic))) == ["A CA", "A publisher", "Another publisher"]


@pytest.mark.parametrize("directories", [16, 4, 0])
def test_an_unsigned_program_has_no_signers(directories: int) -> None:
    assert signers(program(directories=directories)) == ()


def test_entries_of_other_kinds_and_padding_are_passed_over() -> None:
    table = table_entry(b"an X.509 certificate", kind=1) + table_entry(signature("One") + bytes(5)) + bytes(16)
    assert signers(program(table)) == ("One",)


SIGNED = program(table_entry(signature("Somebody")))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "no EFI program", id="nothing"),
        pytest.param(b"\x1f\x8b\x08 a packed kernel", "no EFI program", id="something else"),
        pytest.param(b"MZ" + bytes(200), "no EFI program", id="a program for DOS"),
        pytest.param(b"MZ", "cut short within its headers", id="two bytes"),
        pytest.param(SIGNED[:170], "cut short within its headers", id="half of the headers"),
        pytest.param(SIGNED[:-100], "certificate table claims", id="cut in the table"),
        pytest.param(program(b"\1\2\3"), "is damaged", id="a table of three bytes"),
        pytest.param(program(struct.pack("<IHH", 4, 0x200, 2)), "an entry of 4 bytes", id="an entry of no length"),
        pytest.param(program(struct.pack("<IHH", 99, 0x200, 2)), "an entry of 99 bytes", id="an entry too long"),
        pytest.param(program(table_entry(b"junk")), "signature cannot be read", id="a signature that is none"),
        pytest.param(program(table_entry(b"\x30")), "signature cannot be read", id="a signature of one byte"),
    ],
)
def test_what_is_damaged_is_an_error_that_says_how(data: bytes, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        signers(data)
    assert said in str(caught.value)


def test_absurdly_many_certificates_are_an_error() -> None:
    with pytest.raises(ValueError, match="more than 100 certificates"):
        signers(program(table_entry(signature("One")) * 101))


@given(
    st.lists(st.tuples(st.integers(0, len(SIGNED) - 1), st.integers(0, 255)), max_size=5), st.integers(0, len(SIGNED))
)
def test_whatever_the_bytes_are_the_answer_is_a_value_or_a_valueerror(
    changes: list[tuple[int, int]], stop: int
) -> None:
    data = bytearray(SIGNED)
    for at, byte in changes:
        data[at] = byte
    for part in (data, data[:stop]):
        try:
            signers(bytes(part))
        except ValueError as error:
            assert str(error)
