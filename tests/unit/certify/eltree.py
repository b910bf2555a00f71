"""Enterprise Linux 8, 9 and 10 as trees that are made here, after Microsoft's guide for Red Hat: no real ones can be had.

A made tree shows that a rule understands what Enterprise Linux writes; whether a real image writes it is not shown.
"""

from __future__ import annotations

import functools
from uuid import UUID

from flight.workflows.certify.facts import BIOS_BOOT, ESP, Container, Filesystem, Partition, PartitionTable, Snapshot
from flight.workflows.certify.reading.initramfs import Initramfs
from flight.workflows.certify.reading.packages import Package
from flight.workflows.certify.tree import Entry, Tree
from flight.workflows.vhd import EPOCH, footer

ROOT, BOOT, EFI = "4a11b42f-1c23-5a18-9462-eaeafb2aa3f7", "0b7e7d5a-3f0b-4a34-8f35-3a2d4c1f9e10", "5FDF-1BBB"
SIZE = 32 << 30
KERNELS = {8: "4.18.0-553.el8_10.x86_64", 9: "5.14.0-570.el9.x86_64", 10: "6.12.0-100.el10.x86_64"}
PYTHONS = {8: "3.6.8-70.el8", 9: "3.9.21-2.el9", 10: "3.12.9-1.el10"}
OPENSSLS = {8: "1:1.1.1k-14.el8", 9: "1:3.2.2-6.el9", 10: "1:3.2.2-16.el10"}
CLOUD_INITS = {8: "23.4-7.el8", 9: "24.4-4.el9", 10: "24.4-6.el10"}
DRIVERS = ("hv_vmbus", "hv_storvsc", "hv_netvsc", "hyperv_keyboard", "hid_hyperv", "nvme", "nvme_core", "pci_hyperv")
CONFIG = """\
CONFIG_HYPERV=m
CONFIG_HYPERV_STORAGE=m
CONFIG_HYPERV_NET=m
CONFIG_HYPERV_UTILS=m
CONFIG_HYPERV_BALLOON=m
CONFIG_HID_HYPERV_MOUSE=m
CONFIG_HYPERV_KEYBOARD=m
CONFIG_FB_HYPERV=m
CONFIG_DRM_HYPERV=m
CONFIG_PCI_HYPERV=m
CONFIG_UDF_FS=m
CONFIG_VFAT_FS=m
CONFIG_CIFS=m
CONFIG_WATCHDOG=y
CONFIG_BLK_DEV_FD=m
CONFIG_MLX4_EN=m
CONFIG_MLX5_CORE=m
CONFIG_MICROSOFT_MANA=m
CONFIG_BLK_DEV_NVME=m
CONFIG_NVME_CORE=m
"""
MODULES = """\
kernel/drivers/hv/hv_vmbus.ko.xz:
kernel/drivers/hv/hv_utils.ko.xz:
kernel/drivers/hv/hv_balloon.ko.xz:
kernel/drivers/scsi/hv_storvsc.ko.xz:
kernel/drivers/net/hyperv/hv_netvsc.ko.xz:
kernel/drivers/hid/hid-hyperv.ko.xz:
kernel/drivers/input/serio/hyperv-keyboard.ko.xz:
kernel/drivers/gpu/drm/hyperv/hyperv_drm.ko.xz:
kernel/drivers/pci/controller/pci-hyperv.ko.xz:
kernel/fs/udf/udf.ko.xz:
kernel/fs/fat/vfat.ko.xz:
kernel/fs/smb/client/cifs.ko.xz:
kernel/drivers/block/floppy.ko.xz:
kernel/drivers/net/ethernet/mellanox/mlx4/mlx4_en.ko.xz:
kernel/drivers/net/ethernet/mellanox/mlx5/core/mlx5_core.ko.xz:
kernel/drivers/net/ethernet/microsoft/mana/mana.ko.xz:
kernel/drivers/nvme/host/nvme.ko.xz:
kernel/drivers/nvme/host/nvme-core.ko.xz:
"""
SSHD = "ClientAliveInterval 180\nPermitRootLogin no\nPasswordAuthentication no\nSubsystem sftp /usr/libexec/openssh/sftp-server\n"
WAAGENT = """\
Extensions.Enabled=y
Provisioning.Agent=cloud-init
Provisioning.DeleteRootPassword=y
ResourceDisk.Format=n
ResourceDisk.EnableSwap=n
OS.RootDeviceScsiTimeout=300
AutoUpdate.Enabled=y
"""
CLOUD = """\
users:
 - default
cloud_init_modules:
 - migrator
 - seed_random
 - bootcmd
 - write_files
 - growpart
 - resizefs
 - disk_setup
 - mounts
 - set_hostname
 - users_groups
 - ssh
cloud_config_modules:
 - locale
 - ntp
 - timezone
 - runcmd
cloud_final_modules:
 - scripts_user
 - final_message
"""
DATASOURCE = "datasource_list: [ Azure ]\ndatasource:\n    Azure:\n        apply_network_config: False\n"
KVP = "reporting:\n    logging:\n        type: log\n    telemetry:\n        type: hyperv\n"
CHRONY = "refclock PHC /dev/ptp_hyperv poll 3 dpoll -2 offset 0 stratum 2\nmakestep 1.0 -1\ndriftfile /var/lib/chrony/drift\n"
REPO = "[baseos]\nname=BaseOS\nenabled=1\nmirrorlist=https://mirrors.example/$releasever\n[appstream]\nname=AppStream\nenabled=1\n"
IFCFG = "DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\nTYPE=Ethernet\nUSERCTL=no\nPEERDNS=yes\nIPV6INIT=no\n"
UNMANAGED = "[keyfile]\nunmanaged-devices=driver:mlx4_core;driver:mlx5_core\n"
SERVICES = (
    "sshd",
    "waagent",
    "chronyd",
    "cloud-init-local",
    "cloud-config",
    "cloud-final",
    "NetworkManager",
    "hypervkvpd",
    "firewalld",
)


@functools.cache
def el(release: int) -> Snapshot:
    """Release 8, 9 or 10, for both generations; every rule is content with it but those on Python in 8."""
    entries = {path: Entry("d", 0o755) for path in FOLDERS}
    contents = dict[str, bytes]()
    for path, text in _files(release).items():
        mode = 0o000 if path == "/etc/shadow" else 0o600 if "ssh" in path else 0o644
        entries[path] = Entry("f", mode, size=len(text), owner="made")
        contents[path] = text.encode()
    for path, target in _links(release).items():
        entries[path] = Entry("l", 0o777, target=target)
    for path in PROGRAMS:
        entries[path] = Entry("f", 0o755, size=4096, owner="made")
    for path in list(entries):
        _above(path, entries)
    boot = f"/boot/initramfs-{KERNELS[release]}.img"
    entries[boot] = Entry("f", 0o600, size=30 << 20)
    entries[f"/boot/vmlinuz-{KERNELS[release]}"] = Entry("f", 0o755, size=14 << 20, owner="made")
    for line in MODULES.splitlines():
        path = f"/usr/lib/modules/{KERNELS[release]}/{line.partition(':')[0]}"
        entries[path] = Entry("f", size=4096, owner="made")
        _above(path, entries)
    return Snapshot(
        _container(), _table(), _filesystems(), Tree(dict(sorted(entries.items())), contents), "rpm", _packages(release),
        initramfs={boot: Initramfs(("init",), DRIVERS, ("none", "gzip"), modules_dep=DRIVERS)},
        heads={"/usr/bin/bash": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00" + bytes(44)},
        signers={"/boot/efi/EFI/BOOT/BOOTX64.EFI": ("Microsoft Corporation UEFI CA 2011",)},
    )  # fmt: skip


FOLDERS = (
    "/",
    "/etc",
    "/root",
    "/home",
    "/var/log",
    "/var/lib/waagent",
    "/var/lib/cloud",
    "/tmp",
    "/usr/lib/systemd/system",
)
PROGRAMS = (
    "/usr/bin/bash", "/usr/bin/python3", "/usr/sbin/sshd", "/usr/sbin/waagent", "/usr/bin/cloud-init", "/usr/sbin/chronyd",
    "/usr/sbin/dhclient", "/usr/sbin/NetworkManager", "/usr/bin/growpart", "/usr/lib/systemd/systemd",
    "/usr/lib/systemd/system-generators/cloud-init-generator", "/boot/efi/EFI/BOOT/BOOTX64.EFI",
    "/boot/efi/EFI/BOOT/fbx64.efi", "/boot/efi/EFI/redhat/BOOTX64.CSV", "/boot/efi/EFI/redhat/grubx64.efi",
)  # fmt: skip


def _files(release: int) -> dict[str, str]:
    kernel = KERNELS[release]
    arguments = (
        f"root=UUID={ROOT} ro console=tty1 console=ttyS0 earlyprintk=ttyS0 rootdelay=300 nvme_core.io_timeout=240"
    )
    arguments += " net.ifnames=0" if release < 10 else ""
    entry = f"linux /vmlinuz-{kernel}\ninitrd /initramfs-{kernel}.img\n"
    options = "options $kernelopts\n" if release == 8 else f"options {arguments}\n"
    env = f"# GRUB Environment Block\nsaved_entry=abc-{kernel}\n" + (
        f"kernelopts={arguments}\n" if release == 8 else ""
    )
    main = "Include /etc/ssh/sshd_config.d/*.conf\n" if release > 8 else ""
    return {
        "/usr/lib/os-release": f'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="{release}.4"\n'
        f'PRETTY_NAME="AlmaLinux {release}.4 (made for tests)"\n',
        "/etc/fstab": f"UUID={ROOT} / xfs defaults 0 0\nUUID={BOOT} /boot xfs defaults 0 0\n"
        f"UUID={EFI} /boot/efi vfat umask=0077 0 2\n",
        "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nsshd:x:74:74::/usr/share/empty.sshd:/usr/sbin/nologin\n",
        "/etc/shadow": "root:!locked::0:99999:7:::\nsshd:!!:19000::::::\n",
        "/etc/group": "root:x:0:\nsshd:x:74:\n",
        "/etc/sudoers": "Defaults   !visiblepw\nroot ALL=(ALL) ALL\n%wheel ALL=(ALL) ALL\n",
        "/etc/hostname": "localhost.localdomain\n",
        "/etc/hosts": "127.0.0.1 localhost localhost.localdomain\n::1 localhost localhost.localdomain\n",
        "/etc/machine-id": "",
        "/etc/nsswitch.conf": "passwd: sss files systemd\nhosts: files dns myhostname\n",
        f"/boot/loader/entries/abc-{kernel}.conf": f"title AlmaLinux ({kernel})\nversion {kernel}\n{entry}{options}",
        "/boot/grub2/grub.cfg": "load_env\nset default=\"${saved_entry}\"\n"
        f"search --no-floppy --fs-uuid --set=root {BOOT}\ninsmod blscfg\nblscfg\n",
        "/boot/grub2/grubenv": env.ljust(1024, "#"),
        "/boot/efi/EFI/redhat/grub.cfg": f"search --no-floppy --fs-uuid --set=dev {BOOT}\nset prefix=($dev)/grub2\n"
        "configfile $prefix/grub.cfg\n",
        f"/boot/config-{kernel}": CONFIG,
        f"/usr/lib/modules/{kernel}/modules.dep": MODULES,
        f"/usr/lib/modules/{kernel}/modules.builtin": "kernel/drivers/watchdog/watchdog.ko\n",
        "/usr/lib/modprobe.d/floppy-blacklist.conf": "blacklist floppy\n",
        "/etc/ssh/sshd_config": f"{main}{SSHD}",
        "/etc/waagent.conf": WAAGENT,
        "/usr/lib/python3/site-packages/azurelinuxagent/common/version.py": 'AGENT_VERSION = "2.13.1.1"\n',
        "/etc/cloud/cloud.cfg": CLOUD,
        "/etc/cloud/cloud.cfg.d/91-azure_datasource.cfg": DATASOURCE,
        "/etc/cloud/cloud.cfg.d/10-azure-kvp.cfg": KVP,
        "/etc/chrony.conf": CHRONY,
        "/etc/yum.repos.d/almalinux.repo": REPO,
        "/etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=localhost.localdomain\n",
        "/etc/sysconfig/network-scripts/ifcfg-eth0": IFCFG,
        "/etc/udev/rules.d/68-azure-sriov-nm-unmanaged.rules": 'SUBSYSTEM=="net", DRIVERS=="hv_pci", ACTION=="add", '
        'ENV{NM_UNMANAGED}="1"\n',
        "/etc/NetworkManager/conf.d/99-azure-unmanaged-devices.conf": UNMANAGED,
        "/etc/NetworkManager/conf.d/dhcp.conf": "[connection]\nipv4.dhcp-timeout=300\n",
        "/usr/lib/firewalld/zones/public.xml": '<?xml version="1.0"?>\n<zone><service name="ssh"/>'
        '<service name="dhcpv6-client"/></zone>\n',
        "/etc/firewalld/firewalld.conf": "DefaultZone=public\n",
        **{f"/usr/lib/systemd/system/{name}.service": _unit(name) for name in SERVICES},
        "/usr/lib/systemd/system/cloud-init.target": "[Unit]\nDescription=Cloud-init target\n",
        "/usr/lib/systemd/system/cloud-init.service": _unit("cloud-init", "cloud-init.target"),
    }  # fmt: skip


def _unit(name: str, wanted_by: str = "multi-user.target") -> str:
    return f"[Unit]\nDescription={name}\n[Service]\nExecStart=/usr/sbin/{name}\n[Install]\nWantedBy={wanted_by}\n"


def _links(release: int) -> dict[str, str]:
    wants = "/etc/systemd/system/multi-user.target.wants"
    return {
        "/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/etc/os-release": "../usr/lib/os-release",
        "/usr/bin/sh": "bash", "/etc/resolv.conf": "/run/NetworkManager/resolv.conf",
        "/etc/systemd/system/default.target": "/usr/lib/systemd/system/multi-user.target",
        "/etc/systemd/system/cloud-init.target.wants/cloud-init.service": "/usr/lib/systemd/system/cloud-init.service",
        **{f"{wants}/{name}.service": f"/usr/lib/systemd/system/{name}.service" for name in SERVICES},
    }  # fmt: skip


def _packages(release: int) -> tuple[Package, ...]:
    versions = {
        "kernel-core": KERNELS[release].rpartition(".")[0], "python3": PYTHONS[release], "openssl": OPENSSLS[release],
        "openssl-libs": OPENSSLS[release], "cloud-init": CLOUD_INITS[release], "WALinuxAgent": f"2.13.1.1-1.el{release}",
        "hyperv-daemons": f"0-0.50.el{release}", "cloud-utils-growpart": f"0.33-1.el{release}", "gdisk": f"1.0.7-5.el{release}",
        "chrony": f"4.6.1-1.el{release}", "openssh-server": f"8.7p1-45.el{release}", "NetworkManager": f"1:1.52.0-3.el{release}",
        "dhcp-client": f"12:4.4.2-19.b1.el{release}", "NetworkManager-cloud-setup": f"1:1.52.0-3.el{release}",
        "azure-vm-utils": f"0.6.0-1.el{release}", "bash": f"5.1.8-9.el{release}", "glibc": f"2.34-168.el{release}",
        "shim-x64": "15.8-4", "grub2-efi-x64": "1:2.06-104", "firewalld": f"1.3.4-9.el{release}", "xfsprogs": "6.4.0-5",
    }  # fmt: skip
    return tuple(Package(name, version, "x86_64", name, version) for name, version in sorted(versions.items()))


def _above(path: str, entries: dict[str, Entry]) -> None:
    folder = path.rpartition("/")[0]
    if folder and folder not in entries:
        entries[folder] = Entry("d", 0o755, owner="made")
        _above(folder, entries)


def _container() -> Container:
    return Container("made-el.vhd", SIZE + 512, "VHD", footer(SIZE, made=EPOCH, uid=UUID(int=1)).hex())


def _table() -> PartitionTable:
    parts = (
        (1, BIOS_BOOT, 2048, 2048),
        (2, ESP, 4096, 204800),
        (3, LINUX, 208896, 2097152),
        (4, LINUX, 2306048, 64800768),
    )
    return PartitionTable(
        "gpt",
        tuple(Partition(*row, guid=f"00000000-0000-0000-0000-{row[0]:012}") for row in parts),
        has_boot_code=True,
        has_core=True,
    )


LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"


def _filesystems() -> tuple[Filesystem, ...]:
    rows = ((1, "", "", ""), (2, "vfat", EFI, "/boot/efi"), (3, "xfs", BOOT, "/boot"), (4, "xfs", ROOT, "/"))
    sizes = {part.number: part.sectors * 512 for part in _table().partitions}
    return tuple(
        Filesystem(f"/dev/sda{number}", number, sizes[number], kind, uuid, mounted_at=at)
        for number, kind, uuid, at in rows
    )
