"""What must be in the initramfs: a real one, with a module taken out; and none at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.reading.initramfs import Initramfs
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.kernel import initramfs

RULES = [value.id for value in vars(initramfs).values() if isinstance(value, Rule)]
MENU = DEBIAN.tree.text("/boot/grub/grub.cfg") or ""
(PATH,) = DEBIAN.initramfs
EL9 = el(9)
(EL_PATH,) = EL9.initramfs
BUILTIN = f"/usr/lib/modules/{PATH.removeprefix('/boot/initrd.img-')}/modules.builtin"


def without(snapshot: Snapshot, *names: str) -> Snapshot:
    """The snapshot whose initramfs lacks some modules."""

    def kept(all_names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in all_names if name not in names)

    parts = {
        path: replace(it, modules=kept(it.modules), modules_dep=kept(it.modules_dep))
        for path, it in snapshot.initramfs.items()
    }
    return replace(snapshot, initramfs=parts)


def squashed(snapshot: Snapshot) -> Snapshot:
    parts = {path: Initramfs(files=("init", "squashfs-root.img")) for path in snapshot.initramfs}
    return replace(snapshot, initramfs=parts)


NONE = changed(DEBIAN, files={"/boot/grub/grub.cfg": MENU.replace("initrd\t", "# ")})
LISTED = changed(NONE, files={BUILTIN: "kernel/drivers/hv/hv_vmbus.ko\nkernel/drivers/scsi/hv_storvsc.ko\n"})
UNREADABLE = replace(DEBIAN, initramfs={}, unreadable={PATH: "its second archive is cut short"})
DEP = replace(DEBIAN, initramfs={PATH: replace(DEBIAN.initramfs[PATH], modules_dep=("hv_vmbus",))})
LATER = replace(DEBIAN, initramfs={PATH: DEBIAN.initramfs[PATH], "/boot/early.img": Initramfs(modules=("x",))})
EARLY = changed(
    LATER, files={"/boot/grub/grub.cfg": MENU.replace("initrd\t", "initrd\t/boot/early.img "), "/boot/early.img": "x"}
)
CASES: dict[str, tuple[str, Snapshot, str, str]] = {
    "least: flight's own": ("initrd-hv-min", DEBIAN, "pass", f"hv_vmbus, hv_storvsc in {PATH}"),
    "least: no disk": ("initrd-hv-min", without(DEBIAN, "hv_storvsc"), "fail", f"no hv_storvsc in {PATH}"),
    "least: neither": (
        "initrd-hv-min",
        without(DEBIAN, "hv_storvsc", "hv_vmbus"),
        "fail",
        "no hv_vmbus, hv_storvsc in",
    ),
    "least: only listed inside": (
        "initrd-hv-min",
        replace(DEBIAN, initramfs={PATH: Initramfs(modules_dep=("hv_vmbus", "hv_storvsc"))}),
        "fail",
        "no hv_vmbus, hv_storvsc",
    ),
    "least: no initramfs": ("initrd-hv-min", NONE, "fail", "no hv_vmbus, hv_storvsc and there is no initramfs"),
    "least: built in": ("initrd-hv-min", LISTED, "pass", "hv_vmbus, hv_storvsc built in"),
    "least: unreadable": (
        "initrd-hv-min",
        UNREADABLE,
        "unknown",
        f"{PATH} cannot be read: its second archive is cut short",
    ),
    "least: nobody looked": ("initrd-hv-min", replace(DEBIAN, initramfs={}), "unknown", "nobody looked into it"),
    "least: behind microcode": ("initrd-hv-min", EARLY, "pass", PATH),
    "least: squashed": ("initrd-hv-min", squashed(DEBIAN), "unknown", "a filesystem image that nobody looked into"),
    "least: forbidden": (
        "initrd-hv-min",
        changed(DEBIAN, files={"/etc/modprobe.d/a.conf": "blacklist hv_storvsc\n"}),
        "fail",
        "hv_storvsc is there, but blacklist hv_storvsc (/etc/modprobe.d/a.conf:1)",
    ),
    "least: nothing boots": (
        "initrd-hv-min",
        changed(DEBIAN, files={"/boot/efi/EFI/debian/grub.cfg": "x\n"}),
        "unknown",
        "see cmdline-console",
    ),
    "least: 9": ("initrd-hv-min", EL9, "pass", EL_PATH),
    "least: 9 built for another machine": (
        "initrd-hv-min",
        without(EL9, "hv_vmbus", "hv_storvsc", "hv_netvsc"),
        "fail",
        f"no hv_vmbus, hv_storvsc in {EL_PATH}",
    ),
    "all: flight's own": ("initrd-hv-full", DEBIAN, "pass", "hv_storvsc, hv_netvsc, hv_vmbus, hyperv_keyboard in"),
    "all: no network": ("initrd-hv-full", without(DEBIAN, "hv_netvsc"), "fail", "lacks hv_netvsc"),
    "all: no keyboard": ("initrd-hv-full", without(DEBIAN, "hyperv_keyboard"), "fail", "lacks hyperv_keyboard"),
    "all: no mouse": ("initrd-hv-full", without(DEBIAN, "hid_hyperv"), "pass", "hyperv_keyboard"),
    "all: not listed inside": ("initrd-hv-full", DEP, "fail", f"modules.dep in {PATH} lacks hv_storvsc, hv_netvsc"),
    "all: no initramfs": ("initrd-hv-full", NONE, "fail", "no initramfs lacks"),
    "all: unreadable": ("initrd-hv-full", UNREADABLE, "unknown", "cut short"),
    "all: squashed": ("initrd-hv-full", squashed(DEBIAN), "unknown", "nobody looked into"),
    "all: 9": ("initrd-hv-full", EL9, "pass", EL_PATH),
    "nvme: flight's own": ("initrd-nvme", DEBIAN, "pass", "nvme, nvme_core built in"),
    "nvme: 9": ("initrd-nvme", EL9, "pass", f"nvme, nvme_core in {EL_PATH}"),
    "nvme: 9, none": ("initrd-nvme", without(EL9, "nvme"), "fail", f"no nvme in {EL_PATH}"),
    "nvme: 9, half": ("initrd-nvme", without(EL9, "nvme_core"), "fail", "no nvme_core"),
}


@pytest.mark.parametrize(("rule", "snapshot", "status", "words"), CASES.values(), ids=CASES)
def test_the_initramfs_is_judged(rule: str, snapshot: Snapshot, status: str, words: str) -> None:
    outcome = ask(rule, snapshot, claims=["nvme"])
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


def test_every_rule_has_a_case_that_fails() -> None:
    assert {rule for rule, _, status, _ in CASES.values() if status == "fail"} == set(RULES)


def test_nvme_is_asked_for_where_it_is_claimed() -> None:
    assert ask("initrd-nvme", without(EL9, "nvme")).status == "not applicable"
    assert ask("initrd-nvme", without(EL9, "nvme"), generations=["V1"], claims=["nvme"]).status == "not applicable"
