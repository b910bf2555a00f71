"""The agent as it reads its own configuration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import DEBIAN, changed, el

from flight.workflows.certify.effective.waagent import Waagent, numbers, provisioner, read_conf
from flight.workflows.certify.image import Image
from flight.workflows.certify.tree import Entry

CONF = "/etc/waagent.conf"
VERSION = "/usr/lib/python3/dist-packages/azurelinuxagent/common/version.py"


def image(**change: Any) -> Image:
    return Image(changed(DEBIAN, **change))


CONFS = {
    "plain": ("A=y", "y"),
    "spaces": (" A = y \r", "y"),
    "quotes": ('A="y"', "y"),
    "a-comment-behind": ("A=y # or n", "y"),
    "a-comment": ("#A=y", None),
    "an-indented-comment": (" #A=y", None),
    "the-last-wins": ("A=n\nA=y", "y"),
    "unset": ("A=y\nA=None", None),
    "no-value": ("A=", ""),
    "equals-in-it": ("A=b=c", "b=c"),
    "no-line-at-all": ("A y", None),
}


@pytest.mark.parametrize(("text", "value"), CONFS.values(), ids=CONFS)
def test_a_line_is_read_as_the_agent_reads_it(text: str, value: str | None) -> None:
    values, lines = read_conf(text)
    assert values.get("A") == value
    assert lines.get("A") == (None if value is None else len(text.splitlines()))


UPDATES = {
    "nothing-said": ("", True),
    "the-older-off": ("AutoUpdate.Enabled=n", False),
    "the-older-in-capitals": ("AutoUpdate.Enabled=N", False),
    "no-switch": ("AutoUpdate.Enabled=no", True),
    "the-newer-off": ("AutoUpdate.Enabled=y\nAutoUpdate.UpdateToLatestVersion=n", False),
    "the-newer-on": ("AutoUpdate.Enabled=n\nAutoUpdate.UpdateToLatestVersion=y", True),
}


@pytest.mark.parametrize(("text", "is_on"), UPDATES.values(), ids=UPDATES)
def test_the_newer_key_decides_over_updates(text: str, is_on: bool) -> None:
    values, lines = read_conf(text)
    assert Waagent(values=values, lines=lines).updates_itself is is_on


def test_a_real_debian_has_it() -> None:
    agent = image().waagent
    assert (agent.program, agent.unit, agent.is_there) == ("/usr/sbin/waagent", "walinuxagent.service", True)
    assert agent.version == "2.12.0.2" and agent.has_conf and not agent.disabled_by
    assert agent.value("Lib.Dir") == "/var/lib/waagent" and agent.where("Lib.Dir") == f"{CONF}, where it is not set"
    assert agent.where("Provisioning.Agent").startswith(f"{CONF}:")


VERSIONS = {
    "the-package": ({"without": [VERSION]}, "2.12.0.2", "the package waagent"),
    "its-own-file": ({"files": {VERSION: "AGENT_VERSION = '2.14.0.1'\n"}}, "2.14.0.1", VERSION),
    "the-older-of-two": (
        {
            "files": {
                VERSION: "AGENT_VERSION = '2.14.0.1'\n",
                "/usr/local/lib/python3.13/site-packages/azurelinuxagent/common/version.py": 'AGENT_VERSION = "2.2.40"',
            }
        },
        "2.2.40",
        "/usr/local/lib/python3.13/site-packages/azurelinuxagent/common/version.py",
    ),
    "a-file-that-says-nothing": ({"files": {VERSION: "x = 1\n"}}, "2.12.0.2", "the package waagent"),
    "a-file-not-taken": ({"entries": {VERSION: Entry("f", size=1 << 30)}}, "2.12.0.2", "the package waagent"),
    "a-package-of-ubuntu": (
        {"packages": {"waagent": None, "walinuxagent": "2.11.1.4-0ubuntu0~22.04.1"}, "without": [VERSION]},
        "2.11.1.4",
        "the package walinuxagent",
    ),
    "nothing": ({"packages": {"waagent": None}, "without": [VERSION, "/usr/sbin/waagent"]}, "", ""),
}


@pytest.mark.parametrize(("change", "version", "place"), VERSIONS.values(), ids=VERSIONS)
def test_the_version_is_that_of_the_code(change: dict[str, Any], version: str, place: str) -> None:
    agent = image(**change).waagent
    assert (agent.version, agent.version_in) == (version, place)


def test_the_unit_may_name_another_configuration() -> None:
    start = "[Service]\nExecStart=\nExecStart=/usr/sbin/waagent -daemon -configuration-path:/etc/own.conf\n"
    files = {"/etc/systemd/system/walinuxagent.service.d/x.conf": start, "/etc/own.conf": "Extensions.Enabled=n\n"}
    agent = image(files=files).waagent
    assert agent.conf == "/etc/own.conf" and not agent.is_on("Extensions.Enabled")


def test_the_file_that_makes_it_sleep_is_found_where_its_folder_is() -> None:
    assert image(files={"/var/lib/waagent/disable_agent": ""}).waagent.disabled_by == "/var/lib/waagent/disable_agent"
    moved = image(files={"/srv/disable_agent": "", CONF: "Lib.Dir=/srv\n"}).waagent
    assert moved.disabled_by == "/srv/disable_agent"


WITHOUT_CLOUDINIT = {"packages": {"cloud-init": None}, "without": ["/usr/bin/cloud-init"]}
WITHOUT_AGENT = {"packages": {"waagent": None}, "without": ["/usr/sbin/waagent"]}
PROVISIONERS: dict[str, tuple[dict[str, Any], str]] = {
    "as-it-is": ({}, "cloud-init"),
    "cloud-init-that-is-not-there": (WITHOUT_CLOUDINIT, "cloud-init"),
    "auto": ({"files": {CONF: "Provisioning.Agent=auto\n"}}, "cloud-init"),
    "not-said": ({"files": {CONF: "A=b\n"}}, "cloud-init"),
    "auto-without-cloud-init": ({"files": {CONF: "Provisioning.Agent=auto\n"}, **WITHOUT_CLOUDINIT}, "agent"),
    "auto-with-cloud-init-disabled": (
        {"files": {CONF: "Provisioning.Agent=auto\n", "/etc/cloud/cloud-init.disabled": ""}},
        "cloud-init",
    ),
    "the-agent": ({"files": {CONF: "Provisioning.Agent=waagent\n"}}, "agent"),
    "disabled": ({"files": {CONF: "Provisioning.Agent=disabled\n"}}, ""),
    "misspelt": ({"files": {CONF: "Provisioning.Agent=Auto\n"}}, ""),
    "no-agent": (WITHOUT_AGENT, "cloud-init"),
}


@pytest.mark.parametrize(("change", "who"), PROVISIONERS.values(), ids=PROVISIONERS)
def test_it_is_known_who_provisions(change: dict[str, Any], who: str) -> None:
    assert provisioner(image(**change)) == who


def test_enterprise_linux_has_it() -> None:
    agent = Image(el(9)).waagent
    assert (agent.unit, agent.package and agent.package.name) == ("waagent.service", "WALinuxAgent")


def test_versions_are_compared_by_their_numbers() -> None:
    assert numbers("2.2.53.1") < numbers("2.13") < numbers("10") and numbers("1.1.1k") == (1, 1, 1)
    assert numbers("v1") == numbers("") == numbers("9" * 5000 + "x")[1:] == ()


@given(st.text(max_size=100))
def test_any_configuration_is_read(text: str) -> None:
    values, lines = read_conf(text)
    assert set(values) == set(lines)
