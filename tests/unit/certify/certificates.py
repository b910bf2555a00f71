"""Certificates that were made by hand: one of an image that is refused, one that is well, one that could not be opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flight.workflows.certify.certificate import Certificate, Judged, Override
from flight.workflows.certify.image import Image
from flight.workflows.certify.rule import Outcome, Rule, Severity, Status, passed

HOSTILE = (
    "/root/\x1b]0;owned\x07\n<script>alert('1')</script>\r‮txt.exe\x9b31m \udcff\ufffe &amp; ]]> 'quoted'\t\"here\""
)
"""A file name with all that does something to a terminal, a page or an XML reader."""
JANE = Override(("first-mib-free",), "jane@example.org", "the vendor's loader stands there, and was certified with it")


def made(name: str, area: str, title: str, severity: Severity = "blocker", **more: Any) -> Rule:
    """A rule as if it stood in rules/AREA; what is asked of it does not matter here."""

    def check(image: Image) -> Outcome:
        return passed("")

    check.__module__ = f"flight.workflows.certify.rules.{area}"
    values = {"required": f"what {name} requires", "fix": f"`mend {name}`", "source": "Microsoft's Linux guide", **more}
    return Rule(name, title, severity, check=check, **values)


def judged(rule: Rule, status: Status, seen: str, override: Override | None = None) -> Judged:
    return Judged(rule, status, rule.severity, seen, rule.required, rule.fix, override)


REFUSED = (
    judged(made("vhd-cookie", "disk.container", "A VHD has its footer"), "pass", "conectix"),
    judged(made("vhd-fixed", "disk.container", "The VHD is a fixed one"), "pass", "type 2, no dynamic header"),
    judged(
        made(
            "first-mib-free", "disk.partitions", "The disk's first MiB is free",
            required="no partition starts below sector 2048",
            source="Marketplace FAQ",
        ),
        "fail", "partition 1 starts at sector 34", JANE,
    ),
    judged(
        made(
            "os-single-root", "disk.filesystems", "There is one root filesystem", "warning", source="self-test 42",
        ),
        "pass", "one, on /dev/sda1",
    ),
    judged(
        made(
            "cmdline-console", "kernel.commandline", "The kernel writes to the serial console",
            required="console=ttyS0 on the line of every kernel that would boot",
            fix="put `console=ttyS0` into GRUB_CMDLINE_LINUX of /etc/default/grub, then run `update-grub` (Debian) or "
            "`grub2-mkconfig -o /boot/grub2/grub.cfg` (Enterprise Linux)",
            source="self-test 40; Marketplace FAQ; LISA verify_serial_console_is_enabled (P1)",
        ),
        "fail",
        "'root=UUID=0c5c4c3e-4c5f-4a2e-a1d2-3f0b6a1c9e77 ro quiet' in /boot/grub/grub.cfg:128",
    ),
    judged(
        made("cmdline-no-quiet", "kernel.commandline", "The kernel tells how it starts", "warning"),
        "fail", "quiet in /boot/grub/grub.cfg:128",
    ),
    judged(
        made("cmdline-arm-pmu", "kernel.commandline", "ARM's PMU is left alone", "likely blocker", machine="aarch64"),
        "not applicable", "for aarch64 only",
    ),
    judged(
        made("initrd-hv-full", "kernel.initramfs", "Hyper-V's drivers are in the initramfs", "likely blocker"),
        "unknown", "/boot/initrd.img-6.1.0-18-cloud-amd64: compressed by lzo, which flight cannot read",
    ),
    judged(
        made(
            "waagent-version", "agents.waagent", "Azure's agent is new enough", source="self-test 39; Microsoft's table "
            "of agents", known_on="2026-11-22", is_secondary=True, required="2.2.53.1 or newer, better 2.13",
        ),
        "pass", "2.15.0.1",
    ),
    judged(
        made("azure-vm-utils", "agents.software", "NVMe disks have their names", "info"), "fail", "it is not installed"
    ),
    judged(made("history-absent", "accounts.leftovers", "No shell history is left"), "fail", f"{HOSTILE}/.bash_history"),
    judged(
        made(
            "no-private-keys", "accounts.leftovers", "No private key is left", "likely blocker", offline="partial",
            is_secondary=True, source="policy 200.4 as quoted by others",
        ),
        "fail", "/etc/ssl/private/snakeoil.key",
    ),
    judged(
        made("dns-works", "network.network", "Names are resolved", "warning", offline="partial"),
        "unknown", "/etc/resolv.conf leads to /run, which only a running machine has",
    ),
    judged(made("sshd-alive", "network.ssh", "Idle SSH sessions are kept, and not for ever"), "pass", "180 in "
           "/etc/ssh/sshd_config:12"),
    judged(
        made("cap-nvme", "claims", "What NVMe needs is there", "likely blocker", claim="nvme"),
        "not applicable", "'nvme' is not claimed",
    ),
)  # fmt: skip


def refused() -> Certificate:
    return Certificate(
        name="disk.vhd",
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        judged=REFUSED,
        generations=("V2",),
        claims=("cloud-init", "extensions"),
        system={
            "os": "Debian GNU/Linux 12 (bookworm)",
            "kernel": "6.1.0-18-cloud-amd64",
            "machine": "x86_64",
            "packages": "412 of dpkg's",
            "disk": "30 GiB, GPT, 3 partitions",
        },
        notes=("one of 2 initramfs could not be read",),
        seconds=11.31,
        made_at="2026-11-23T11:20:42+00:00",
    )


def certified() -> Certificate:
    before = refused()
    well = tuple(
        replace(each, status="pass", seen="as it should be", override=None)
        if each.status in ("fail", "unknown") and each.rule.severity != "warning" else replace(each, override=None)
        for each in before.judged
    )  # fmt: skip
    return replace(before, judged=well, notes=())


def unusable() -> Certificate:
    """Only the outside was seen."""
    before = refused()
    outside = tuple(each for each in before.judged if each.status == "pass" and each.rule.id.startswith("vhd"))
    why = "no root filesystem was found: \x1b[31mLUKS\x1b[0m on /dev/sda2"
    return replace(before, judged=outside, unseen=why, system={}, claims=(), notes=())


def with_words(words: str) -> Certificate:
    """A certificate in which all that a disk, its name or a person can word is the given text."""
    before, override = refused(), Override((words,), words, words)
    every = tuple(
        replace(each, seen=words, required=words, fix=words, override=override if each.override else None)
        for each in before.judged
    )
    return replace(
        before,
        name=words,
        judged=every,
        system={"os": words},
        notes=(words,),
        digest=words,
        made_at=words,
        claims=(words,),
    )
