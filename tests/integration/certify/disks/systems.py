"""Whole Debian 12 systems on disks as other tools assemble them, laid out like Debian's own cloud images.

Both start by BIOS and by UEFI (by shim). They are made of one package tree; what differs is a shell script run in a copy of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from certify.disks import assembling as disk
from certify.disks import tree
from certify.disks.keeping import kept
from flight.workflows.kickstart.mirrors import host_mirrors
from flight.workflows.kit.arriving import remove
from rpm.programs import ran

DISKS = {
    "cloud_style": "a Debian of another tool, with nothing done for Azure, and with what its build left in it",
    "certified_style": "the same with every fault of it mended by hand: a disk of 32 GiB that is not ours and passes",
}
SOURCES = ("systems", "tree", "assembling")
ROOT_START, ESP_SERIAL = 262144, "c10dc10d"
BIOS, ESP = disk.Part(14, 2048, 6144, disk.BIOS_BOOT), disk.Part(15, 8192, 253952, disk.ESP)
CORE_MODULES = ("biosdisk", "part_gpt", "ext2", "search", "search_fs_uuid", "configfile", "normal", "linux", "gzio")

LEFT = r"""
echo builder > /etc/hostname
echo 2f1c8a0e5b7d4c9fa3e6d1b0c4a59788 > /etc/machine-id
useradd --create-home --shell /bin/bash builder
echo 'builder:$6$madeupsalt$eHxMYyPzq0vJ6m7kT0n9mQ8bq4yWm0Zr6dJkq3o1u5CwQ2v8Xs4Lh7Nf9Tg1Ab3Rd5Ek7Yp9Uz0Oi2Wc4Vn6/' | chpasswd -e
install -d -o builder -m 700 /home/builder/.ssh
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZsaWdodC10ZXN0LWtleS1vZi1uby1vbmUtYXQtYWxs builder@laptop' \
    > /home/builder/.ssh/authorized_keys
printf '%s\n' 'apt-get update' 'poweroff' > /root/.bash_history
mkdir -p /var/lib/cloud/instances/i-0123 /var/lib/dhcp
ln -s /var/lib/cloud/instances/i-0123 /var/lib/cloud/instance
echo i-0123 > /var/lib/cloud/instances/i-0123/datasource
echo 'cloud-init ran' > /var/log/cloud-init.log
echo 'lease { interface "ens3"; }' > /var/lib/dhcp/dhclient.ens3.leases
rm -f /etc/resolv.conf
echo 'nameserver 192.0.2.53' > /etc/resolv.conf
"""
"""What a build and a first boot elsewhere leave behind. Blockers: a login with a password and a key, a shell's history,
cloud-init's instance; with what the packages bring, host keys and no ClientAliveInterval; of the disk, 3 GiB and a
kernel without a serial console. Warnings: the agent's AutoUpdate and ResourceDisk.Format, leases, a name server, ….
"""

MENDED = r"""
echo localhost > /etc/hostname
printf '127.0.0.1 localhost\n::1 localhost\n' > /etc/hosts
: > /etc/machine-id
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/apt/apt.conf.d/99mmdebstrap /etc/resolv.conf
ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
find /var/log -type f -delete
rm -rf /root/.ssh /var/lib/apt/lists/* /var/cache/apt/*.bin /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow-
sed -i 's/^#ClientAliveInterval .*/ClientAliveInterval 180/; s/^#PermitRootLogin .*/PermitRootLogin no/' /etc/ssh/sshd_config
sed -i -e 's/^\(AutoUpdate.Enabled\)=.*/\1=y/' -e 's/^\(ResourceDisk.Format\)=.*/\1=n/' /etc/waagent.conf
echo AutoUpdate.UpdateToLatestVersion=y >> /etc/waagent.conf
printf '%s\n' 'datasource_list: [ Azure ]' 'datasource: { Azure: { apply_network_config: false } }' \
    > /etc/cloud/cloud.cfg.d/91-azure_datasource.cfg
echo 'reporting: { logging: { type: log }, telemetry: { type: hyperv } }' > /etc/cloud/cloud.cfg.d/10-azure-kvp.cfg
cat > /etc/netplan/50-eth0.yaml <<'END'
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      dhcp4: true
END
chmod 600 /etc/netplan/50-eth0.yaml
systemctl enable systemd-networkd.service hv-kvp-daemon.service
printf 'blacklist floppy\ninstall floppy /bin/true\n' > /etc/modprobe.d/no-floppy.conf
sed -i 's/^makestep .*/makestep 1.0 -1/' /etc/chrony/chrony.conf
echo 'refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2' >> /etc/chrony/chrony.conf
echo 'SUBSYSTEM=="net", DRIVERS=="mlx4_core|mlx5_core|mana", ENV{ID_NET_MANAGED_BY}="unmanaged"' \
    > /etc/udev/rules.d/10-azure-unmanaged-sriov.rules
"""
"""What the rules ask for, done as somebody would by hand. One warning stays: see FOR_AZURE."""

QUIET = "quiet"
FOR_AZURE = "console=tty0 console=ttyS0,115200 earlyprintk=ttyS0,115200 net.ifnames=0 nvme_core.io_timeout=240"
"""Without rootdelay=300, which Azure's self-test would like to see: Debian's initramfs sleeps through all of it."""


@dataclass(frozen=True)
class System:
    """A disk: its name and size, the script that is run in its tree, and the words of its kernel."""

    name: str
    size_gib: int
    script: str
    words: str

    @property
    def root_uuid(self) -> str:
        return disk.identifier(self.name)


SYSTEMS = (System("cloud_style", 3, LEFT, QUIET), System("certified_style", 32, MENDED, FOR_AZURE))


def make(to: Path) -> None:
    """Both disks, of the one tree."""
    packages = kept("tree", tree.SOURCES, tree.make) / "root"
    for system in SYSTEMS:
        root = to / "root"
        ran(["cp", "--archive", "--reflink=auto", packages, root])
        core = _dress(root, system)
        _write(to / f"{system.name}.raw", root, system, core)
        remove(root)


def _dress(root: Path, system: System) -> bytes:
    """Write what belongs to this disk into the tree; GRUB's core for a BIOS."""
    (root / "etc/fstab").write_text(
        f"UUID={system.root_uuid} / ext4 rw,discard,errors=remount-ro 0 1\n"
        f"UUID={ESP_SERIAL[:4].upper()}-{ESP_SERIAL[4:].upper()} /boot/efi vfat umask=0077 0 0\n"
    )
    (root / "etc/default/grub").write_text(f'GRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_DEFAULT="{system.words}"\n')
    (root / "etc/apt/sources.list").write_text(f"deb {host_mirrors().archive} {tree.RELEASE} main\n")
    (root / "boot/efi").mkdir()
    ran(["chroot", root, "sh", "-eu"], stdin=system.script)
    grub = root / "boot/grub"
    ran(["cp", "-r", root / "usr/lib/grub/i386-pc", grub.with_name("i386-pc")])
    grub.mkdir()
    grub.with_name("i386-pc").rename(grub / "i386-pc")
    (grub / "grub.cfg").write_text(_menu(root, system))
    (grub / "early.cfg").write_text(f"search.fs_uuid {system.root_uuid} root\nset prefix=($root)/boot/grub\n")
    core = ("-c", "/boot/grub/early.cfg", "-p", "/boot/grub", "-o", "/boot/grub/i386-pc/core.img", *CORE_MODULES)
    ran(["chroot", root, "grub-mkimage", "-O", "i386-pc", *core])
    return (grub / "i386-pc/core.img").read_bytes()


def _menu(root: Path, system: System) -> str:
    """grub.cfg with one entry for the newest kernel."""
    kernel = max((root / "boot").glob("vmlinuz-*")).name
    return (
        "set default=0\nset timeout=1\n"
        f"menuentry 'Debian GNU/Linux' --class debian --class os {{\n"
        f"\tinsmod part_gpt\n\tinsmod ext2\n\tsearch --no-floppy --fs-uuid --set=root {system.root_uuid}\n"
        f"\tlinux\t/boot/{kernel} root=UUID={system.root_uuid} ro {system.words}\n"
        f"\tinitrd\t/boot/{re.sub('^vmlinuz', 'initrd.img', kernel)}\n}}\n"
    )


def _write(raw: Path, root: Path, system: System, core: bytes) -> None:
    """The disk: table, both boot loaders, root."""
    disk.sparse(raw, system.size_gib * disk.GIB)
    sectors = system.size_gib * disk.GIB // disk.SECTOR - ROOT_START - 2048
    part = disk.Part(1, ROOT_START, sectors, "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709")
    disk.table(raw, (part, BIOS, ESP))
    disk.bios_boot(raw, BIOS, boot=(root / "boot/grub/i386-pc/boot.img").read_bytes(), core=core)
    found = raw.with_suffix(".cfg")
    found.write_text(
        f"search.fs_uuid {system.root_uuid} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
    )
    shim, grub = root / "usr/lib/shim", root / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    files = {"EFI/debian/grub.cfg": found, "EFI/debian/shimx64.efi": shim / "shimx64.efi.signed"}
    files |= {"EFI/BOOT/BOOTX64.EFI": shim / "shimx64.efi.signed", "EFI/debian/mmx64.efi": shim / "mmx64.efi.signed"}
    files |= {"EFI/BOOT/grubx64.efi": grub, "EFI/debian/grubx64.efi": grub}
    disk.fat(raw, ESP, files, serial=ESP_SERIAL)
    disk.ext4(raw, part, root, named=system.name)
    found.unlink()
    disk.vhd(raw)
