"""The VHD around the disk: footers with one thing wrong each."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from trees import DEBIAN, ask, changed

from flight.workflows.certify.facts import Container
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import rules_in
from flight.workflows.certify.rules.disk import container
from flight.workflows.vhd import EPOCH, MIB, footer
from flight.workflows.vhd.layout import checksum

GIB = 1 << 30
ORIGINAL, CURRENT, KIND, OFFSET, CREATOR = 40, 48, 60, 16, 28
"""Where fields of a footer begin."""


def made(size: int = 32 * GIB, *, file_bytes: int | None = None, **fields: bytes) -> Container:
    """A VHD of this size; `fields` are written into its footer, whose checksum is right again afterwards."""
    raw = bytearray(footer(size, made=EPOCH, uid=UUID(int=1)))
    for name, content in fields.items():
        at = globals()[name]
        raw[at : at + len(content)] = content
    raw[64:68] = checksum(bytes(raw)).to_bytes(4, "big")
    return Container("image.vhd", size + 512 if file_bytes is None else file_bytes, "VHD", raw.hex())


def without_footer(form: str = "raw") -> Container:
    return Container("image.vhd", 32 * GIB, form, bytes(512).hex())


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def named(name: str) -> Container:
    return replace(made(), name=name)


DAMAGED = replace(made(), tail_hex=made().tail_hex[:-2] + "01")
CASES = {
    "cookie: a raw disk": ("vhd-cookie", without_footer(), "fail", "no footer"),
    "cookie: another format": ("vhd-cookie", without_footer("qcow2"), "fail", "qcow2"),
    "cookie: a dynamic VHD cut short": ("vhd-cookie", without_footer("VHD"), "fail", "dynamic"),
    "cookie: a file of ten bytes": ("vhd-cookie", Container("a.vhd", 10, "raw", "00" * 10), "fail", "no footer"),
    "fixed: dynamic": ("vhd-fixed", made(KIND=b"\0\0\0\3"), "fail", "dynamic"),
    "fixed: differencing": ("vhd-fixed", made(KIND=b"\0\0\0\4"), "fail", "differencing"),
    "fixed: no known type": ("vhd-fixed", made(KIND=b"\0\0\0\x63"), "fail", "type 99"),
    "fixed: an offset": ("vhd-fixed", made(OFFSET=u64(512)), "fail as warning", "0x200"),
    "fixed: the offset of the specification's text": ("vhd-fixed", made(OFFSET=u64(0xFFFF_FFFF)), "pass", "fixed"),
    "fixed: no footer": ("vhd-fixed", without_footer(), "not applicable", "vhd-cookie"),
    "checksum: a bit": ("vhd-footer-checksum", DAMAGED, "fail", "it should be"),
    "size: a sector too much": ("vhd-size-mib", made(3 * GIB + 512), "fail", "512 more than 3072 MiB"),
    "size: rounded by qemu-img": ("vhd-size-mib", made(3_221_471_232), "fail", "3221471232"),
    "size: nothing": ("vhd-size-mib", made(CURRENT=u64(0)), "fail", "0 bytes"),
    "length: cut": ("vhd-length", made(file_bytes=GIB), "fail", "too short"),
    "length: padded": ("vhd-length", made(file_bytes=33 * GIB), "fail", "too long"),
    "length: of a dynamic one": ("vhd-length", made(KIND=b"\0\0\0\3", file_bytes=4096), "not applicable", "vhd-fixed"),
    "least: 16 MiB": ("vhd-size-min", made(16 * MIB), "fail", "16.0 MiB"),
    "least: 20 MiB": ("vhd-size-min", made(20 * MIB), "pass", "20.0 MiB"),
    "range: 1023 GiB": ("vhd-size-range", made(1023 * GIB), "pass", "1023 GiB"),
    "range: a MiB more": ("vhd-size-range", made(1023 * GIB + MIB), "fail", "beyond 1023 GiB"),
    "range: 16 EiB less a byte": ("vhd-size-range", made(CURRENT=u64(2**64 - 1)), "fail", "beyond"),
    "range: below 1 GiB": ("vhd-size-range", made(GIB - MIB), "fail", "below 1 GiB"),
    "range: below 30 GiB": ("vhd-size-range", made(GIB), "fail as warning", "below 30 GiB"),
    "range: 30 GiB": ("vhd-size-range", made(30 * GIB), "pass", "30.0 GiB"),
    "original: another": ("vhd-orig-eq-cur", made(ORIGINAL=u64(GIB)), "fail", "1073741824 bytes once"),
    "rounding: seen": ("vhd-qemu-chs-trap", made(3_221_471_232, CREATOR=b"qemu"), "fail", "rounded it to 6"),
    "rounding: without harm": ("vhd-qemu-chs-trap", made(CREATOR=b"qemu"), "pass", "qemu"),
    "rounding: made by a hostile program": ("vhd-qemu-chs-trap", made(CREATOR=b"\x1b]0;"), "pass", r"\x1b"),
    "name: a percent sign": ("vhd-name", named("my%20image.vhd"), "fail", "has %"),
    "name: a quotation mark": ("vhd-name", named('my"image.vhd'), "fail", '"'),
    "name: a blank and a bracket": ("vhd-name", named("my image (1).vhd"), "fail", " ()"),
    "name: no ASCII": ("vhd-name", named("größe.vhd"), "fail", "öß"),
    "name: terminal controls": ("vhd-name", named("a\x1b[2J.vhd"), "fail", r"\x1b"),
    "name: an option": ("vhd-name", named("-rf.vhd"), "fail", "begins oddly"),
    "name: a line break at its end": ("vhd-name", named("image.vhd\n"), "fail", r"\n"),
    "name: of signs that are allowed": ("vhd-name", named("Image_1.2-rc.vhd"), "pass", "Image_1.2-rc.vhd"),
}


@pytest.mark.parametrize(("rule_id", "file", "status", "words"), CASES.values(), ids=CASES)
def test_a_vhd_is_judged(rule_id: str, file: Container, status: str, words: str) -> None:
    outcome = ask(rule_id, changed(DEBIAN, container=file))
    assert f"{outcome.status}{' as ' + outcome.severity if outcome.severity else ''}" == status
    assert words in outcome.seen


@pytest.mark.parametrize("rule", rules_in(container), ids=lambda rule: rule.id)
def test_a_sound_vhd_passes_and_each_rule_has_one_that_fails(rule: Rule) -> None:
    assert ask(rule.id, DEBIAN).status == "pass"
    assert any(status.startswith("fail") for name, _, status, _ in CASES.values() if name == rule.id)
