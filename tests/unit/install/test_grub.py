"""GRUB's images patched where they lie, and the texts that lead to the root filesystem."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from flight.workflows.install import grub
from flight.workflows.install.debian.family import GRUB
from flight.workflows.install.layout import plan_layout
from flight.workflows.kickstart.plan import InstallPlan

LAYOUT = plan_layout(InstallPlan("small", "1", "debian", "trixie", "http://mirror.example/debian"))


def test_boot_code_leaves_the_partition_table_alone_and_points_at_the_core() -> None:
    patched = grub.patched_boot(bytes(range(256)) * 2, core_sector=2048)
    assert len(patched) == 440
    assert struct.unpack_from("<Q", patched, 0x5C) == (2048,)
    assert (patched[0x64], patched[0x66:0x68]) == (0xFF, b"\x90\x90")
    assert patched[:0x5C] == bytes(range(0x5C))


@settings(deadline=None)
@given(st.binary(min_size=513, max_size=5000))
def test_the_core_is_whole_sectors_and_says_where_its_rest_lies(core: bytes) -> None:
    patched = grub.patched_core(core, core_sector=2048)
    sectors = len(patched) // 512
    assert len(patched) % 512 == 0
    assert struct.unpack_from("<QHH", patched, 0x1F4) == (2049, sectors - 1, 0x820)
    assert patched[512 : len(core)] == core[512:]
    assert patched[:0x1F4] == core[:0x1F4]


def test_the_stub_finds_the_root_by_uuid_and_hands_over() -> None:
    uuid = LAYOUT.at("/").identifier
    assert grub.render_stub(LAYOUT, GRUB).splitlines() == [
        f"search.fs_uuid {uuid} root",
        "set prefix=($root)/boot/grub",
        "configfile $prefix/grub.cfg",
    ]


def test_the_probe_knows_the_disk_to_be() -> None:
    probe = grub.render_probe(LAYOUT)
    assert f"fs_uuid) echo {LAYOUT.at('/').identifier} ;;" in probe
    assert "hd0,gpt3" in probe
