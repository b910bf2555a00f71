"""Root, fstab and swap: a real disk with one thing wrong each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.facts import Filesystem, Partition
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules import rules_in
from flight.workflows.certify.rules.disk import filesystems
from flight.workflows.certify.tree import Entry

ROOT = DEBIAN.filesystems[2]
TWIN = replace(ROOT, device="/dev/sda4", partition=4)
FSTAB = DEBIAN.tree.text("/etc/fstab") or ""
GRUB = DEBIAN.tree.text("/boot/grub/grub.cfg") or ""
KERNEL = DEBIAN.tree.glob("/boot/vmlinuz-*")[0]
NVME = {"claims": ("nvme",)}
SIGNED = bytes(4086) + b"SWAPSPACE2"
BLIND = {"filesystems": (), "unseen": "libguestfs saw nothing"}


OWN = {rule.id: rule.severity for rule in rules_in(filesystems)}
SEVERITIES = ("blocker", "likely blocker", "warning", "info")


def fstab(*lines: str) -> dict[str, Any]:
    """Lines more in fstab."""
    return {"files": {"/etc/fstab": FSTAB + "".join(f"{line}\n" for line in lines)}}


def only(*lines: str) -> dict[str, Any]:
    return {"files": {"/etc/fstab": "".join(f"{line}\n" for line in lines)}}


def root_at(place: str, *, count: int = -1) -> dict[str, Any]:
    """Another word after root= in grub.cfg, in the first entries only where they are counted."""
    return {"files": {"/boot/grub/grub.cfg": GRUB.replace(f"root=UUID={ROOT.uuid}", place, count)}}


def with_filesystem(*more: Filesystem) -> dict[str, Any]:
    return {"filesystems": (*DEBIAN.filesystems, *more)}


def unit(
    name: str, text: str, wanted_by: str = "multi-user.target.wants", *, is_enabled: bool = True
) -> dict[str, Any]:
    path = f"/etc/systemd/system/{name}"
    link = {f"/etc/systemd/system/{wanted_by}/{name}": path} if is_enabled else {}
    return {"files": {path: text}, "links": link}


def timer(text: str, *, is_enabled: bool = True) -> dict[str, Any]:
    """A timer beside a service that is off by itself."""
    service = unit("s.service", RUNNING.format("/sbin/swapon /s"), is_enabled=False)["files"]
    it = unit("s.timer", text, "timers.target.wants", is_enabled=is_enabled)
    return {**it, "files": {**service, **it["files"]}}


def cloudinit(text: str) -> dict[str, Any]:
    return {"files": {"/etc/cloud/cloud.cfg.d/99-swap.cfg": text}}


SWAP_UNIT = "[Unit]\n[Swap]\nWhat=/var/swap\n[Install]\nWantedBy=swap.target\n"
RUNNING = "[Service]\nType=oneshot\nExecStart={}\n"
CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "root: two": ("os-single-root", with_filesystem(TWIN), "warning", "/dev/sda3, /dev/sda4"),
    "root: none": ("os-single-root", {"filesystems": (replace(ROOT, mounted_at=""),)}, "warning", "none"),
    "root: nothing was seen": ("os-single-root", BLIND, "unknown", "not looked at"),
    "swap: a file in fstab": (
        "os-no-swap-file", fstab("/swapfile none swap sw 0 0"), "blocker", "/etc/fstab:4 turns on /swapfile",
    ),
    "swap: after tabs, with an escape": (
        "os-no-swap-file", fstab("/swap\\040file\tnone\tswap\tsw"), "blocker", "turns on /swap file",
    ),
    "swap: a comment": ("os-no-swap-file", fstab("#/swapfile none swap sw 0 0"), "pass", "nothing does"),
    "swap: noauto": ("os-no-swap-file", fstab("/swapfile none swap noauto"), "pass", "nothing does"),
    "swap: masked": (
        "os-no-swap-file",
        {**fstab("/swap-file none swap sw"), "links": {"/etc/systemd/system/swap\\x2dfile.swap": "/dev/null"}},
        "pass", "nothing does",
    ),
    "swap: a partition in fstab": (
        "os-no-swap-file",
        {**fstab("UUID=77 none swap sw"), **with_filesystem(Filesystem("/dev/sda4", 4, 1, "swap", "77"))},
        "blocker", "turns on UUID=77",
    ),
    "swap: a partition that is not there": (
        "os-no-swap-file", fstab("UUID=77 none swap sw"), "warning", "not on this disk",
    ),
    "swap: on the resource disk": ("os-no-swap-file", fstab("/mnt/swapfile none swap sw,nofail"), "pass", "nothing does"),
    "swap: on cloud-init's link to the resource disk": (
        "os-no-swap-file", fstab("/dev/disk/cloud/azure_resource-part2 none swap sw,nofail"), "pass", "nothing does",
    ),
    "swap: below /mnt, and the file is in the image": (
        "os-no-swap-file",
        {**fstab("/mnt/swapfile none swap sw"), "entries": {"/mnt/swapfile": Entry("f", size=1 << 30)}},
        "blocker", "/mnt/swapfile",
    ),
    "swap: below /mnt, which leads to the OS disk": (
        "os-no-swap-file",
        {**fstab("/mnt/a/swapfile none swap sw"), "links": {"/mnt/a": "/var/lib"}}, "blocker", "/mnt/a/swapfile",
    ),
    "swap: out of /mnt again": ("os-no-swap-file", fstab("/mnt/../swapfile none swap sw"), "blocker", "/mnt/../swapfile"),
    "swap: in memory, by fstab": ("os-no-swap-file", fstab("/dev/zram0 none swap sw"), "pass", "nothing does"),
    "swap: a unit": (
        "os-no-swap-file", unit("var-swap.swap", SWAP_UNIT, "swap.target.wants"), "blocker", "var-swap.swap turns on",
    ),
    "swap: a unit that is off": ("os-no-swap-file", unit("var-swap.swap", SWAP_UNIT, is_enabled=False), "pass", "nothing"),
    "swap: a service": (
        "os-no-swap-file", unit("s.service", RUNNING.format("-/sbin/swapon -p 5 /var/s")), "blocker", "s.service turns on /var/s",
    ),
    "swap: a service with a shell": (
        "os-no-swap-file",
        unit("s.service", RUNNING.format("/bin/sh -c 'mkswap /swapfile && swapon /swapfile'")), "blocker", "/swapfile",
    ),
    "swap: a service that is off": (
        "os-no-swap-file", unit("s.service", RUNNING.format("/sbin/swapon /s"), is_enabled=False), "pass", "nothing",
    ),
    "swap: a service on the resource disk": (
        "os-no-swap-file", unit("s.service", RUNNING.format("/sbin/swapon /mnt/swapfile")), "pass", "nothing",
    ),
    "swap: a service that only turns it off": (
        "os-no-swap-file", unit("s.service", RUNNING.format("/sbin/swapoff /swapfile")), "pass", "nothing",
    ),
    "swap: a package that makes it": (
        "os-no-swap-file", unit("dphys-swapfile.service", RUNNING.format("/sbin/dphys-swapfile swapon")), "blocker", "/var/swap",
    ),
    "swap: crypttab": (
        "os-no-swap-file",
        {"files": {"/etc/crypttab": "# x y z swap\ncs /dev/sda3 /dev/urandom swap,cipher=aes\n"}},
        "blocker", "/etc/crypttab:2 turns on /dev/sda3",
    ),
    "swap: cloud-init's file": (
        "os-no-swap-file", cloudinit("swap:\n  filename: /swap.img\n  size: auto\n"), "blocker", "swap: turns on /swap.img",
    ),
    "swap: cloud-init's file, of its own name": ("os-no-swap-file", cloudinit("swap: {size: 1G}\n"), "blocker", "/swap.img"),
    "swap: cloud-init's file of no size": ("os-no-swap-file", cloudinit("swap: {size: 0}\n"), "pass", "nothing"),
    "swap: cloud-init's file on the resource disk": (
        "os-no-swap-file", cloudinit("swap: {filename: /mnt/swap.img, size: 1G}\n"), "pass", "nothing",
    ),
    "swap: cloud-init's mounts, on the resource disk": (
        "os-no-swap-file", cloudinit("mounts:\n - [ephemeral0.2, none, swap, sw, 0, 0]\n"), "pass", "nothing",
    ),
    "swap: cloud-init's mounts, a file": (
        "os-no-swap-file", cloudinit("mounts:\n - [/swapfile, none, swap]\n"), "blocker", "mounts: turns on /swapfile",
    ),
    "swap: cloud-init's commands": (
        "os-no-swap-file", cloudinit("runcmd:\n - fallocate -l 1G /s\n - mkswap -L swap /s\n - swapon /s\n"),
        "likely blocker", "cloud-init's runcmd: turns on /s",
    ),
    "swap: cloud-init's commands, and fstab": (
        "os-no-swap-file", cloudinit("runcmd:\n - |\n  mkswap /s\n  echo '/s none swap' >> /etc/fstab\n  swapon -a\n"),
        "likely blocker", "turns on /s",
    ),
    "swap: cloud-init's commands at every start": (
        "os-no-swap-file", cloudinit("bootcmd:\n - [sh, -c, 'swapon /s']\n"), "likely blocker", "init's bootcmd: turns on /s",
    ),
    "swap: cloud-init's commands, on the resource disk": (
        "os-no-swap-file", cloudinit("bootcmd:\n - mkswap /mnt/s\n - swapon /mnt/s\n"), "pass", "nothing",
    ),
    "swap: cloud-init's commands are odd": (
        "os-no-swap-file", cloudinit("runcmd: swapon /s\nbootcmd: [3, null, {a: swapon}, []]\n"), "pass", "nothing",
    ),
    "swap: a timer": (
        "os-no-swap-file", timer("[Timer]\nOnBootSec=1\n"), "likely blocker", "s.timer turns on /s",
    ),
    "swap: a timer for another service": ("os-no-swap-file", timer("[Timer]\nUnit=x.service\n"), "pass", "nothing"),
    "swap: a timer that is off": ("os-no-swap-file", timer("[Timer]\n", is_enabled=False), "pass", "nothing"),
    "swap: cloud-init's words are odd": ("os-no-swap-file", cloudinit("swap: [1]\nmounts: {a: 1}\n"), "pass", "nothing"),
    "swap: a file that nothing turns on": (
        "os-no-swap-file",
        {"heads": {**DEBIAN.heads, "/swapfile": SIGNED}, "entries": {"/swapfile": Entry("f", size=1 << 20)}},
        "warning", "/swapfile is a swap file that nothing",
    ),
    "swap: a file like one": ("os-no-swap-file", {"heads": {**DEBIAN.heads, "/swapfile": bytes(4096)}}, "pass", "nothing"),
    "swap: a file that is turned on counts once": (
        "os-no-swap-file",
        {
            **fstab("/swapfile none swap sw"), "heads": {**DEBIAN.heads, "/swapfile": SIGNED},
            "entries": {"/swapfile": Entry("f", size=1 << 20)},
        },
        "blocker", "/etc/fstab:4 turns on /swapfile",
    ),
    "swap: of memory": (
        "os-no-swap-file",
        {
            "files": {"/usr/lib/systemd/zram-generator.conf": "[zram0]\nzram-size = min(ram, 8192)\n"},
            "entries": {"/usr/lib/systemd/system-generators/zram-generator": Entry("f", 0o755, size=9)},
        },
        "info", "zram-generator.conf makes swap space of memory",
    ),
    "swap: of memory, switched off in /etc": (
        "os-no-swap-file",
        {
            "files": {"/usr/lib/systemd/zram-generator.conf": "[zram0]\n", "/etc/systemd/zram-generator.conf": ""},
            "entries": {"/usr/lib/systemd/system-generators/zram-generator": Entry("f", 0o755, size=9)},
        },
        "pass", "nothing",
    ),
    "swap: with hostile words": (
        "os-no-swap-file", fstab("/\x1b]0;" + "a" * 3000 + " none swap sw"), "blocker", r"/\x1b]0;aaa",
    ),
    "swap: an fstab that is none": ("os-no-swap-file", {"entries": {"/etc/fstab": Entry("p")}}, "unknown", "no file"),
    "swap: a service whose file was not taken": (
        "os-no-swap-file", {"entries": {"/etc/systemd/system/x.service": Entry("f", size=9 << 30)}}, "pass", "nothing",
    ),
    "swap: nothing was seen": ("os-no-swap-file", BLIND, "unknown", "not looked at"),
    "fstab: a disk's name": ("fstab-persistent", fstab("/dev/sdb1 /mnt auto nofail"), "warning", "fstab:4 names /dev/sdb1"),
    "fstab: a disk's name, and NVMe": (
        "fstab-persistent", {**fstab("/dev/sdb1 /mnt auto nofail"), **NVME}, "blocker", "/dev/sdb1",
    ),
    "fstab: an NVMe disk's name": ("fstab-persistent", fstab("/dev/nvme0n2p1 /data xfs nofail"), "warning", "nvme0n2p1"),
    "fstab: a disk's name for swap": ("fstab-persistent", fstab("/dev/sda2 none swap sw"), "warning", "/dev/sda2"),
    "fstab: a slot": (
        "fstab-persistent", fstab("/dev/disk/by-path/pci-0-part1 /x ext4 nofail"), "warning", "by-path",
    ),
    "fstab: a disk that Azure does not have": ("fstab-persistent", fstab("/dev/vdb1 /x ext4"), "blocker", "/dev/vdb1"),
    "fstab: the same, without need": ("fstab-persistent", fstab("/dev/vdb1 /x ext4 nofail"), "warning", "does not have"),
    "fstab: an identifier of nothing": ("fstab-persistent", fstab("UUID=dead-beef /x ext4"), "blocker", "not there"),
    "fstab: an identifier of nothing, without need": (
        "fstab-persistent", fstab("UUID=dead-beef /x ext4 nofail"), "warning", "not there",
    ),
    "fstab: a label in other letters": ("fstab-persistent", fstab("LABEL=efi /efi vfat"), "blocker", "LABEL=efi"),
    "fstab: swap that is not there": ("fstab-persistent", fstab("UUID=77 none swap sw"), "warning", "UUID=77"),
    "fstab: a volume that is not there": ("fstab-persistent", fstab("/dev/mapper/vg-x /x xfs"), "blocker", "vg-x"),
    "fstab: a volume that crypttab opens": (
        "fstab-persistent",
        {"files": {"/etc/crypttab": "data UUID=1 none luks\n", "/etc/fstab": f"{FSTAB}/dev/mapper/data /x xfs\n"}},
        "pass", "3 filesystems",
    ),
    "fstab: what is no filesystem of a disk": (
        "fstab-persistent",
        fstab(
            "tmpfs /tmp tmpfs", "proc /proc proc", "/srv/a /srv/b none bind", "nas:/x /x nfs _netdev", "//nas/y /y cifs nofail",
            "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto", "/dev/disk/cloud/azure_resource-part1 /mnt auto nofail",
        ),
        "pass", "2 filesystems",
    ),
    "fstab: by links": (
        "fstab-persistent", fstab(f"/dev/disk/by-partuuid/{ROOT.partuuid} /x ext4", "PARTLABEL=EFI /y vfat"), "pass", "4 file",
    ),
    "fstab: a line that is none": ("fstab-persistent", fstab("UUID=dead"), "warning", "/etc/fstab:4 is no entry"),
    "fstab: many faults": (
        "fstab-persistent", fstab(*(f"UUID={n} /{n} xfs nofail" for n in range(9))), "warning", "and 6 more",
    ),
    "fstab: the worst first": (
        "fstab-persistent", fstab("/dev/sdb1 /a xfs nofail", "UUID=1 /b xfs"), "blocker", "/etc/fstab:5 names UUID=1",
    ),
    "fstab: none": ("fstab-persistent", {"without": ("/etc/fstab",)}, "pass", "0 filesystems"),
    "fstab: a fifo": ("fstab-persistent", {"entries": {"/etc/fstab": Entry("p")}}, "blocker", "no file"),
    "fstab: a link to itself": ("fstab-persistent", {"links": {"/etc/fstab": "fstab"}}, "blocker", "a link"),
    "fstab: too large": ("fstab-persistent", {"entries": {"/etc/fstab": Entry("f", size=9 << 30)}}, "unknown", "too large"),
    "fstab: nothing was seen": ("fstab-persistent", {**BLIND, **fstab()}, "unknown", "not looked at"),
    "root=: another": (
        "fstab-root-id", root_at("root=UUID=dead-beef"), "blocker", "root=UUID=dead-beef, and the root is UUID=4a11",
    ),
    "root=: another filesystem's": ("fstab-root-id", root_at("root=UUID=5FDF-1BBB"), "blocker", "root=UUID=5FDF-1BBB"),
    "root=: a disk's name": ("fstab-root-id", root_at("root=/dev/sda3"), "warning", "depends on the machine"),
    "root=: a disk's name, and NVMe": ("fstab-root-id", {**root_at("root=/dev/sda3"), **NVME}, "blocker", "/dev/sda3"),
    "root=: a disk that Azure does not have": ("fstab-root-id", root_at("root=/dev/vda3"), "blocker", "/dev/vda3"),
    "root=: another partition by a disk's name": ("fstab-root-id", root_at("root=/dev/sda2"), "blocker", "/dev/sda2"),
    "root=: of an NVMe disk": ("fstab-root-id", root_at("root=/dev/nvme0n1p3"), "blocker", "nvme0n1p3"),
    "root=: a PARTUUID": ("fstab-root-id", root_at(f"root=PARTUUID={ROOT.partuuid}"), "pass", "PARTUUID=34b9"),
    "root=: twice, the last counts": (
        "fstab-root-id", root_at(f"root=UUID={ROOT.uuid} root=UUID=dead"), "blocker", "root=UUID=dead",
    ),
    "root=: missing, and found by its type": ("fstab-root-id", root_at(""), "warning", "has no root="),
    "root=: missing": (
        "fstab-root-id",
        {**root_at(""), "table": replace(DEBIAN.table, partitions=(Partition(3, "0x83", 266240, 4096),))},
        "blocker", "has no root=",
    ),
    "root=: of another entry": (
        "fstab-root-id",
        {"files": {"/boot/grub/grub.cfg": f"{GRUB}menuentry 'old' {{\n linux {KERNEL} root=/dev/vda1\n}}\n"}},
        "warning", "root=/dev/vda1",
    ),
    "root=: what boots is not known": ("fstab-root-id", {"without": ("/boot/efi", "/boot/grub")}, "unknown", "what boots"),
    "root in fstab: another": ("fstab-root-id", only("UUID=dead / ext4"), "blocker", "/etc/fstab:1 mounts UUID=dead as /"),
    "root in fstab: twice": (
        "fstab-root-id", fstab("UUID=5FDF-1BBB / ext4"), "blocker", "/etc/fstab:4 mounts UUID=5FDF-1BBB",
    ),
    "root in fstab: by PARTUUID": ("fstab-root-id", only(f"PARTUUID={ROOT.partuuid} / ext4"), "pass", "in both"),
    "root in fstab: none": ("fstab-root-id", only("tmpfs /tmp tmpfs"), "blocker", "no line for /"),
    "root in fstab: none, but it is mounted for writing": (
        "fstab-root-id",
        {"files": {"/etc/fstab": "", "/boot/grub/grub.cfg": GRUB.replace(" ro ", " rw ")}}, "warning", "no line for /",
    ),
    "root in fstab: a folder for it": ("fstab-root-id", {"entries": {"/etc/fstab": Entry("d")}}, "blocker", "no file"),
    "root: two with its UUID": (
        "fstab-root-id",
        with_filesystem(Filesystem("/dev/sda4", 4, 1, "ext4", ROOT.uuid)), "blocker", "/dev/sda3, /dev/sda4 all have UUID",
    ),
    "root: not seen": ("fstab-root-id", BLIND, "unknown", "not looked at"),
}  # fmt: skip


@pytest.mark.parametrize(("rule_id", "change", "verdict", "words"), CASES.values(), ids=CASES)
def test_a_disk_with_one_thing_changed_is_judged(
    rule_id: str, change: dict[str, Any], verdict: str, words: str
) -> None:
    facts = {name: value for name, value in change.items() if name != "claims"}
    outcome = ask(rule_id, changed(DEBIAN, **facts), claims=change.get("claims", ()))
    assert words in outcome.seen
    assert verdict == (outcome.severity or OWN[rule_id] if outcome.status == "fail" else outcome.status)
    assert len(outcome.seen) < 500


@pytest.mark.parametrize(("mode", "status"), [(0o755, "fail"), (0o644, "pass")], ids=["it can be run", "it cannot"])
def test_rc_local_counts_where_it_can_be_run(mode: int, status: str) -> None:
    disk = changed(DEBIAN, entries={"/etc/rc.d/rc.local": Entry("f", mode)}, links={"/etc/rc.local": "rc.d/rc.local"})
    disk = changed(disk, files={"/etc/rc.d/rc.local": "#!/bin/sh\n# swapon /a\nswapon /b\n"})
    outcome = ask("os-no-swap-file", disk)
    assert outcome.status == status
    assert outcome.seen in ("nothing does", "/etc/rc.local:3 turns on /b")


@pytest.mark.parametrize("rule", rules_in(filesystems), ids=lambda rule: rule.id)
def test_sound_disks_pass_and_each_rule_has_one_that_fails(rule: Rule) -> None:
    for disk in (DEBIAN, el(8), el(9), el(10)):
        assert ask(rule.id, disk, generations=("V1", "V2")).status == "pass"
    assert any(verdict in SEVERITIES for name, _, verdict, _ in CASES.values() if name == rule.id)


@pytest.mark.parametrize(
    ("line", "status"),
    [("@reboot root swapon /s", "fail"), ("0 4 * * * root swapon /s", "pass"), ("#@reboot swapon /s", "pass")],
)
def test_what_cron_does_at_every_start_counts(line: str, status: str) -> None:
    outcome = ask("os-no-swap-file", changed(DEBIAN, files={"/etc/cron.d/swap": f"{line}\n"}))
    assert outcome.status == status
