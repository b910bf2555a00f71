"""Drivers taken away, or forbidden: as hardening guides do it, and as packages are split."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.kernel import modules
from flight.workflows.certify.tree import Entry

RULES = [value.id for value in vars(modules).values() if isinstance(value, Rule)]
EL9 = el(9)
PLACES = {"debian": DEBIAN, "el9": EL9}
CONFIG = {name: Image(it).kernel.config_path for name, it in PLACES.items()}


def folder(snapshot: Snapshot) -> str:
    return f"/usr/lib/modules/{Image(snapshot).boot.version}"


def without(snapshot: Snapshot, *names: str) -> Snapshot:
    """The modules' files taken away; the lists still name them."""
    kernel = Image(snapshot).kernel
    paths = [path for name in names if (path := kernel.file(name))]
    assert len(paths) == len(names)
    return changed(snapshot, files=dict.fromkeys(paths))


def configured(snapshot: Snapshot, option: str, value: str) -> Snapshot:
    """Another value of an option; empty: not set."""
    path = Image(snapshot).kernel.config_path
    lines = [line for line in snapshot.tree.lines(path) if not line.startswith(f"CONFIG_{option}=")]
    lines.append(f"CONFIG_{option}={value}" if value else f"# CONFIG_{option} is not set")
    return changed(snapshot, files={path: "\n".join(lines) + "\n"})


def listed(snapshot: Snapshot, *names: str) -> Snapshot:
    """Modules listed as built in."""
    path = f"{folder(snapshot)}/modules.builtin"
    text = snapshot.tree.text(path) or ""
    return changed(snapshot, files={path: text + "".join(f"kernel/x/{name}.ko\n" for name in names)})


def forbidden(line: str, snapshot: Snapshot = DEBIAN) -> Snapshot:
    return changed(snapshot, files={"/etc/modprobe.d/cis.conf": f"{line}\n"})


KEYBOARD = f"{folder(DEBIAN)}/kernel/drivers/input/serio/hyperv-keyboard.ko.xz"
WHOLE = changed(DEBIAN, entries={KEYBOARD: Entry("f", size=6780)})
"""The saved snapshot is thinned out: of the modules that the disk has, it does not hold them all."""
NOTHING = changed(DEBIAN, files={folder(DEBIAN): None})
CASES: dict[str, tuple[str, Snapshot, str, str | None, str]] = {
    "hyper-v: 9": ("kmod-hv-all", EL9, "pass", None, "hv_vmbus=m, hv_storvsc=m, hv_netvsc=m"),
    "hyper-v: flight's own": ("kmod-hv-all", WHOLE, "pass", None, "and the rest"),
    "hyper-v: no network": ("kmod-hv-all", without(EL9, "hv_netvsc"), "fail", None, "hv_netvsc is a module whose file is not"),
    "hyper-v: all built in": ("kmod-hv-all", listed(EL9, "hv_vmbus", "hv_storvsc"), "pass", None, "hv_vmbus=y, hv_storvsc=y"),
    "hyper-v: no balloon": ("kmod-hv-all", without(EL9, "hv_balloon"), "fail", "warning", "hv_balloon"),
    "hyper-v: one screen less": ("kmod-hv-all", without(EL9, "hyperv_drm"), "fail", "warning", "hyperv_drm"),
    "hyper-v: forbidden": ("kmod-hv-all", forbidden("blacklist hv_netvsc", EL9), "fail", None, "blacklist hv_netvsc (/etc/"),
    "hyper-v: no modules": ("kmod-hv-all", NOTHING, "unknown", None, "/lib/modules has nothing for"),
    "reload: flight's own": ("kmod-netvsc-modular", DEBIAN, "pass", None, "hv_netvsc=m"),
    "reload: built in": ("kmod-netvsc-modular", listed(DEBIAN, "hv_netvsc"), "not applicable", None, "built in"),
    "reload: none": ("kmod-netvsc-modular", without(DEBIAN, "hv_netvsc"), "fail", None, "not on the disk"),
    "udf: flight's own": ("kmod-udf", DEBIAN, "pass", None, "udf=m"),
    "udf: built in": ("kmod-udf", configured(without(DEBIAN, "udf"), "UDF_FS", "y"), "pass", None, "udf=y"),
    "udf: none": ("kmod-udf", without(DEBIAN, "udf"), "fail", None, "udf is a module whose file is not on the disk"),
    "udf: CIS": ("kmod-udf", forbidden("install udf /bin/true"), "fail", None, "udf /bin/true (/etc/modprobe.d/cis.conf:1)"),
    "udf: CIS, newer": ("kmod-udf", forbidden("blacklist udf"), "fail", None, "blacklist udf"),
    "udf: forbidden, and built in": ("kmod-udf", forbidden("blacklist udf", listed(DEBIAN, "udf")), "pass", None, "udf=y"),
    "udf: what it needs": ("kmod-udf", forbidden("install crc-itu-t /bin/false"), "fail", None, "install crc_itu_t /bin/false"),
    "udf: no drive": ("kmod-udf", forbidden("install sr_mod /bin/true"), "fail", "likely blocker", "install sr_mod"),
    "udf: no drive by itself": ("kmod-udf", forbidden("blacklist sr_mod"), "fail", "likely blocker", "blacklist sr_mod"),
    "udf: a drive that is built in": ("kmod-udf", forbidden("blacklist sr_mod", listed(DEBIAN, "sr_mod")), "pass", None, "udf=m"),
    "udf: what the drive needs": ("kmod-udf", forbidden("install cdrom /bin/true"), "fail", None, "install cdrom"),
    "udf: a blacklist of what is no driver": ("kmod-udf", forbidden("blacklist cdrom"), "pass", None, "udf=m"),
    "udf: 9": ("kmod-udf", EL9, "pass", None, "udf=m"),
    "udf: 9, forbidden": ("kmod-udf", forbidden("install udf /bin/false", EL9), "fail", None, "install udf"),
    "vfat: flight's own": ("kmod-vfat", DEBIAN, "pass", None, "vfat=m"),
    "vfat: none": ("kmod-vfat", without(EL9, "vfat"), "fail", None, "vfat"),
    "vfat: CIS": ("kmod-vfat", forbidden("install vfat /bin/true"), "fail", None, "install vfat /bin/true"),
    "vfat: what it needs": ("kmod-vfat", forbidden("install fat /bin/true"), "fail", None, "install fat /bin/true"),
    "vfat: no code page": ("kmod-vfat", forbidden("install nls_cp437 /bin/true"), "fail", "likely blocker", "install nls_cp437"),
    "vfat: no characters": ("kmod-vfat", forbidden("install nls_ascii /bin/true"), "fail", "likely blocker", "install nls_ascii"),
    "vfat: characters it does not use": ("kmod-vfat", forbidden("install nls_utf8 /bin/true"), "pass", None, "vfat=m"),
    "vfat: no characters in 9": (
        "kmod-vfat", forbidden("install nls-iso8859-1 /bin/true", EL9), "fail", "likely blocker", "install nls_iso8859_1",
    ),
    "vfat: tables are asked for by their names": ("kmod-vfat", forbidden("blacklist nls_cp437"), "pass", None, "vfat=m"),
    "vfat: a code page that is built in": (
        "kmod-vfat", forbidden("install nls_cp437 /bin/true", listed(DEBIAN, "nls_cp437")), "pass", None, "vfat=m",
    ),
    "cifs: flight's own": ("kmod-cifs-wdt", DEBIAN, "pass", None, "CONFIG_CIFS=m, CONFIG_WATCHDOG=y"),
    "cifs: not configured": ("kmod-cifs-wdt", configured(DEBIAN, "CIFS", ""), "fail", None, "CONFIG_CIFS not set in /boot"),
    "cifs: no watchdog": ("kmod-cifs-wdt", configured(EL9, "WATCHDOG", ""), "fail", None, "CONFIG_WATCHDOG not set"),
    "cifs: no file": ("kmod-cifs-wdt", without(EL9, "cifs"), "fail", "warning", "cifs is a module whose file is not"),
    "cifs: no configuration": (
        "kmod-cifs-wdt", changed(EL9, files={CONFIG["el9"]: None}), "unknown", None, "there is no /boot/config-5.14.0",
    ),
    "floppy: flight's own": ("kmod-floppy-off", DEBIAN, "pass", None, "does not have floppy"),
    "floppy: 9": ("kmod-floppy-off", EL9, "pass", None, "blacklist floppy (/usr/lib/modprobe.d/floppy-blacklist.conf:1)"),
    "floppy: allowed": (
        "kmod-floppy-off", changed(EL9, files={"/usr/lib/modprobe.d/floppy-blacklist.conf": None}), "fail", None, "nothing",
    ),
    "floppy: built in": ("kmod-floppy-off", listed(EL9, "floppy"), "fail", None, "floppy is built in"),
    "floppy: masked": (
        "kmod-floppy-off", changed(EL9, links={"/etc/modprobe.d/floppy-blacklist.conf": "/dev/null"}), "fail", None, "nothing",
    ),
    "mlx: flight's own": ("kmod-mlx", DEBIAN, "pass", None, "mlx5_core=m, mlx4_en=m"),
    "mlx: no mlx5": ("kmod-mlx", without(EL9, "mlx5_core"), "fail", None, "mlx5_core"),
    "mlx: no mlx4": ("kmod-mlx", without(EL9, "mlx4_en"), "fail", None, "mlx4_en"),
    "pci: flight's own": ("kmod-pci-hyperv", DEBIAN, "pass", None, "pci_hyperv=m"),
    "pci: none": ("kmod-pci-hyperv", without(EL9, "pci_hyperv"), "fail", "warning", "pci_hyperv is a module whose file"),
    "mana: flight's own": ("kmod-mana", DEBIAN, "pass", None, "mana=m"),
    "mana: none": ("kmod-mana", without(EL9, "mana"), "fail", None, "mana"),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "snapshot", "status", "severity", "words"), CASES.values(), ids=CASES)
def test_drivers_are_judged(rule: str, snapshot: Snapshot, status: str, severity: str | None, words: str) -> None:
    outcome = ask(rule, snapshot)
    assert (outcome.status, outcome.severity, words in outcome.seen) == (status, severity, True), outcome


def test_every_rule_has_a_case_that_fails() -> None:
    assert {row[0] for row in CASES.values() if row[2] == "fail"} == set(RULES)


WEIGHTS: dict[str, tuple[str, Snapshot, Iterable[str], str | None]] = {
    "mlx5 claimed": ("kmod-mlx", without(EL9, "mlx5_core"), ["accelerated-networking"], "likely blocker"),
    "mlx4 claimed": ("kmod-mlx", without(EL9, "mlx4_en"), ["accelerated-networking"], None),
    "pci for the network": ("kmod-pci-hyperv", without(EL9, "pci_hyperv"), ["accelerated-networking"], None),
    "pci for nvme": ("kmod-pci-hyperv", without(EL9, "pci_hyperv"), ["nvme"], None),
    "pci for something else": ("kmod-pci-hyperv", without(EL9, "pci_hyperv"), ["cloud-init"], "warning"),
}


@pytest.mark.parametrize(("rule", "snapshot", "claims", "severity"), WEIGHTS.values(), ids=WEIGHTS)
def test_what_is_claimed_weighs_more(
    rule: str, snapshot: Snapshot, claims: Iterable[str], severity: str | None
) -> None:
    outcome = ask(rule, snapshot, claims=claims)
    assert (outcome.status, outcome.severity) == ("fail", severity)


def test_the_command_line_can_forbid_a_driver() -> None:
    menu = (DEBIAN.tree.text("/boot/grub/grub.cfg") or "").replace("console=tty0", "module_blacklist=udf")
    outcome = ask("kmod-udf", changed(DEBIAN, files={"/boot/grub/grub.cfg": menu}))
    assert (outcome.status, outcome.seen) == ("fail", "module_blacklist=udf on the command line")
