"""Units from files alone; tests/integration/certify/test_units.py lets systemctl say the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import DEBIAN

from flight.workflows.certify.effective.unitfiles import read_unit
from flight.workflows.certify.effective.units import Units, units_of
from flight.workflows.certify.tree import Entry, NotTaken, Tree

ETC, USR = "/etc/systemd/system", "/usr/lib/systemd/system"
WANTS = f"{ETC}/multi-user.target.wants"
PLAIN = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
STATIC = "[Service]\nExecStart=/bin/true\n"


def make_tree(files: Mapping[str, str] = {}, links: Mapping[str, str] = {}, modes: Mapping[str, int] = {}) -> Tree:
    """A tree of these files and links with the folders above them; a machine-id unless one is given."""
    files = {"/etc/machine-id": "", **files}
    entries = {path: Entry("f", modes.get(path, 0o644), size=len(text)) for path, text in files.items()}
    entries |= {path: Entry("l", 0o777, target=target) for path, target in links.items()}
    for path in [*entries, f"{ETC}/x", f"{USR}/x"]:
        while path := path.rpartition("/")[0]:
            entries.setdefault(path, Entry("d", 0o755))
    entries["/"] = Entry("d", 0o755)
    return Tree(entries, {path: text.encode() for path, text in files.items()})


def units(files: Mapping[str, str] = {}, links: Mapping[str, str] = {}, modes: Mapping[str, int] = {}) -> Units:
    return units_of(make_tree(files, links, modes))


A = f"{USR}/a.service"
MAKER = {"/usr/lib/systemd/system-generators/systemd-sysv-generator": "\x7fELF"}
STATES = {
    "nothing-of-the-name": (({}, {}), "not-found", False),
    "installed-and-not-linked": (({A: PLAIN}, {}), "disabled", False),
    "linked": (({A: PLAIN}, {f"{WANTS}/a.service": A}), "enabled", True),
    "linked-by-another-path": (({A: PLAIN}, {f"{WANTS}/a.service": "/lib/systemd/system/a.service"}), "enabled", True),
    "linked-to-nowhere": (({}, {f"{WANTS}/a.service": A}), "not-found", False),
    "a-copy-instead-of-a-link": (({A: PLAIN, f"{WANTS}/a.service": PLAIN}, {}), "disabled", False),
    "required": (({A: PLAIN}, {f"{ETC}/multi-user.target.requires/a.service": A}), "enabled", True),
    "wanted-by-the-vendor": (
        ({A: STATIC}, {f"{USR}/multi-user.target.wants/a.service": "../a.service"}),
        "static",
        True,
    ),
    "the-vendor's-link-masked": (
        ({A: STATIC}, {f"{USR}/multi-user.target.wants/a.service": "../a.service", f"{WANTS}/a.service": "/dev/null"}),
        "enabled",
        False,
    ),
    "wanted-by-what-never-starts": (({A: PLAIN}, {f"{ETC}/rescue.target.wants/a.service": A}), "enabled", False),
    "without-an-install-section": (({A: STATIC}, {}), "static", False),
    "only-with-others": (({A: f"{STATIC}[Install]\nAlso=b.socket\n"}, {}), "indirect", False),
    "masked": (({A: PLAIN}, {f"{ETC}/a.service": "/dev/null", f"{WANTS}/a.service": A}), "masked", False),
    "masked-by-a-relative-link": (({A: PLAIN}, {f"{ETC}/a.service": "../../../dev/null"}), "masked", False),
    "masked-by-links-in-a-row": (
        ({A: PLAIN}, {f"{ETC}/a.service": "/etc/none", "/etc/none": "/dev/null", f"{WANTS}/a.service": A}),
        "masked",
        False,
    ),
    "masked-by-an-empty-file": (({A: PLAIN, f"{ETC}/a.service": ""}, {f"{WANTS}/a.service": A}), "masked", False),
    "a-mask-of-the-vendor": (
        ({f"{ETC}/a.service": PLAIN}, {A: "/dev/null", f"{WANTS}/a.service": f"{ETC}/a.service"}),
        "enabled",
        True,
    ),
    "a-loop": (({}, {f"{ETC}/a.service": "a.service", f"{WANTS}/a.service": A}), "not-found", False),
    "two-that-are-each-other": (
        ({}, {f"{ETC}/a.service": "b.service", f"{ETC}/b.service": "a.service"}),
        "not-found",
        False,
    ),
    "linked-from-elsewhere": (({"/opt/a.service": PLAIN}, {f"{ETC}/a.service": "/opt/a.service"}), "linked", False),
    "a-folder": (({f"{A}/x": ""}, {f"{WANTS}/a.service": A}), "not-found", False),
    "started-by-a-script": (
        ({"/etc/init.d/a": "#!/bin/sh\n", **MAKER}, {"/etc/rc3.d/S01a": "../init.d/a"}, {"/etc/init.d/a": 0o755}),
        "enabled",
        True,
    ),
    "a-script-that-is-only-stopped": (
        ({"/etc/init.d/a": "#!/bin/sh\n", **MAKER}, {"/etc/rc3.d/K01a": "../init.d/a"}, {"/etc/init.d/a": 0o755}),
        "disabled",
        False,
    ),
    "a-script-that-nothing-makes-a-unit-of": (
        ({"/etc/init.d/a": "#!/bin/sh\n"}, {"/etc/rc3.d/S01a": "../init.d/a"}, {"/etc/init.d/a": 0o755}),
        "not-found",
        False,
    ),
    "a-script-behind-a-unit": (
        ({A: PLAIN, "/etc/init.d/a": "#!/bin/sh\n"}, {"/etc/rc3.d/S01a": "../init.d/a"}, {"/etc/init.d/a": 0o755}),
        "disabled",
        False,
    ),
}


@pytest.mark.parametrize(("disk", "state", "starts"), STATES.values(), ids=STATES)
def test_a_unit_is_what_its_links_say(disk: tuple[dict[str, str], ...], state: str, starts: bool) -> None:
    found = units(*disk)
    assert (found.state("a.service"), found.is_enabled("a.service")) == (state, starts)
    assert found.is_masked("a.service") == (state == "masked")
    assert found.is_there("a.service") == (state != "not-found")


def test_an_alias_starts_with_what_it_stands_for() -> None:
    found = units(
        {f"{USR}/ssh.service": f"{PLAIN}Alias=sshd.service\n"},
        {f"{ETC}/sshd.service": f"{USR}/ssh.service", f"{WANTS}/ssh.service": f"{USR}/ssh.service"},
    )
    assert (found.state("sshd.service"), found.state("ssh.service")) == ("alias", "enabled")
    assert found.enabled_by("sshd.service") == found.enabled_by("ssh.service") == f"{WANTS}/ssh.service"


def test_a_link_by_an_alias_alone_starts_the_unit() -> None:
    found = units(
        {f"{USR}/b.service": f"{PLAIN}Alias=a.service\n"},
        {f"{ETC}/a.service": f"{USR}/b.service", f"{WANTS}/a.service": f"{ETC}/a.service"},
    )
    assert found.is_enabled("b.service")


def test_an_instance_is_read_from_its_template() -> None:
    found = units(
        {
            f"{USR}/getty@.service": "[Unit]\nWants=a-%i.target\n[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n"
        },
        {f"{ETC}/getty.target.wants/getty@tty1.service": f"{USR}/getty@.service"},
    )
    assert found.state("getty@.service") == found.state("getty@tty1.service") == "enabled"
    assert found.state("getty@tty2.service") == "disabled"
    assert not found.is_enabled("getty@tty1.service"), "nothing starts getty.target here"
    assert found.setting("getty@tty1.service", "Unit", "Wants") == ("a-tty1.target",)


def test_what_a_unit_wants_starts_too() -> None:
    chain = {
        f"{USR}/a.service": f"[Unit]\nWants=b.service\n{PLAIN}",
        f"{USR}/b.service": "[Unit]\nRequires=c.socket d@x.service",
    }
    found = units(
        {**chain, f"{USR}/c.socket": "[Socket]\n", f"{USR}/d@.service": STATIC},
        {f"{WANTS}/a.service": f"{USR}/a.service"},
    )
    assert found.is_enabled("c.socket") and found.is_enabled("d@x.service")
    assert found.enabled_by("b.service") == "a.service"


def test_default_target_leads_the_way() -> None:
    disk: dict[str, str] = {f"{USR}/a.service": PLAIN, f"{USR}/rescue.target": "[Unit]\n"}
    links = {f"{WANTS}/a.service": f"{USR}/a.service"}
    assert units(disk, links).is_enabled("a.service")
    assert not units(disk, {**links, f"{ETC}/default.target": f"{USR}/rescue.target"}).is_enabled("a.service")


def test_drop_ins_are_read_by_name_and_the_earlier_folder_wins() -> None:
    found = units(
        {
            A: "[Service]\nExecStart=/bin/a\n",
            f"{USR}/a.service.d/10-x.conf": "[Service]\nExecStart=/bin/vendor\n",
            f"{ETC}/a.service.d/10-x.conf": "[Service]\nExecStart=\nExecStart=/bin/own\n",
            f"{ETC}/service.d/20-all.conf": "[Service]\nExecStart=/bin/all\n",
        }
    )
    assert found.setting("a.service", "Service", "ExecStart") == ("/bin/own", "/bin/all")


CONDITIONS = {
    "none": ("", "", ""),
    "hyper-v": ("ConditionVirtualization=microsoft", "", ""),
    "any-machine": ("ConditionVirtualization=yes", "", ""),
    "another-one": ("ConditionVirtualization=kvm", "", "ConditionVirtualization=kvm"),
    "no-container": ("ConditionVirtualization=!container", "", ""),
    "no-machine-at-all": ("ConditionVirtualization=!vm", "", "ConditionVirtualization=!vm"),
    "a-file-that-is-there": ("ConditionPathExists=!/etc/there", "", "ConditionPathExists=!/etc/there"),
    "a-file-that-is-not": ("ConditionPathExists=/etc/nowhere", "", "ConditionPathExists=/etc/nowhere"),
    "a-device": ("ConditionPathExists=/dev/ptp_hyperv", "", ""),
    "a-word-of-the-command-line": ("ConditionKernelCommandLine=!a=b", "x a=b", "ConditionKernelCommandLine=!a=b"),
    "a-key-of-the-command-line": ("ConditionKernelCommandLine=a", "x a=b", ""),
    "taken-back": ("ConditionVirtualization=kvm\nConditionPathExists=", "", ""),
    "one-of-two": ("ConditionVirtualization=|kvm\nConditionVirtualization=|microsoft", "", ""),
    "none-of-two": ("ConditionVirtualization=|kvm\nConditionVirtualization=|xen", "", "ConditionVirtualization=|kvm"),
    "an-assertion": ("AssertFileNotEmpty=/etc/machine-id", "", "AssertFileNotEmpty=/etc/machine-id"),
    "an-executable": ("ConditionFileIsExecutable=/etc/there", "", "ConditionFileIsExecutable=/etc/there"),
    "unknown-to-us": ("ConditionSecurity=tpm2", "", ""),
}


@pytest.mark.parametrize(("lines", "command_line", "hindrance"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition_that_cannot_hold_is_named(lines: str, command_line: str, hindrance: str) -> None:
    found = units({A: f"[Unit]\n{lines}\n{PLAIN}", "/etc/there": "x"})
    assert found.hindrance("a.service", command_line) == hindrance


PRESETS = {
    "no-machine-id": (None, {}, True),
    "to-be-made": ("uninitialized\n", {}, True),
    "an-empty-one": ("", {}, False),
    "one-of-a-machine": ("0" * 32, {}, False),
    "disabled-by-preset": (None, {"/usr/lib/systemd/system-preset/99-x.preset": "disable *\n"}, False),
    "enabled-before": (None, {"/usr/lib/systemd/system-preset/9-x.preset": "enable a.*\ndisable *\n"}, True),
    "overridden": (
        None,
        {
            "/usr/lib/systemd/system-preset/9-x.preset": "enable *\n",
            "/etc/systemd/system-preset/9-x.preset": "disable *\n",
        },
        False,
    ),
}


@pytest.mark.parametrize(("machine_id", "presets", "starts"), PRESETS.values(), ids=PRESETS)
def test_a_first_boot_enables_what_presets_say(machine_id: str | None, presets: dict[str, str], starts: bool) -> None:
    tree = make_tree({A: PLAIN, **presets, "/etc/machine-id": machine_id or ""})
    if machine_id is None:
        tree = Tree({path: entry for path, entry in tree.entries.items() if path != "/etc/machine-id"}, tree.contents)
    assert units_of(tree).is_enabled("a.service") is starts
    assert units_of(tree).state("a.service") == "disabled"


def test_cloud_inits_generator_starts_its_target() -> None:
    generator = "/usr/lib/systemd/system-generators/cloud-init-generator"
    files = {generator: "#!/bin/sh\n", f"{USR}/cloud-init.target": "[Unit]\n", A: PLAIN}
    links = {f"{ETC}/cloud-init.target.wants/a.service": A}
    assert units(files, links, {generator: 0o755}).is_enabled("a.service")
    assert not units(files, links).is_enabled("a.service"), "it cannot be run"
    masked = {**links, "/etc/systemd/system-generators/cloud-init-generator": "/dev/null"}
    assert not units(files, masked, {generator: 0o755}).is_enabled("a.service")


def test_a_unit_file_that_was_not_taken_is_not_guessed_at() -> None:
    tree = make_tree({A: PLAIN}, {f"{WANTS}/a.service": A})
    found = units_of(Tree(tree.entries, {}))
    assert found.is_enabled("a.service"), "a link is enough"
    with pytest.raises(NotTaken):
        found.hindrance("a.service")


def test_a_unit_file_is_read_line_by_line() -> None:
    text = "; c\n[Unit]\nA = 1 \\\n# in between\n  2\n[Service\nB=3\nnothing\n[X]\r\nC=4\r\n"
    assert [tuple(one) for one in read_unit(text)] == [("Unit", "A", "1  2"), ("Unit", "B", "3"), ("X", "C", "4")]


@given(st.text(alphabet="[]=\\\n#; aB%\"'\x00", max_size=200), st.text(alphabet="a@.%-/service", max_size=20))
def test_no_unit_file_and_no_name_makes_it_fail(text: str, name: str) -> None:
    found = units({A: text, f"{USR}/a@.service": text}, {f"{WANTS}/a.service": A})
    for each in ("a.service", "a@b.service", name):
        found.state(each), found.is_enabled(each), found.hindrance(each), found.setting(each, "Unit", "A")


def test_a_real_debian_starts_what_it_should() -> None:
    found = units_of(DEBIAN.tree)
    assert found.state("sshd.service") == "alias" and found.is_enabled("sshd.service")
    assert found.first_enabled("nothing.service", "walinuxagent.service") == "walinuxagent.service"
    assert found.is_enabled("cloud-final.service") and found.state("cloud-init.target") == "static"
    assert found.hindrance("walinuxagent.service") == ""
