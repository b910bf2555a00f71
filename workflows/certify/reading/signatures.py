"""Who signed an EFI program: the names in its certificate table. Whether a signature holds is not looked at.

Source: Microsoft PE and COFF Specification, "Optional Header Data Directories" and "The Attribute Certificate Table".
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from typing import Final

PE_OFFSET_AT: Final = 0x3C
PE_MAGIC: Final = b"PE\0\0"
COFF_BYTES: Final = 20
COUNT_AT: Final = {0x10B: 92, 0x20B: 108}
"""By the optional header's magic (PE32, PE32+): where in it the count of data directories stands; they follow."""
CERTIFICATES: Final = 4
"""The number of the certificate table's directory; unlike the others it gives an offset in the file."""
ENTRY: Final = struct.Struct("<IHH")
PKCS_SIGNED: Final = 2
MOST_TABLE_BYTES: Final = 1 << 20
MOST_CERTIFICATES: Final = 100


def signers(data: bytes) -> tuple[str, ...]:
    """The common names of all certificates in an EFI program's signatures, each once; none where it is unsigned.

    Raises ValueError where it is no such program, or its table is damaged.
    """
    try:
        table = _table(data)
    except struct.error:
        raise ValueError("it is cut short within its headers") from None
    names: list[str] = []
    for signature in _signatures(table):
        names += _common_names(signature)
        if len(names) > MOST_CERTIFICATES:
            raise ValueError(f"it holds more than {MOST_CERTIFICATES} certificates")
    return tuple(dict.fromkeys(names))


def _table(data: bytes) -> bytes:
    """The certificate table; empty where there is none."""
    if data[:2] != b"MZ":
        raise ValueError("it is no EFI program")
    (at,) = struct.unpack_from("<I", data, PE_OFFSET_AT)
    if data[at : at + 4] != PE_MAGIC:
        raise ValueError("it is no EFI program")
    optional = at + len(PE_MAGIC) + COFF_BYTES
    (magic,) = struct.unpack_from("<H", data, optional)
    if magic not in COUNT_AT:
        raise ValueError(f"it is no EFI program: its optional header begins with {magic:#x}")
    count_at = optional + COUNT_AT[magic]
    (count,) = struct.unpack_from("<I", data, count_at)
    if count <= CERTIFICATES:
        return b""
    start, length = struct.unpack_from("<II", data, count_at + 4 + CERTIFICATES * 8)
    if length > MOST_TABLE_BYTES or start + length > len(data):
        raise ValueError(f"its certificate table claims {length} bytes at {start}, and it has {len(data)}")
    return data[start : start + length]


def _signatures(table: bytes) -> Iterator[bytes]:
    """The PKCS #7 structures in a table; each entry is a multiple of eight bytes long."""
    while any(table):
        if len(table) < ENTRY.size:
            raise ValueError("its certificate table is damaged")
        length, _, kind = ENTRY.unpack_from(table)
        if not ENTRY.size <= length <= len(table):
            raise ValueError(f"its certificate table holds an entry of {length} bytes")
        if kind == PKCS_SIGNED:
            yield _without_padding(table[ENTRY.size : length])
        table = table[length + -length % 8 :]


def _without_padding(der: bytes) -> bytes:
    """A DER value alone. Source: X.690, 8.1.3."""
    if len(der) < 2 or der[1] < 0x80:
        return der[: 2 + der[1]] if len(der) >= 2 else der
    width = der[1] & 0x7F
    return der[: 2 + width + int.from_bytes(der[2 : 2 + width], "big")]


def _common_names(signature: bytes) -> list[str]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import pkcs7

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # over what is read all the same: BER for DER, odd serial numbers
            certificates = pkcs7.load_der_pkcs7_certificates(signature)
            subjects = [certificate.subject for certificate in certificates]
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(f"its signature cannot be read: {str(error)[:100]}") from None
    found = [name.value for subject in subjects for name in subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    return [name if isinstance(name, str) else name.decode(errors="replace") for name in found]
