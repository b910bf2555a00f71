"""What a guest is made of, as libvirt reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from flight.workflows.hypervisor.domain import FIRMWARES, Domain, Firmware, render_domain

PLAIN = Domain(
    name="flight-0123",
    disk=Path("/work/overlay.qcow2"),
    console=Path("/work/console.log"),
    firmware="bios",
    nvram=Path("/work/overlay.fd"),
    has_kvm=False,
    emulator="/usr/bin/qemu-system-x86_64",
    stamp="flight-0123",
)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("has_kvm", [False, True], ids=["emulated", "kvm"])
def test_a_guest_reads_as_agreed(firmware: Firmware, has_kvm: bool, golden: Callable[[str, str], None]) -> None:
    text = render_domain(replace(PLAIN, firmware=firmware, has_kvm=has_kvm), as_root=has_kvm)
    golden(f"domain-{firmware}-{'kvm' if has_kvm else 'emulated'}.xml", text)


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_a_guest_has_no_network_at_all(firmware: Firmware) -> None:
    devices = ET.fromstring(render_domain(replace(PLAIN, firmware=firmware))).find("devices")
    assert devices is not None
    assert not {"interface", "hostdev", "filesystem", "channel", "redirdev", "graphics"} & {
        each.tag for each in devices
    }


def test_a_path_with_characters_that_mean_something_to_xml_comes_through() -> None:
    odd = Path("/work/a<b>&'\"c/disk.qcow2")
    source = ET.fromstring(render_domain(replace(PLAIN, disk=odd))).find("devices/disk/source")
    assert source is not None
    assert source.get("file") == str(odd)
