"""cloud-init: a real disk, and Enterprise Linux made here, with one thing wrong each."""

from __future__ import annotations

from typing import Any

import pytest
from trees import DEBIAN, ask, changed, el

from flight.workflows.certify.tree import Entry

DROP = "/etc/cloud/cloud.cfg.d"
ETC = "/etc/systemd/system"
AGENT = {"/etc/waagent.conf": "Provisioning.Agent=waagent\n"}
NO_CLOUDINIT: dict[str, Any] = {"packages": {"cloud-init": None}, "without": ["/usr/bin/cloud-init"]}
PROGRAM = Entry("f", 0o755, size=4096)


def cfg(text: str) -> dict[str, Any]:
    return {"files": {f"{DROP}/99-x.cfg": text}}


def el_cfg(text: str) -> dict[str, Any]:
    return {"files": {f"{DROP}/91-azure_datasource.cfg": text}}


CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "as-it-is": ("cloudinit-present", {}, "pass", "cloud-init 25.1.4, all stages start"),
    "not-there": ("cloudinit-present", NO_CLOUDINIT, "fail", "not installed"),
    "no-program": ("cloudinit-present", {"without": ["/usr/bin/cloud-init"]}, "fail", "its program is not"),
    "a-program-that-cannot-run": (
        "cloudinit-present",
        {"entries": {"/usr/bin/cloud-init": Entry("f", 0o644, size=9)}},
        "fail",
        "/usr/bin/cloud-init is there, and nobody may run it",
    ),
    "disabled": ("cloudinit-present", {"files": {"/etc/cloud/cloud-init.disabled": ""}}, "fail", "cloud-init.disabled"),
    "masked": (
        "cloudinit-present",
        {"links": {f"{ETC}/cloud-config.service": "/dev/null"}},
        "fail",
        "config.service (masked)",
    ),
    "without-its-generator": (
        "cloudinit-present",
        {"without": ["/usr/lib/systemd/system-generators/cloud-init-generator"]},
        "fail",
        "cloud-init-local.service (enabled)",
    ),
    "the-agent-provisions": (
        "cloudinit-present",
        {"files": AGENT, **NO_CLOUDINIT},
        "not applicable",
        "the agent provisions",
    ),
    "azure": ("cloudinit-ds", {}, "pass", f"[Azure, NoCloud] in {DROP}/90-azure.cfg"),
    "the-built-in-list": ("cloudinit-ds", {"files": {f"{DROP}/90-azure.cfg": None}}, "pass", "the built-in list"),
    "without-azure": (
        "cloudinit-ds",
        cfg("datasource_list: [ NoCloud, None ]"),
        "fail",
        f"[NoCloud, None] in {DROP}/99-x.cfg",
    ),
    "a-word-for-a-list": ("cloudinit-ds", cfg("datasource_list: Azure"), "fail", f"no list in {DROP}/99-x.cfg"),
    "nothing-for-a-list": ("cloudinit-ds", cfg("datasource_list:"), "fail", "no list"),
    "an-empty-list": ("cloudinit-ds", cfg("datasource_list: []"), "fail", "[] in"),
    "forced": ("cloudinit-ds", {"files": {"/etc/cloud/ds-identify.cfg": "datasource: Ec2\n"}}, "fail", "forces Ec2"),
    "forced-to-azure": (
        "cloudinit-ds",
        {"files": {"/etc/cloud/ds-identify.cfg": "datasource: Azure\n"}},
        "pass",
        "Azure",
    ),
    "a-bomb": ("cloudinit-ds", cfg("a: &a [b]\nc: [" + "*a, " * 60000 + "]"), "unknown", "not read: "),
    "dhcpcd": ("cloudinit-dhcp-client", {}, "pass", "cloud-init 25.1.4, /usr/sbin/dhcpcd"),
    "no-client": ("cloudinit-dhcp-client", {"without": ["/usr/sbin/dhcpcd"]}, "fail", "and there is none"),
    "a-client-that-cannot-run": (
        "cloudinit-dhcp-client",
        {"entries": {"/usr/sbin/dhcpcd": Entry("f", 0o644, size=9)}},
        "fail",
        "and there is none",
    ),
    "an-old-one-knows-dhclient-only": (
        "cloudinit-dhcp-client",
        {"packages": {"cloud-init": "22.4.2-1+deb12u4"}},
        "fail",
        "cloud-init 22.4.2 wants dhclient, and there is /usr/sbin/dhcpcd",
    ),
    "an-old-one-with-dhclient": (
        "cloudinit-dhcp-client",
        {"packages": {"cloud-init": "22.4.2-1+deb12u4"}, "entries": {"/usr/sbin/dhclient": PROGRAM}},
        "pass",
        "/usr/sbin/dhclient",
    ),
    "another-one-is-configured": (
        "cloudinit-dhcp-client",
        cfg("system_info: {network: {dhcp_client_priority: [dhclient]}}"),
        "fail",
        "wants dhclient",
    ),
    "one-nobody-knows-is-configured": (
        "cloudinit-dhcp-client",
        cfg("system_info: {network: {dhcp_client_priority: [x]}}"),
        "pass",
        "dhcpcd",
    ),
    "new-enough-for-mounts": ("cloudinit-mounts", {}, "not applicable", "does not need it"),
    "old-with-early-mounts": (
        "cloudinit-mounts",
        {"packages": {"cloud-init": "22.4.2-1"}},
        "pass",
        "cloud_init_modules",
    ),
    "old-with-late-mounts": (
        "cloudinit-mounts",
        {"packages": {"cloud-init": "22.4.2-1"}, **cfg("cloud_init_modules: [disk_setup]")},
        "fail",
        "mounts not in cloud_init_modules of cloud-init 22.4.2",
    ),
    "telemetry": ("cloudinit-telemetry", cfg("reporting: {telemetry: {type: hyperv}}"), "pass", "hyperv in"),
    "other-telemetry": ("cloudinit-telemetry", cfg("reporting: {logging: {type: log}}"), "fail", "no reporting"),
    "no-telemetry": ("cloudinit-telemetry", cfg("reporting: [hyperv]"), "fail", "no reporting"),
}


@pytest.mark.parametrize(("name", "change", "status", "words"), CASES.values(), ids=CASES)
def test_a_debian_with_one_thing_changed(name: str, change: dict[str, Any], status: str, words: str) -> None:
    outcome = ask(name, changed(DEBIAN, **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome.seen


def test_where_it_is_claimed_it_is_asked_for_though_the_agent_provisions() -> None:
    disk = changed(DEBIAN, files=AGENT, **NO_CLOUDINIT)
    assert ask("cloudinit-present", disk, claims={"cloud-init"}).status == "fail"


EL_CASES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "present": ("cloudinit-present", {}, "pass", "cloud-init 24.4"),
    "a-stage-not-enabled": (
        "cloudinit-present",
        {"without": [f"{ETC}/multi-user.target.wants/cloud-final.service"]},
        "fail",
        "cloud-final.service (disabled)",
    ),
    "azure-alone": ("cloudinit-ds", {}, "pass", "[Azure] in"),
    "more-than-azure": ("cloudinit-ds", el_cfg("datasource_list: [ Azure, NoCloud ]"), "fail", "not Azure alone"),
    "none-behind-it": (
        "cloudinit-ds",
        el_cfg("datasource_list: [ Azure, None ]\ndatasource: {Azure: {apply_network_config: False}}"),
        "pass",
        "[Azure, None]",
    ),
    "with-the-network": (
        "cloudinit-ds",
        el_cfg("datasource_list: [ Azure ]"),
        "fail",
        "apply_network_config is not off",
    ),
    "dhclient": ("cloudinit-dhcp-client", {}, "pass", "dhclient"),
    "telemetry": ("cloudinit-telemetry", {}, "pass", "10-azure-kvp.cfg"),
}


@pytest.mark.parametrize(("name", "change", "status", "words"), EL_CASES.values(), ids=EL_CASES)
def test_a_made_enterprise_linux_with_one_thing_changed(
    name: str, change: dict[str, Any], status: str, words: str
) -> None:
    outcome = ask(name, changed(el(9), **change))
    assert (outcome.status, words in outcome.seen) == (status, True), outcome.seen


def test_only_a_list_without_azure_stands_in_the_way() -> None:
    assert ask("cloudinit-ds", changed(el(9), **el_cfg("datasource_list: [ Azure, NoCloud ]"))).severity == "warning"
    assert ask("cloudinit-ds", changed(el(9), **el_cfg("datasource_list: [ NoCloud ]"))).severity is None
