"""A guest as a value, and the domain XML that libvirt starts it from (pure).

Guests are transient, have no network card at all, one virtio disk, a serial port written to a file and a screen that
can be photographed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

Firmware = Literal["bios", "uefi"]
FIRMWARES: tuple[Firmware, ...] = ("bios", "uefi")
DISK_TARGET = "vda"
"""What the guest's only disk is called; libvirt's block statistics are asked for by this name."""


@dataclass(frozen=True)
class Domain:
    """What a guest is made of. `disk` is a qcow2 that it writes to; its kernel prints `stamp` on the DMI line."""

    name: str
    disk: Path
    console: Path
    firmware: Firmware
    nvram: Path
    has_kvm: bool
    emulator: str
    stamp: str
    memory_mib: int = 2048
    cpus: int = 2


def render_domain(domain: Domain, *, as_root: bool = False) -> str:
    """The domain XML, indented, ending in a newline.

    `as_root` is for a daemon's guests: QEMU then runs as root and the owners of our files stay what they are.

    A guest that resets or crashes is destroyed, so that its console ends where it failed. Under BIOS the firmware
    writes to the serial port as well: "No bootable device" and GRUB's rescue prompt are words, not only a picture.
    """
    root = ET.Element("domain", type="kvm" if domain.has_kvm else "qemu")
    ET.SubElement(root, "name").text = domain.name
    ET.SubElement(root, "memory", unit="MiB").text = str(domain.memory_mib)
    ET.SubElement(root, "vcpu").text = str(domain.cpus)
    bios = ET.SubElement(ET.SubElement(root, "sysinfo", type="smbios"), "bios")
    ET.SubElement(bios, "entry", name="version").text = domain.stamp
    root.append(_firmware(domain))
    ET.SubElement(ET.SubElement(root, "features"), "acpi")
    ET.SubElement(root, "cpu", mode="host-passthrough" if domain.has_kvm else "maximum", check="none")
    for event, reaction in (("poweroff", "destroy"), ("reboot", "destroy"), ("crash", "destroy")):
        ET.SubElement(root, f"on_{event}").text = reaction
    root.append(_devices(domain))
    if as_root:
        owner = ET.SubElement(root, "seclabel", type="static", model="dac", relabel="no")
        ET.SubElement(owner, "label").text = "+0:+0"
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _firmware(domain: Domain) -> ET.Element:
    """SeaBIOS, or the host's OVMF with Secure Boot off and variables of its own: only the removable path boots."""
    uefi = domain.firmware == "uefi"
    element = ET.Element("os", {"firmware": "efi"} if uefi else {})
    ET.SubElement(element, "type", arch="x86_64", machine="q35").text = "hvm"
    if uefi:
        features = ET.SubElement(element, "firmware")
        for name in ("secure-boot", "enrolled-keys"):
            ET.SubElement(features, "feature", enabled="no", name=name)
        ET.SubElement(element, "nvram").text = str(domain.nvram)
    else:
        ET.SubElement(element, "bios", useserial="yes")
    ET.SubElement(element, "smbios", mode="sysinfo")
    return element


def _devices(domain: Domain) -> ET.Element:
    devices = ET.Element("devices")
    ET.SubElement(devices, "emulator").text = domain.emulator
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="qcow2", discard="unmap")
    ET.SubElement(disk, "source", file=str(domain.disk))
    ET.SubElement(disk, "target", dev=DISK_TARGET, bus="virtio")
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(domain.console))
    ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga")
    rng = ET.SubElement(devices, "rng", model="virtio")
    ET.SubElement(rng, "backend", model="random").text = "/dev/urandom"
    ET.SubElement(devices, "memballoon", model="none")
    return devices
