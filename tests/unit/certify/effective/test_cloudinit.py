"""cloud-init's configuration and its start, from a real Debian with something changed."""

from __future__ import annotations

from typing import Any

import pytest
from trees import DEBIAN, changed, el

from flight.workflows.certify.effective.cloudcfg import merge, read_config
from flight.workflows.certify.effective.cloudinit import CloudInit
from flight.workflows.certify.image import Image
from flight.workflows.certify.tree import Entry, Tree

CFG, DROP = "/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d"
ETC, USR = "/etc/systemd/system", "/usr/lib/systemd/system"


def cloudinit(**change: Any) -> CloudInit:
    return Image(changed(DEBIAN, **change)).cloudinit


def test_a_real_debian_has_it_start_and_look_for_azure() -> None:
    found = cloudinit()
    assert found.starts and found.is_enabled and found.version.startswith("25.")
    assert found.data_sources == ("Azure", "NoCloud") and found.read.broken == found.read.unread == ()
    assert found.read.sources["datasource_list"] == f"{DROP}/90-azure.cfg"
    assert found.value("system_info", "distro") == "debian" and found.value("system_info", "distro", "x") is None
    assert "write_files" in found.modules("init") and "final_message" in found.modules("final")


def test_later_files_win_and_mappings_are_merged() -> None:
    files = {
        f"{DROP}/10-a.cfg": "a: {x: 1, y: 2}\nl: [1, 2]\nb: one\n",
        f"{DROP}/20-b.cfg": "a: {y: 3}\nl: [4]\nb: null\n",
        f"{DROP}/30-c.txt": "b: text\n",
    }
    found = cloudinit(files=files)
    assert (found.config["a"], found.config["l"], found.config["b"]) == ({"x": 1, "y": 3}, [4], None)
    assert found.read.sources["a"] == f"{DROP}/20-b.cfg"


def test_the_kernels_command_line_wins() -> None:
    files = {"/etc/cloud/cloud.cfg": "datasource_list: [ Azure ]\n"}
    tree = Tree(
        {**dict.fromkeys(("/", "/etc", "/etc/cloud"), Entry("d")), CFG: Entry("f", size=9)}, {CFG: files[CFG].encode()}
    )
    read = read_config(tree, "quiet cc: {datasource_list: [%20None%20]} end_cc x")
    assert read.merged == {"datasource_list": ["None"]}
    assert read.sources == {"datasource_list": "the kernel's command line"}


def test_another_folder_can_be_named() -> None:
    found = cloudinit(files={CFG: "conf_d: /etc/other/\n", "/etc/other/1.cfg": "a: 1\n"})
    assert found.config == {"conf_d": "/etc/other/", "a": 1}


READING = {
    "broken": ({f"{DROP}/x.cfg": "a: ["}, "broken", "x.cfg: line 1"),
    "a-list": ({f"{DROP}/x.cfg": "- a\n"}, "broken", "it is no mapping"),
    "a-folder-that-is-none": ({CFG: "conf_d: [a]\n"}, "broken", "conf_d is no path"),
    "merged-in-another-way": ({f"{DROP}/x.cfg": "merge_how: list(append)\n"}, "unread", "rules of its own"),
    "a-bomb": ({f"{DROP}/x.cfg": "a: &a [b]\n" + "c: [" + "*a, " * 60000 + "]"}, "unread", "more than"),
    "too-long": ({f"{DROP}/z{n}.cfg": "#" * 200000 for n in range(3)}, "unread", "z2.cfg: the files have more than"),
}


@pytest.mark.parametrize(("files", "kind", "words"), READING.values(), ids=READING)
def test_a_file_that_is_not_followed_is_named(files: dict[str, str], kind: str, words: str) -> None:
    (said,) = getattr(cloudinit(files=files).read, kind)
    assert words in said


def test_a_file_that_was_not_taken_is_not_taken_for_empty() -> None:
    found = cloudinit(entries={f"{DROP}/x.cfg": Entry("f", size=1 << 30)})
    assert found.read.unread == (f"{DROP}/x.cfg: its content was not taken",)


DISABLED = {
    "a-file": ({"files": {"/etc/cloud/cloud-init.disabled": ""}}, "/etc/cloud/cloud-init.disabled"),
    "a-policy": ({"files": {"/etc/cloud/ds-identify.cfg": "policy: 'disabled' # no\n"}}, "the policy in"),
    "a-policy-among-others": (
        {"files": {"/etc/cloud/ds-identify.cfg": "policy: found=all,disabled\n"}},
        "the policy in",
    ),
    "another-policy": ({"files": {"/etc/cloud/ds-identify.cfg": "policy: search,notfound=disabled\n"}}, ""),
    "no-ds-identify": ({"without": ["/usr/lib/cloud-init/ds-identify"]}, "its generator"),
}


@pytest.mark.parametrize(("change", "words"), DISABLED.values(), ids=DISABLED)
def test_what_disables_it_is_named(change: dict[str, Any], words: str) -> None:
    found = cloudinit(**change)
    assert words in found.disabled_by and bool(found.disabled_by) == bool(words) == (not found.starts)


NOT_STARTED = {
    "a-stage-not-enabled": (
        {"without": [f"{ETC}/cloud-init.target.wants/cloud-final.service"]},
        ("cloud-final.service",),
    ),
    "a-stage-masked": ({"links": {f"{ETC}/cloud-config.service": "/dev/null"}}, ("cloud-config.service",)),
    "the-process-of-all-masked": (
        {"links": {f"{ETC}/cloud-init-main.service": "/dev/null"}},
        ("cloud-init-main.service",),
    ),
    "a-condition": (
        {"files": {f"{ETC}/cloud-final.service.d/x.conf": "[Unit]\nConditionVirtualization=kvm\n"}},
        ("cloud-final.service",),
    ),
}


@pytest.mark.parametrize(("change", "names"), NOT_STARTED.values(), ids=NOT_STARTED)
def test_a_stage_that_does_not_start_is_named(change: dict[str, Any], names: tuple[str, ...]) -> None:
    found = cloudinit(**change)
    assert found.not_started == names and not found.starts


def test_without_its_generator_nothing_starts() -> None:
    found = cloudinit(without=["/usr/lib/systemd/system-generators/cloud-init-generator"])
    assert len(found.not_started) == 5


def test_a_forced_source_is_named() -> None:
    found = cloudinit(files={"/etc/cloud/ds-identify.cfg": 'datasource: "NoCloud"\n'})
    assert (found.forced, found.forced_by) == ("NoCloud", "/etc/cloud/ds-identify.cfg")


NETWORKS = {
    "as-it-is": ("", True),
    "disabled": ("network: {config: disabled}\n", False),
    "disabled-in-short": ("network: disabled\n", False),
    "its-own-with-dhcp": ("network: {version: 2, ethernets: {eth0: {dhcp4: true}}}\n", True),
    "its-own-without": ("network: {version: 2, ethernets: {eth0: {addresses: [10.0.0.1/8]}}}\n", False),
}


@pytest.mark.parametrize(("text", "writes"), NETWORKS.values(), ids=NETWORKS)
def test_it_says_whether_the_network_is_its_own(text: str, writes: bool) -> None:
    assert cloudinit(files={f"{DROP}/95-network.cfg": text}).writes_network is writes


def test_nothing_is_read_where_it_is_not_installed() -> None:
    found = cloudinit(packages={"cloud-init": None}, without=["/usr/bin/cloud-init"])
    assert found == CloudInit(command_line=found.command_line) and not found.starts


def test_merging_keeps_what_is_strong() -> None:
    assert merge({"a": {"b": 1}, "c": [1]}, {"a": {"b": 2, "d": 3}, "c": [2], "e": 1}) == {
        "a": {"b": 1, "d": 3},
        "c": [1],
        "e": 1,
    }


@pytest.mark.parametrize("release", (8, 9, 10))
def test_enterprise_linux_starts_it(release: int) -> None:
    found = Image(el(release)).cloudinit
    assert found.starts and found.data_sources == ("Azure",)
