"""What makes a disk one machine: a real disk with one thing left on it each."""

from __future__ import annotations

from typing import Any

import pytest
from eltree import el
from trees import DEBIAN, ask, changed

from flight.workflows.certify.rule import Rule
from flight.workflows.certify.rules.accounts import generalised
from flight.workflows.certify.tree import Entry

RULES = [value.id for value in vars(generalised).values() if isinstance(value, Rule)]
ID = "0123456789abcdef0123456789abcdef\n"


def file(path: str, text: str = "x") -> dict[str, Any]:
    return {"files": {path: text}}


CASES = {
    "host keys: one": ("ssh-hostkeys-removed", file("/etc/ssh/ssh_host_rsa_key"), "fail", "rsa_key"),
    "host keys: a public one": ("ssh-hostkeys-removed", file("/etc/ssh/ssh_host_rsa_key.pub"), "fail", ".pub"),
    "host keys: an empty one": ("ssh-hostkeys-removed", file("/etc/ssh/ssh_host_rsa_key", ""), "fail", "rsa_key"),
    "host keys: where a line points": (
        "ssh-hostkeys-removed", {"files": {"/etc/ssh/sshd_config": "HostKey /srv/key\n", "/srv/key": "x"}}, "fail", "/srv/key",
    ),
    "host keys: a line that points nowhere": (
        "ssh-hostkeys-removed", file("/etc/ssh/sshd_config", "HostKey /etc/ssh/ssh_host_ed25519_key\n"), "pass", "none",
    ),
    "machine id: one": ("machine-id-empty", file("/etc/machine-id", ID), "fail", "/etc/machine-id says '0123"),
    "machine id: dbus's link": (
        "machine-id-empty", {"links": {"/var/lib/dbus/machine-id": "/etc/machine-id"}}, "pass", "empty",
    ),
    "machine id: absent": ("machine-id-empty", {"without": ["/etc/machine-id"]}, "pass", "none"),
    "machine id: not begun": ("machine-id-empty", file("/etc/machine-id", "uninitialized\n"), "pass", "empty"),
    "machine id: a folder": ("machine-id-empty", {"entries": {"/etc/machine-id": Entry("d")}}, "fail", "folder"),
    "machine id: not taken": (
        "machine-id-empty", {"entries": {"/etc/machine-id": Entry("f", size=9)}}, "unknown", "machine-id",
    ),
    "cloud-init: an instance": ("cloudinit-clean", file("/var/lib/cloud/instances/i-1/user-data.txt"), "fail", "i-1"),
    "cloud-init: an empty instance": (
        "cloudinit-clean", {"entries": {"/var/lib/cloud/instances/i-1": Entry("d")}}, "fail", "instances/i-1",
    ),
    "cloud-init: a link that dangles": (
        "cloudinit-clean", {"links": {"/var/lib/cloud/instance": "/var/lib/cloud/instances/i"}}, "fail", "cloud/instance",
    ),
    "cloud-init: done once": ("cloudinit-clean", file("/var/lib/cloud/sem/config_scripts.once", ""), "fail", "sem/config"),
    "cloud-init: its data": ("cloudinit-clean", file("/var/lib/cloud/data/status.json"), "fail", "status.json"),
    "cloud-init: a log": ("cloudinit-clean", file("/var/log/cloud-init-output.log"), "fail as warning", "only logs"),
    "cloud-init: a seed": ("cloudinit-clean", file("/var/lib/cloud/seed/nocloud/user-data", ""), "fail", "seed/nocloud"),
    "cloud-init: an instance elsewhere": (
        "cloudinit-clean",
        {"files": {
            "/etc/cloud/cloud.cfg.d/99-ours.cfg": "system_info: {paths: {cloud_dir: /srv/cloud}}\n",
            "/srv/cloud/instances/i-1/user-data.txt": "x",
        }},
        "fail", "/srv/cloud/instances/i-1",
    ),
    "cloud-init: nothing elsewhere": (
        "cloudinit-clean", file("/etc/cloud/cloud.cfg.d/9.cfg", "system_info: {paths: {cloud_dir: /srv/c}}\n"), "pass", "none",
    ),
    "cloud-init: its folder is no path": (
        "cloudinit-clean", file("/etc/cloud/cloud.cfg.d/9.cfg", "system_info: {paths: {cloud_dir: [1]}}\n"), "pass", "none",
    ),
    "cloud-init: scripts of the image": ("cloudinit-clean", file("/var/lib/cloud/scripts/per-boot/a"), "pass", "none"),
    "agent: provisioned": ("waagent-clean", file("/var/lib/waagent/provisioned", ""), "fail", "provisioned"),
    "agent: a certificate": ("waagent-clean", file("/var/lib/waagent/ABCD.prv"), "fail", "ABCD.prv"),
    "agent: a log": ("waagent-clean", file("/var/log/waagent.log"), "fail as warning", "waagent.log"),
    "agent: an extension's log": ("waagent-clean", file("/var/log/azure/x/run.log", ""), "fail as warning", "run.log"),
    "agent: provisioned, elsewhere": (
        "waagent-clean",
        {"files": {"/etc/waagent.conf": "Lib.Dir=/opt/waagent/\n", "/opt/waagent/provisioned": ""}}, "fail", "/opt/waagent/prov",
    ),
    "agent: nothing elsewhere": ("waagent-clean", file("/etc/waagent.conf", "Lib.Dir=/opt/waagent\n"), "pass", "none"),
    "agent: a package's file": (
        "waagent-clean", {"entries": {"/var/lib/waagent/x": Entry("f", owner="waagent")}}, "pass", "none",
    ),
    "leases: dhclient's": ("dhcp-leases-clean", file("/var/lib/dhcp/dhclient.eth0.leases"), "fail", "eth0.leases"),
    "leases: Red Hat's": ("dhcp-leases-clean", file("/var/lib/dhclient/dhclient--eth0.lease"), "fail", "eth0.lease"),
    "leases: dhcpcd's identity": ("dhcp-leases-clean", file("/var/lib/dhcpcd/duid"), "fail", "duid"),
    "leases: NetworkManager's": (
        "dhcp-leases-clean", file("/var/lib/NetworkManager/internal-a-eth0.lease"), "fail", "internal",
    ),
    "leases: NetworkManager's secret": ("dhcp-leases-clean", file("/var/lib/NetworkManager/secret_key"), "fail", "secret"),
    "leases: an empty file": ("dhcp-leases-clean", file("/var/lib/dhcp/dhclient.leases", ""), "pass", "none"),
    "leases: another state": ("dhcp-leases-clean", file("/var/lib/NetworkManager/NetworkManager.state"), "pass", "none"),
    "resolver: a file": (
        "resolv-conf", file("/etc/resolv.conf", "nameserver 10.0.2.3\n"), "fail", "10.0.2.3",
    ),
    "resolver: comments": (
        "resolv-conf", file("/etc/resolv.conf", "# nameserver 1.1.1.1\n"), "pass", "no server",
    ),
    "resolver: absent": ("resolv-conf", {"without": ["/etc/resolv.conf"]}, "pass", "none"),
    "resolver: resolved's, from below": (
        "resolv-conf", {"links": {"/etc/resolv.conf": "../run/systemd/resolve/resolv.conf"}}, "pass", "/run/systemd",
    ),
    "resolver: out of /run": ("resolv-conf", {"links": {"/etc/resolv.conf": "/run/../srv/r"}}, "fail", "/srv/r"),
    "resolver: a link to servers": (
        "resolv-conf", {"links": {"/etc/resolv.conf": "own"}, **file("/etc/own", "nameserver 10.9.9.9\n")}, "fail", "10.9.9.9",
    ),
    "name: the builder's": ("hostname-generic", file("/etc/hostname", "builder7\n"), "fail", "builder7"),
    "name: SUSE's file": ("hostname-generic", file("/etc/HOSTNAME", "builder7\n"), "fail", "HOSTNAME"),
    "name: localhost and a domain": ("hostname-generic", file("/etc/hostname", "localhost.localdomain\n"), "pass", "local"),
    "name: begins alike": ("hostname-generic", file("/etc/hostname", "localhosting\n"), "fail", "localhosting"),
    "registered: at Red Hat": ("subscription-clean", file("/etc/pki/consumer/cert.pem"), "fail", "consumer"),
    "registered: with an entitlement": ("subscription-clean", file("/etc/pki/entitlement/1-key.pem"), "fail", "1-key"),
    "registered: at Canonical": (
        "subscription-clean", file("/var/lib/ubuntu-advantage/private/machine-token.json"), "fail", "machine-token",
    ),
    "registered: at SUSE": ("subscription-clean", file("/etc/zypp/credentials.d/SCCcredentials"), "fail", "SCC"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_real_disk_passes(rule: str) -> None:
    assert ask(rule, DEBIAN).status == "pass"


@pytest.mark.parametrize("release", [8, 9, 10])
@pytest.mark.parametrize("rule", RULES)
def test_enterprise_linux_passes(rule: str, release: int) -> None:
    assert ask(rule, el(release)).status == "pass"


@pytest.mark.parametrize(("rule", "change", "outcome", "words"), CASES.values(), ids=CASES)
def test_one_thing_left(rule: str, change: dict[str, Any], outcome: str, words: str) -> None:
    said = ask(rule, changed(DEBIAN, **change))
    assert said.status + (f" as {said.severity}" if said.severity else "") == outcome, said
    assert words in said.seen


@pytest.mark.parametrize(
    "path", ["/etc/pki/consumer/key.pem", "/etc/pki/entitlement/9.pem", "/etc/sysconfig/rhn/systemid"]
)
def test_a_registered_enterprise_linux_is_told(path: str) -> None:
    assert path in ask("subscription-clean", changed(el(9), files={path: "x"})).seen


def test_an_id_that_is_dbus_own_counts_too() -> None:
    bare = changed(DEBIAN, without=["/var/lib/dbus/machine-id"])
    assert "/var/lib/dbus" in ask("machine-id-empty", changed(bare, files={"/var/lib/dbus/machine-id": ID})).seen
