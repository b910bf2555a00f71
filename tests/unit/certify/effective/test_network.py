"""What each manager of networks would do with eth0, from its files alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from trees import changed

from flight.workflows.certify.effective import ifupdown, netplan, networkd, networkmanager
from flight.workflows.certify.effective.profile import FUNCTION, SYNTHETIC, Nic, Profile
from flight.workflows.certify.facts import Container, PartitionTable, Snapshot
from flight.workflows.certify.tree import Entry, Tree

NOTHING = Snapshot(Container("x", 0, "raw", ""), PartitionTable("none"))
MAC = "00:0d:3a:01:02:03"


def tree_of(files: Mapping[str, str], links: Mapping[str, str] = {}) -> Tree:
    entries = {path: Entry("f", 0o600, size=len(text)) for path, text in files.items()}
    return changed(changed(NOTHING, entries=entries), files=files, links=links).tree


def told(profiles: Iterable[Profile]) -> list[str]:
    """Each profile as a few words."""
    return [
        " ".join(
            filter(
                None,
                ["dhcp" if each.is_dhcp else "", each.static, each.hardware and "bound", each.problem and "problem"],
            )
        )
        for each in profiles
    ]


NETWORKD = {
    "by-name": ({"a": "[Match]\nName=eth0\n[Network]\nDHCP=yes"}, ["dhcp"]),
    "by-pattern": ({"a": "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4"}, ["dhcp"]),
    "all-but": ({"a": "[Match]\nName=!eth* lo\n[Network]\nDHCP=yes"}, []),
    "by-driver": ({"a": "[Match]\nDriver=hv_netvsc\n[Network]\nDHCP=true"}, ["dhcp"]),
    "by-type": ({"a": "[Match]\nType=ether\n[Network]\nDHCP=yes"}, ["dhcp"]),
    "another-name": ({"a": "[Match]\nName=ens3\n[Network]\nDHCP=yes"}, []),
    "another-machine": ({"a": "[Match]\nHost=build\n[Network]\nDHCP=yes"}, []),
    "another-hypervisor": ({"a": "[Match]\nVirtualization=kvm\nName=eth0\n[Network]\nDHCP=yes"}, []),
    "only-version-six": ({"a": "[Match]\nName=eth0\n[Network]\nDHCP=ipv6"}, [""]),
    "static": ({"a": "[Match]\nName=eth0\n[Network]\nAddress=10.0.0.4/24"}, ["10.0.0.4/24"]),
    "static-section": ({"a": "[Match]\nName=eth0\n[Address]\nAddress=10.0.0.4/24"}, ["10.0.0.4/24"]),
    "bound": ({"a": f"[Match]\nMACAddress={MAC}\n[Network]\nDHCP=yes"}, ["dhcp bound"]),
    "bound-and-free": (
        {"a": f"[Match]\nPermanentMACAddress={MAC}\n[Network]\nDHCP=yes", "b": "[Match]\nName=*\n[Network]\nDHCP=yes"},
        ["dhcp bound", "dhcp"],
    ),
    "the-first-by-name-wins": (
        {"20-b": "[Match]\nName=eth0\n[Network]\nDHCP=no", "30-a": "[Match]\nName=eth0\n[Network]\nDHCP=yes"},
        [""],
    ),
    "a-later-line-wins": ({"a": "[Match]\nName=eth0\n[Network]\nDHCP=no\nDHCP=yes"}, ["dhcp"]),
    "unmanaged": ({"a": "[Match]\nName=eth0\n[Link]\nUnmanaged=yes\n[Network]\nDHCP=yes"}, ["problem"]),
    "empty-is-masked": ({"a": "", "b": "[Match]\nName=eth0\n[Network]\nDHCP=yes"}, ["dhcp"]),
}


@pytest.mark.parametrize(("files", "expected"), NETWORKD.values(), ids=NETWORKD)
def test_networkd_takes_the_first_file_that_matches(files: dict[str, str], expected: list[str]) -> None:
    tree = tree_of({f"/etc/systemd/network/{name}.network": text for name, text in files.items()})
    assert told(networkd.profiles(tree, SYNTHETIC)) == expected


def test_networkd_s_drop_ins_add_and_files_in_etc_replace() -> None:
    files = {
        "/usr/lib/systemd/network/10-x.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.0.4/24",
        "/etc/systemd/network/10-x.network": "[Match]\nName=eth0",
        "/etc/systemd/network/10-x.network.d/dhcp.conf": "[Network]\nDHCP=yes",
    }
    assert told(networkd.profiles(tree_of(files), SYNTHETIC)) == ["dhcp"]


def test_networkd_s_files_are_masked_by_a_link_to_null() -> None:
    vendor = {"/usr/lib/systemd/network/10-x.network": "[Match]\nName=eth0\n[Network]\nDHCP=yes"}
    tree = tree_of(vendor, links={"/etc/systemd/network/10-x.network": "/dev/null"})
    assert told(networkd.profiles(tree, SYNTHETIC)) == []


def test_networkd_knows_a_virtual_function_by_what_udev_calls_it() -> None:
    files = {
        "/usr/lib/systemd/network/01-azure.network": "[Match]\nProperty=AZURE_UNMANAGED_SRIOV=1\n[Link]\nUnmanaged=yes",
        "/etc/systemd/network/80-all.network": "[Match]\nName=en* eth*\n[Network]\nDHCP=yes",
    }
    named = Nic(FUNCTION.names, FUNCTION.driver, frozenset({"AZURE_UNMANAGED_SRIOV=1"}))
    assert networkd.managed_by(tree_of(files), named) == ""
    assert networkd.managed_by(tree_of(files), FUNCTION) == "/etc/systemd/network/80-all.network"


IFUPDOWN = {
    "auto": ("auto eth0\niface eth0 inet dhcp\n", ["dhcp"]),
    "hotplug": ("allow-hotplug eth0\niface eth0 inet dhcp\n", ["dhcp"]),
    "by-pattern": ("auto /eth*\niface eth0 inet dhcp\n", ["dhcp"]),
    "nothing-starts-it": ("iface eth0 inet dhcp\n", ["dhcp problem"]),
    "static": ("auto eth0\niface eth0 inet static\n  address 10.0.0.4\n  netmask 255.0.0.0\nauto lo\n", ["10.0.0.4"]),
    "bound": (f"auto eth0\niface eth0 inet dhcp\n  hwaddress ether {MAC}\n", ["dhcp bound"]),
    "manual": ("auto eth0\niface eth0 inet manual\n", [""]),
    "another": ("auto ens3\niface ens3 inet dhcp\n", []),
    "version-six": ("auto eth0\niface eth0 inet6 auto\niface eth0 inet dhcp\n", ["dhcp"]),
    "continued": ("auto \\\n eth0\niface eth0 \\\n inet dhcp\n", ["dhcp"]),
    "sourced": ("source /etc/network/interfaces.d/*\n", ["dhcp"]),
    "sourced-folder": ("source-directory interfaces.d\n", ["dhcp"]),
    "sourced-by-itself": ("source /etc/network/interfaces\nauto eth0\niface eth0 inet dhcp\n", []),
    "garbage": ("iface\nauto\niface eth0\nsource\n\\\n", []),
}


@pytest.mark.parametrize(("text", "expected"), IFUPDOWN.values(), ids=IFUPDOWN)
def test_ifupdown_s_stanzas_are_read(text: str, expected: list[str]) -> None:
    files = {"/etc/network/interfaces": text, "/etc/network/interfaces.d/eth0": "auto eth0\niface eth0 inet dhcp\n"}
    assert told(ifupdown.profiles(tree_of(files), SYNTHETIC)) == expected


def test_debian_s_cloud_images_configure_what_appears() -> None:
    tree = tree_of({"/etc/udev/rules.d/75-cloud-ifupdown.rules": 'ACTION=="add", SUBSYSTEM=="net"\n'})
    assert told(ifupdown.profiles(tree, SYNTHETIC)) == ["dhcp"]


IFCFG = {
    "as-microsoft-has-it": ("DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n", ["dhcp"]),
    "quoted": ('DEVICE="eth0"\nONBOOT=\'yes\'\nBOOTPROTO="dhcp" # word\n', ["dhcp"]),
    "static": ("DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=none\nIPADDR=10.0.0.4\n", ["10.0.0.4"]),
    "bound": (f"DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\nHWADDR={MAC}\n", ["dhcp bound"]),
    "bound-without-a-name": (f"BOOTPROTO=dhcp\nHWADDR={MAC}\n", ["dhcp bound"]),
    "not-started": ("DEVICE=eth0\nONBOOT=no\nBOOTPROTO=dhcp\n", ["dhcp problem"]),
    "another": ("DEVICE=ens3\nONBOOT=yes\nBOOTPROTO=dhcp\n", []),
    "a-bond": ("DEVICE=eth0\nTYPE=Bond\nBOOTPROTO=dhcp\n", []),
    "an-open-quote": ("DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\nNAME='x\n", ["dhcp"]),
}


@pytest.mark.parametrize(("text", "expected"), IFCFG.values(), ids=IFCFG)
def test_ifcfg_files_are_read(text: str, expected: list[str]) -> None:
    files = {f"{ifupdown.SCRIPTS}/ifcfg-x": text, f"{ifupdown.SCRIPTS}/ifcfg-x.rpmsave": "DEVICE=eth0\n"}
    assert told(ifupdown.ifcfg_profiles(tree_of(files), SYNTHETIC)) == expected


def test_suse_s_files_have_their_interface_in_their_name() -> None:
    tree = tree_of({f"{ifupdown.SUSE}/ifcfg-eth0": "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n"})
    assert told(ifupdown.ifcfg_profiles(tree, SYNTHETIC, folder=ifupdown.SUSE, manager="wicked")) == ["dhcp"]


NETPLAN = {
    "by-id": ("network: {version: 2, ethernets: {eth0: {dhcp4: true}}}", ["dhcp"]),
    "by-pattern": ("network:\n  ethernets:\n    all:\n      match: {name: 'eth*'}\n      dhcp4: yes\n", ["dhcp"]),
    "by-driver": ("network: {ethernets: {a: {match: {driver: hv_netvsc}, dhcp4: true}}}", ["dhcp"]),
    "by-drivers": ("network: {ethernets: {a: {match: {driver: [mlx5_core, hv_netvsc]}, dhcp4: true}}}", ["dhcp"]),
    "another": ("network: {ethernets: {ens3: {dhcp4: true}}}", []),
    "another-pattern": ("network: {ethernets: {a: {match: {name: 'en*'}, dhcp4: true}}}", []),
    "bound": (
        f"network: {{ethernets: {{eth0: {{match: {{macaddress: '{MAC}'}}, dhcp4: true, set-name: eth0}}}}}}",
        ["dhcp bound"],
    ),
    "static": ("network: {ethernets: {eth0: {addresses: [10.0.0.4/24]}}}", ["10.0.0.4/24"]),
    "neither": ("network: {ethernets: {eth0: {optional: true}}}", [""]),
    "a-manager-that-is-missing": (
        "network: {renderer: NetworkManager, ethernets: {eth0: {dhcp4: true}}}",
        ["dhcp problem"],
    ),
    "broken": ("network: {ethernets: [", ["problem"]),
    "a-bomb": ("b0: &b0 [x]\n" + "".join(f"b{n}: &b{n} [{f'*b{n - 1}, ' * 9}]\n" for n in range(1, 9)), ["problem"]),
    "of-another-shape": ("network: [1]\n", []),
    "of-yet-another": ("network: {ethernets: {eth0: 3, eth1: {match: x}}}\n", [""]),
    "empty": ("", []),
}


@pytest.mark.parametrize(("text", "expected"), NETPLAN.values(), ids=NETPLAN)
def test_netplan_s_definitions_are_read(text: str, expected: list[str]) -> None:
    tree = tree_of({"/etc/netplan/50-x.yaml": text})
    assert told(netplan.profiles(tree, SYNTHETIC, has_manager=False)) == expected


def test_netplan_s_files_are_merged_in_the_order_of_their_names() -> None:
    files = {
        "/usr/lib/netplan/00-a.yaml": "network: {ethernets: {eth0: {dhcp4: false, addresses: [10.0.0.4/24]}}}",
        "/etc/netplan/00-a.yaml": "network: {ethernets: {eth0: {dhcp4: false}}}",
        "/etc/netplan/10-b.yaml": "network: {ethernets: {eth0: {dhcp4: true}}}",
        "/etc/netplan/20-c.yml": "network: {ethernets: {eth0: {dhcp4: false}}}",
    }
    (profile,) = netplan.profiles(tree_of(files), SYNTHETIC)
    assert (profile.is_dhcp, profile.static, profile.at) == (True, "", "/etc/netplan/00-a.yaml (eth0)")


KEYFILES = {
    "by-name": ("[connection]\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=auto\n", ["dhcp"]),
    "any-card": ("[connection]\ntype=ethernet\n", ["dhcp"]),
    "by-pattern": ("[connection]\ntype=ethernet\n[match]\ninterface-name=eth*;en*;\n", ["dhcp"]),
    "another": ("[connection]\ntype=ethernet\ninterface-name=ens3\n", []),
    "another-kind": ("[connection]\ntype=wifi\n", []),
    "bound": (f"[connection]\ntype=ethernet\n[ethernet]\nmac-address={MAC}\n", ["dhcp bound"]),
    "bound-in-old-words": (f"[connection]\ntype=802-3-ethernet\n[802-3-ethernet]\nmac-address={MAC}\n", ["dhcp bound"]),
    "static": (
        "[connection]\ntype=ethernet\n[ipv4]\nmethod=manual\naddress1=10.0.0.4/24,10.0.0.1\n",
        ["10.0.0.4/24,10.0.0.1"],
    ),
    "none": ("[connection]\ntype=ethernet\n[ipv4]\nmethod=disabled\n", [""]),
    "not-by-itself": ("[connection]\ntype=ethernet\nautoconnect=false\n", ["dhcp problem"]),
}


@pytest.mark.parametrize(("text", "expected"), KEYFILES.values(), ids=KEYFILES)
def test_network_manager_s_connections_are_read(text: str, expected: list[str]) -> None:
    tree = tree_of({f"{networkmanager.KEYFILES[0]}/x.nmconnection": text})
    assert told(networkmanager.profiles(tree, SYNTHETIC)) == expected


@pytest.mark.parametrize("entry", [Entry("f", 0o644, size=9), Entry("f", 0o600, uid=1000, size=9)])
def test_network_manager_ignores_a_keyfile_that_others_can_read(entry: Entry) -> None:
    path = f"{networkmanager.KEYFILES[0]}/x.nmconnection"
    snapshot = changed(changed(NOTHING, entries={path: entry}), files={path: "[connection]\ntype=ethernet\n"})
    (profile,) = networkmanager.profiles(snapshot.tree, SYNTHETIC)
    assert "mode" in profile.problem


MANAGED = {
    "nothing-said": ("", False, True),
    "servers": ("[main]\nno-auto-default=*\n", False, False),
    "only-another": ("[main]\nno-auto-default=eth1,eth2\n", False, True),
    "by-name": ("[keyfile]\nunmanaged-devices=interface-name:eth*\n", True, True),
    "by-driver": ("[keyfile]\nunmanaged-devices=driver:hv_netvsc;driver:mlx5_core\n", True, True),
    "by-kind": ("[keyfile]\nunmanaged-devices=*,except:interface-name:lo\n", True, True),
    "except": ("[keyfile]\nunmanaged-devices=*,except:type:ethernet\n", False, True),
    "functions": ("[keyfile]\nunmanaged-devices=driver:mlx4_core;driver:mlx5_core\n", False, True),
}


@pytest.mark.parametrize(("text", "is_alone", "is_automatic"), MANAGED.values(), ids=MANAGED)
def test_network_manager_s_configuration_is_read(text: str, is_alone: bool, is_automatic: bool) -> None:
    tree = tree_of({"/etc/NetworkManager/conf.d/x.conf": text})
    assert networkmanager.leaves_alone(tree, SYNTHETIC) is is_alone
    assert networkmanager.makes_its_own(tree, SYNTHETIC) is is_automatic


def test_network_manager_s_own_files_come_after_the_vendor_s() -> None:
    files = {
        "/usr/lib/NetworkManager/conf.d/99-x.conf": "[main]\nno-auto-default=*\n",
        "/etc/NetworkManager/NetworkManager.conf": "[main]\nplugins=keyfile\n",
        "/etc/NetworkManager/conf.d/10-y.conf": "[main]\nno-auto-default=eth1\n",
    }
    assert networkmanager.value_of(tree_of(files), "main", "no-auto-default") == "eth1"
