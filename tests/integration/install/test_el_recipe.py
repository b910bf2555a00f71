"""The shipped Enterprise Linux recipe, its kickstart as it is, on the test distribution.

What that one does not have (Azure's agent, cloud-init, compilers) is left out of the package lists by files of the same
name in front of the shipped ones; of the agent and cloud-init there are the configuration and the units, and no programs.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flight.workflows import kickstart
from flight.workflows.install import build_disk
from flight.workflows.settings import SHIPPED, Programs
from rpm.distribution import Distribution

from .test_el import Disk, install, linux, mirror

__all__ = ["linux", "mirror"]

UNITS = ("waagent", "cloud-init-local", "cloud-init", "cloud-config", "cloud-final")
UNIT = "[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
STAND_INS = {
    "waagent.conf": "/etc/waagent.conf",
    "cloud-init.cfg": "/etc/cloud/cloud.cfg.d/05_logging.cfg",
    **{f"{unit}.service": f"/usr/lib/systemd/system/{unit}.service" for unit in UNITS},
}
MISSING = {
    "el-boot.packages.j2": ("grubby", "efibootmgr", "dracut-config-generic"),
    "el-azure.packages.j2": ("cloud-init", "cloud-utils-growpart", "gdisk", "WALinuxAgent", "hyperv-daemons"),
    "el-hpc.packages.j2": ("gcc", "gcc-c++", "gcc-gfortran", "make", "environment-modules", "nfs-utils"),
}
"""What the test distribution has not, by the list that names it."""


@pytest.fixture(scope="module")
def disk(linux: Distribution, mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    folder = tmp_path_factory.mktemp("recipe")
    _write_recipe(folder, linux, mirror)
    _, plan = kickstart.read("flight-compute-el9", version="1", mirror="", folders=[folder, SHIPPED], cache=None)
    work = tmp_path_factory.mktemp("built")
    install(plan, work / "el.tree", cache=work / "cache")
    build_disk(plan, work / "el.tree", work / "el.qcow2", programs=Programs(), log_to=work / "logs")
    return Disk(work / "el.qcow2", plan)


def _write_recipe(folder: Path, linux: Distribution, mirror: str) -> None:
    """The shipped recipe but for its mirror and key, and what stands in for the missing packages."""
    text = (SHIPPED / "flight-compute-el9.toml").read_text()
    text = re.sub(r'archive = ".*"', f'archive = "{mirror}"', text)
    text = re.sub(r'key = ".*"', 'key = "key"', text)
    for name, to in STAND_INS.items():
        (folder / name).write_text(UNIT if name.endswith(".service") else "# stands in\n")
        text += f'\n[[files]]\nsource = "{name}"\nto = "{to}"\n'
    (folder / "flight-compute-el9.toml").write_text(text)
    (folder / "flight-compute-el9.ks.j2").write_text((SHIPPED / "flight-compute-el9.ks.j2").read_text())
    (folder / "key").write_bytes(linux.key.read_bytes())
    (folder / "partials").mkdir()
    for name, left_out in MISSING.items():
        lines = (SHIPPED / "partials" / name).read_text().splitlines()
        (folder / "partials" / name).write_text("\n".join(line for line in lines if line not in left_out) + "\n")


def test_its_scripts_set_up_agent_clock_initramfs_and_ssh(disk: Disk) -> None:
    assert "Provisioning.Agent=cloud-init" in disk.text("/etc/waagent.conf")
    assert "datasource_list: [ Azure ]" in disk.text("/etc/cloud/cloud.cfg.d/91-azure_datasource.cfg")
    assert "refclock PHC /dev/ptp_hyperv" in disk.text("/etc/chrony.conf")
    assert len(re.findall(r"^makestep ", disk.text("/etc/chrony.conf"), re.M)) == 1
    assert "hv_storvsc" in disk.text("/etc/dracut.conf.d/azure.conf")
    assert "ClientAliveInterval 180" in disk.text("/etc/ssh/sshd_config").splitlines()
    assert "BOOTPROTO=dhcp" in disk.text("/etc/sysconfig/network-scripts/ifcfg-eth0")
    assert "NM_UNMANAGED" in disk.text("/etc/udev/rules.d/68-azure-sriov-nm-unmanaged.rules")


def test_its_services_start_and_its_selinux_is_enforcing(disk: Disk) -> None:
    wanted = disk.names("/etc/systemd/system/multi-user.target.wants")
    assert {"sshd.service", "chronyd.service", *(f"{unit}.service" for unit in UNITS)} <= wanted
    assert "SELINUX=enforcing" in disk.text("/etc/selinux/config").splitlines()
    assert ":shadow_t:" in disk.label("/etc/shadow")


def test_its_menu_has_azures_console(disk: Disk) -> None:
    assert "console=ttyS0,115200n8 earlyprintk=ttyS0,115200 rootdelay=300 net.ifnames=0" in disk.text(
        "/etc/kernel/cmdline"
    )
