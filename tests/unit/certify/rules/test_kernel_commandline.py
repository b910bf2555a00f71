"""Words on the command line that boots: on a real disk and on Enterprise Linux, with one of them changed."""

from __future__ import annotations

from typing import Any

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.facts import Snapshot
from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.kernel import commandline
from flight.workflows.certify.tree import Entry

RULES = [value.id for value in vars(commandline).values() if isinstance(value, Rule)]
MENU = DEBIAN.tree.text("/boot/grub/grub.cfg") or ""
WORDS = "console=tty0 console=ttyS0,115200n8 earlyprintk=ttyS0,115200 net.ifnames=0 nvme_core.io_timeout=240"
ARM = {"/usr/bin/dash": b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00" + bytes(44)}
UNKNOWN = {"/boot/efi/EFI/debian/grub.cfg": "configfile /gone\n"}


def debian(words: str, **facts: Any) -> Snapshot:
    """The real disk with other words on every entry."""
    assert WORDS in MENU
    return changed(DEBIAN, files={"/boot/grub/grub.cfg": MENU.replace(WORDS, words)}, **facts)


def enterprise(release: int, old: str, new: str) -> Snapshot:
    """The made tree with a word replaced in its entry, or in grubenv."""
    it = el(release)
    paths = [*(path for path in it.tree.contents if path.startswith("/boot/loader/entries/")), "/boot/grub2/grubenv"]
    files: dict[str, str | bytes | None] = {path: (it.tree.text(path) or "").replace(old, new) for path in paths}
    return changed(it, files=files)


def menu(old: str, new: str, *more: tuple[str, str]) -> Snapshot:
    """The real disk with other commands in GRUB's menu."""
    text = MENU
    for before, after in ((old, new), *more):
        assert before in text
        text = text.replace(before, after)
    return changed(DEBIAN, files={"/boot/grub/grub.cfg": text})


def entry_of_9(commands: str, keys: str) -> Snapshot:
    """The made tree with commands before its menu, and keys more in its entry."""
    it = el(9)
    (path,) = (path for path in it.tree.contents if path.startswith("/boot/loader/entries/"))
    config = "/boot/grub2/grub.cfg"
    return changed(it, files={path: f"{it.tree.text(path)}{keys}", config: f"{commands}{it.tree.text(config)}"})


def arm(words: str) -> Snapshot:
    return debian(words, heads=ARM)


CASES: dict[str, tuple[str, Snapshot, str, str]] = {
    "console: flight's own": ("cmdline-console", DEBIAN, "pass", "console=ttyS0 (/boot/grub/grub.cfg:99)"),
    "console: alone": ("cmdline-console", debian("console=ttyS0"), "pass", "ttyS0"),
    "console: none": ("cmdline-console", debian("ro"), "fail", "console=ttyS0 is missing in /boot/grub/grub.cfg:99"),
    "console: another port": ("cmdline-console", debian("console=ttyS1"), "fail", "missing"),
    "console: a port that only begins so": ("cmdline-console", debian("console=ttyS01"), "fail", "missing"),
    "console: another word that ends so": ("cmdline-console", debian("netconsole=ttyS0"), "fail", "missing"),
    "console: only for init": ("cmdline-console", debian("-- console=ttyS0"), "fail", "missing"),
    "console: Arm": ("cmdline-console", arm("console=ttyAMA0,115200"), "pass", "ttyAMA0"),
    "console: Arm with a PC's port": ("cmdline-console", arm("console=ttyS0"), "fail", "console=ttyAMA0 is missing"),
    "console: nothing boots": ("cmdline-console", changed(DEBIAN, files=UNKNOWN), "unknown", "does not find /gone"),
    "console: 8": ("cmdline-console", el(8), "pass", "ttyS0"),
    "console: 8, not in grubenv": ("cmdline-console", enterprise(8, "console=ttyS0", ""), "fail", "missing"),
    "console: 9": ("cmdline-console", el(9), "pass", ".conf:5"),
    "console: 9, not in the entry": ("cmdline-console", enterprise(9, "console=ttyS0", ""), "fail", "missing"),
    "earlyprintk: flight's own": ("cmdline-earlyprintk", DEBIAN, "pass", "earlyprintk=ttyS0"),
    "earlyprintk: alone": ("cmdline-earlyprintk", debian("earlyprintk=ttyS0"), "pass", "earlyprintk"),
    "earlyprintk: none": ("cmdline-earlyprintk", debian("ro"), "fail", "missing"),
    "earlyprintk: in other words": ("cmdline-earlyprintk", debian("earlyprintk=serial,ttyS0"), "fail", "missing"),
    "earlyprintk: Arm": ("cmdline-earlyprintk", arm("ro"), "not applicable", "x86_64"),
    "rootdelay: 300": ("cmdline-rootdelay", debian("rootdelay=300"), "pass", "rootdelay=300"),
    "rootdelay: none": ("cmdline-rootdelay", debian("ro"), "fail", "missing"),
    "rootdelay: less": ("cmdline-rootdelay", debian("rootdelay=30"), "fail", "missing"),
    "rootdelay: the last one holds": ("cmdline-rootdelay", debian("rootdelay=300 rootdelay=3"), "fail", "missing"),
    "rootdelay: 9": ("cmdline-rootdelay", el(9), "pass", "rootdelay=300"),
    "rootdelay: Arm": ("cmdline-rootdelay", arm("ro"), "not applicable", "x86_64"),
    "ifnames: flight's own": ("cmdline-ifnames", DEBIAN, "pass", "net.ifnames=0"),
    "ifnames: none": ("cmdline-ifnames", debian("ro"), "fail", "missing"),
    "ifnames: 1": ("cmdline-ifnames", debian("net.ifnames=1"), "fail", "missing"),
    "ifnames: 9": ("cmdline-ifnames", el(9), "pass", "net.ifnames=0"),
    "ifnames: 9, none": ("cmdline-ifnames", enterprise(9, "net.ifnames=0", ""), "fail", "missing"),
    "ifnames: 10": ("cmdline-ifnames", el(10), "pass", "none"),
    "ifnames: 10, set": ("cmdline-ifnames", enterprise(10, " ro ", " net.ifnames=0 "), "fail", "net.ifnames=0 in"),
    "ifnames: SUSE": (
        "cmdline-ifnames",
        changed(DEBIAN, files={"/etc/os-release": "ID=sles\n"}),
        "not applicable",
        "for Debian",
    ),
    "quiet: flight's own": ("cmdline-no-quiet", DEBIAN, "pass", "none"),
    "quiet: quiet": ("cmdline-no-quiet", debian("quiet"), "fail", "quiet in /boot/grub/grub.cfg:99"),
    "quiet: all": ("cmdline-no-quiet", debian("rhgb quiet crashkernel=auto"), "fail", "rhgb quiet crashkernel=auto in"),
    "quiet: a part of a word": ("cmdline-no-quiet", debian("x.quiet=1 quietly crashkernel=256M"), "pass", "none"),
    "quiet: 9": (
        "cmdline-no-quiet",
        enterprise(9, " ro ", " ro rhgb quiet "),
        "fail",
        "rhgb quiet in /boot/loader/entries",
    ),
    "legacy: flight's own": ("cmdline-no-legacy", DEBIAN, "pass", "none"),
    "legacy: libata": (
        "cmdline-no-legacy",
        debian("libata.atapi_enabled=0"),
        "fail",
        "libata.atapi_enabled=0 in /boot/grub",
    ),
    "legacy: reserve": ("cmdline-no-legacy", debian("reserve=0x1f0,0x8"), "fail", "reserve=0x1f0,0x8 in"),
    "legacy: in a comment": (
        "cmdline-no-legacy",
        changed(DEBIAN, files={"/boot/grub/grub.cfg": f"# reserve=0x1f0,0x8\n{MENU}"}),
        "fail",
        "reserve=0x1f0,0x8 in /boot/grub/grub.cfg",
    ),
    "legacy: 8": (
        "cmdline-no-legacy",
        enterprise(8, "ro ", "ro libata.atapi_enabled=0 "),
        "fail",
        "/boot/grub2/grubenv",
    ),
    "legacy: nothing boots": ("cmdline-no-legacy", changed(DEBIAN, files=UNKNOWN), "unknown", "see cmdline-console"),
    **{
        f"standstill: {words}": (
            "cmdline-no-legacy",
            debian(words),
            "fail",
            f"{words.split()[-1]} in /boot/grub/grub.cfg:99",
        )
        for words in (
            "systemd.unit=emergency.target",
            "systemd.unit=rescue.target",
            "single",
            "1",
            "S",
            "3 rescue",
            "rd.break",
            "rd.systemd.unit=emergency.target",
            "init=/bin/bash",
            "systemd.mask=ssh.service",
            "quiet systemd.mask=cloud-final.service",
            "initcall_blacklist=hv_acpi_init",
            "initcall_blacklist=init_hv_vmbus",
            "initcall_blacklist=hv_storvsc_init",
        )
    },
    **{
        f"standstill: not by {words}": ("cmdline-no-legacy", debian(words), "pass", "none")
        for words in (
            "systemd.unit=multi-user.target",
            "systemd.unit=rescue.target 3",
            "single systemd.unit=multi-user.target",
            "x=single",
            "init=/lib/systemd/systemd",
            "init=/sbin/init",
            "init=/bin/bash init=/usr/lib/systemd/systemd",
            "-- single",
            "systemd.mask=tmp.mount",
            "systemd.mask=waagent.service",
            "initcall_blacklist=arm_pmu_acpi_init",
        )
    },
    "standstill: a name without its kind": (
        "cmdline-no-legacy",
        debian("systemd.mask=walinuxagent"),
        "fail",
        "systemd.mask=walinuxagent.service in",
    ),
    "standstill: 9": (
        "cmdline-no-legacy",
        enterprise(9, "ro ", "ro single "),
        "fail",
        "single in /boot/loader/entries",
    ),
    "standstill: a GRUB that waits": (
        "cmdline-no-legacy",
        menu("timeout=1", "timeout=-1"),
        "fail",
        "GRUB's timeout is -1",
    ),
    "standstill: a GRUB without a pause": ("cmdline-no-legacy", menu("timeout=1", "timeout=0"), "pass", "none"),
    "standstill: a GRUB that asks": (
        "cmdline-no-legacy",
        menu("set timeout=1", "set superusers=root"),
        "fail",
        "asks for a password before 'Debian",
    ),
    "standstill: a GRUB that asks for changes only": (
        "cmdline-no-legacy",
        menu("set timeout=1", "set superusers=root", ("--class os", "--class os --unrestricted")),
        "pass",
        "none",
    ),
    "standstill: a GRUB that asks for a submenu": (
        "cmdline-no-legacy",
        menu("set timeout=1", "set superusers=root; set default='1>0'", ("--class os", "--class os --unrestricted")),
        "fail",
        "asks for a password before",
    ),
    "standstill: 9, with superusers": (
        "cmdline-no-legacy",
        entry_of_9("set superusers=root\n", "grub_users $grub_users\n"),
        "pass",
        "none",
    ),
    "standstill: 9, for superusers only": (
        "cmdline-no-legacy",
        entry_of_9("set superusers=root\nset grub_users=root\n", "grub_users $grub_users\n"),
        "fail",
        "asks for a password before 'AlmaLinux",
    ),
    "numa: today": ("cmdline-numa", DEBIAN, "not applicable", "Enterprise Linux 6"),
    "numa: 9": ("cmdline-numa", el(9), "not applicable", "Enterprise Linux 6"),
    "numa: 6": (
        "cmdline-numa",
        changed(el(9), files={"/usr/lib/os-release": "ID=rhel\nVERSION_ID=6.4\n"}),
        "fail",
        "numa=off is",
    ),
    "pmu: a PC": ("cmdline-arm-pmu", DEBIAN, "not applicable", "aarch64"),
    "pmu: unknown": ("cmdline-arm-pmu", changed(DEBIAN, heads={}), "not applicable", "not known"),
    "pmu: none": ("cmdline-arm-pmu", arm("ro"), "fail", "missing"),
    "pmu: among others": (
        "cmdline-arm-pmu",
        arm("initcall_blacklist=a,arm_pmu_acpi_init"),
        "pass",
        "arm_pmu_acpi_init",
    ),
    "nvme: flight's own": ("cmdline-nvme-timeout", DEBIAN, "pass", "nvme_core.io_timeout=240 (/boot/grub/grub.cfg:99)"),
    "nvme: none": (
        "cmdline-nvme-timeout",
        debian("ro"),
        "fail",
        "nvme_core.io_timeout is not set (/boot/grub/grub.cfg:99)",
    ),
    "nvme: less": ("cmdline-nvme-timeout", debian("nvme_core.io_timeout=30"), "fail", "nvme_core.io_timeout is 30"),
    "nvme: more": ("cmdline-nvme-timeout", debian("nvme_core.io_timeout=4294967"), "pass", "4294967"),
    "nvme: no number": ("cmdline-nvme-timeout", debian("nvme_core.io_timeout=²40"), "fail", "is ²40"),
    "nvme: an option of what is built in": (
        "cmdline-nvme-timeout",
        changed(debian("ro"), files={"/etc/modprobe.d/n.conf": "options nvme_core io_timeout=240\n"}),
        "fail",
        "not set",
    ),
    "nvme: an option of a module": (
        "cmdline-nvme-timeout",
        changed(
            enterprise(9, "nvme_core.io_timeout=240", ""),
            files={"/etc/modprobe.d/n.conf": "options nvme_core io_timeout=240\n"},
        ),
        "pass",
        "nvme_core.io_timeout=240 (/etc/modprobe.d/n.conf:1)",
    ),
    "nvme: modprobe.d not taken": (
        "cmdline-nvme-timeout",
        changed(
            enterprise(9, "nvme_core.io_timeout=240", ""), entries={"/etc/modprobe.d/n.conf": Entry("f", size=9 << 20)}
        ),
        "unknown",
        "/etc/modprobe.d/n.conf was not taken",
    ),
}


@pytest.mark.parametrize(("rule", "snapshot", "status", "words"), CASES.values(), ids=CASES)
def test_the_line_that_boots_is_judged(rule: str, snapshot: Snapshot, status: str, words: str) -> None:
    outcome = ask(rule, snapshot)
    assert (outcome.status, words in outcome.seen) == (status, True), outcome


def test_every_rule_has_a_case_that_fails() -> None:
    assert {rule for rule, _, status, _ in CASES.values() if status == "fail"} == set(RULES)


def test_what_stops_the_machine_weighs_more() -> None:
    assert ask("cmdline-no-legacy", debian("single")).severity == "blocker"
    assert ask("cmdline-no-legacy", debian("libata.atapi_enabled=0")).severity is None


def test_an_older_kernels_entry_is_mentioned() -> None:
    older = "menuentry 'Older' {\n linux /boot/vmlinuz-6.12.117+deb13-cloud-amd64 quiet\n}\n"
    snapshot = changed(DEBIAN, files={"/boot/grub/grub.cfg": MENU + older})
    assert ask("cmdline-console", snapshot).seen.endswith("; missing in Older")
    assert ask("cmdline-no-quiet", snapshot).seen == "none; but in Older"
    rescue = changed(DEBIAN, files={"/boot/grub/grub.cfg": MENU + older.replace("Older", "Older (recovery mode)")})
    assert "missing" not in ask("cmdline-console", rescue).seen


def test_what_is_set_for_the_next_menu_only_does_not_count() -> None:
    settings = {"/etc/default/grub": "GRUB_CMDLINE_LINUX='console=ttyS0'\n", "/etc/kernel/cmdline": "console=ttyS0\n"}
    assert ask("cmdline-console", changed(debian("ro"), files=settings)).status == "fail"


def test_both_generations_must_have_the_words() -> None:
    conditional = MENU.replace("console=ttyS0,115200n8", "$serial").replace(
        "### BEGIN /etc/grub.d/10_linux ###", 'if [ "$grub_platform" = pc ]; then set serial=console=ttyS0; fi', 1
    )
    snapshot = changed(DEBIAN, files={"/boot/grub/grub.cfg": conditional})
    asked = {
        generations: ask("cmdline-console", snapshot, generations=generations).status
        for generations in (("V1",), ("V2",))
    }
    assert asked == {("V1",): "pass", ("V2",): "fail"}
    assert ask("cmdline-console", snapshot, generations=("V1", "V2")).status == "fail"


def test_nvme_claimed_weighs_more() -> None:
    assert ask("cmdline-nvme-timeout", debian("ro"), claims=["nvme"]).severity == "likely blocker"
    assert ask("cmdline-nvme-timeout", debian("ro")).severity is None
    assert ask("cmdline-nvme-timeout", debian("ro"), generations=["V1"]).status == "not applicable"


def test_what_the_disk_says_is_not_repeated_at_length() -> None:
    title = "x" * 500 + "\x1b]0;y\x07"
    config = f"menuentry '{title}' {{\n linux /boot/memtest.bin\n}}\n"
    seen = ask("cmdline-console", changed(DEBIAN, files={"/boot/grub/grub.cfg": config})).seen
    assert len(seen) < 200
    assert "\x1b" not in seen
