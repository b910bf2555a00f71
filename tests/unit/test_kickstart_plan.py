from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from flight.workflows.kickstart.plan import (
    Bootloader,
    InstallPlan,
    Network,
    Packages,
    Partition,
    Repository,
    Services,
    VendorFile,
    Where,
    as_facts,
)
from flight.workflows.kickstart.planning import image_sources, plan_install
from flight.workflows.kickstart.render import Rendered
from flight.workflows.kickstart.syntax import statements
from flight.workflows.recipe import Recipe, Sources

RECIPE = Recipe("ours", Path("ours.toml"), "trixie", kickstart="ours.ks")


def command(name: str, /, **values: Any) -> dict[str, Any]:
    """A command as the reader answers it."""
    return {"line": 1, "name": name, "values": values}


def answer(*commands: dict[str, Any], **packages: Any) -> dict[str, Any]:
    empty = {"entries": [], "names": [], "excluded": [], "groups": [], "excluded_groups": [], "environment": ""}
    options = {"exclude_weak": False, "exclude_docs": False, "languages": None, "ignore_missing": False}
    return {
        "faults": [],
        "commands": [{**each, "line": number} for number, each in enumerate(commands, 1)],
        "sections": [{"line": 1, "name": "%packages"}] if packages else [],
        "packages": {**empty, **options, **packages},
        "scripts": [],
    }


def planned(said: dict[str, Any], recipe: Recipe = RECIPE) -> InstallPlan:
    rendered = Rendered(recipe, "", tuple(Where("ours.ks", line) for line in range(1, 20)))
    return plan_install(statements(said, rendered), recipe, version="1.0.0", mirror="http://mirror.example/debian")


def part(mount: str, **values: Any) -> dict[str, Any]:
    given = {"mountpoint": mount, "fstype": "", "size": 1, "grow": False, "label": "", "fsopts": "", **values}
    return command("part", **given)


def test_an_empty_kickstart_leaves_the_plan_s_defaults() -> None:
    plan = planned(answer())
    assert plan == InstallPlan(
        "ours", "1.0.0", "debian", "trixie", "http://mirror.example/debian", image_sources=image_sources(RECIPE)
    )


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (part("/", fstype="ext4", size=2048, grow=True, label="root"), Partition("/", "ext4", 2048, True, "root")),
        (part("/boot/efi", fstype="efi", size=128), Partition("/boot/efi", "vfat", 128)),
        (part("/boot/efi"), Partition("/boot/efi", "vfat", 1)),
        (part("biosboot"), Partition("biosboot", "biosboot", 1)),
        (part("/data", fsopts="noatime"), Partition("/data", "ext4", 1, options="noatime")),
    ],
    ids=["root", "efi", "efi by its place", "biosboot by its place", "options"],
)
def test_a_partition_is_planned(given: dict[str, Any], wanted: Partition) -> None:
    assert planned(answer(given)).partitions == (dataclasses.replace(wanted, where=Where("ours.ks", 1)),)


def test_the_url_goes_before_the_mirror() -> None:
    assert planned(answer(command("url", url="http://other.example/debian"))).mirror == "http://other.example/debian"


def test_a_repo_is_one_suite_and_the_recipe_s_own_follow() -> None:
    own = Repository("vendor", "https://v.example", suite="x", key="/k", key_sha256="aa")
    plan = planned(
        answer(command("repo", name="trixie-updates", baseurl="http://mirror.example/debian")),
        dataclasses.replace(RECIPE, repositories=(own,)),
    )
    updates = Repository(
        "trixie-updates",
        "http://mirror.example/debian",
        suite="trixie-updates",
        components=("main",),
        where=Where("ours.ks", 1),
    )
    assert plan.repositories == (updates, own)


def test_for_another_family_a_repo_has_no_suite() -> None:
    el = dataclasses.replace(RECIPE, family="el", release="9")
    plan = planned(answer(command("repo", name="extras", baseurl="http://mirror.example/extras")), el)
    assert (plan.repositories[0].suite, plan.repositories[0].components, plan.image_sources) == ("", (), ())


def test_kernel_arguments_keep_their_order() -> None:
    plan = planned(answer(command("bootloader", appendLine="console=tty0 console=ttyS0  a=b", timeout=3)))
    assert plan.bootloader == Bootloader(("console=tty0", "console=ttyS0", "a=b"), 3, Where("ours.ks", 1))


def test_packages_are_planned() -> None:
    entries = [{"line": 2, "text": "a"}, {"line": 3, "text": "-b"}]
    plan = planned(answer(entries=entries, names=["a"], excluded=["b"], exclude_weak=True, languages="en:de"))
    assert plan.packages == Packages(
        ("a",),
        excluded=("b",),
        recommends=False,
        languages=("en", "de"),
        where=Where("ours.ks", 1),
        entries=(("a", Where("ours.ks", 2)), ("b", Where("ours.ks", 3))),
    )


def test_an_empty_list_of_packages_is_where_it_starts() -> None:
    plan = planned(answer(no_core=True), dataclasses.replace(RECIPE, family="el", release="9"))
    assert (plan.packages.groups, plan.packages.where) == ((), Where("ours.ks", 1))


def test_a_package_and_a_group_know_their_lines_which_decide_nothing() -> None:
    lines = ["a", "@core --nodefaults", "-b"]
    entries = [{"line": number, "text": text} for number, text in enumerate(lines, 2)]
    packages = planned(answer(entries=entries, names=["a"])).packages
    assert [packages.where_of(name).line for name in ("a", "core", "b", "else")] == [2, 3, 4, 1]
    assert packages.where_of("else", "b", "a").line == 4
    assert "entries" not in as_facts(packages)


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        pytest.param({}, ("--service=ssh",), id="ssh comes in anyway"),
        pytest.param({"services": ["ssh", "http"], "ports": ["443:tcp"], "trusts": ["eth1"]},
                     ("--trust=eth1", "--port=443:tcp", "--service=ssh", "--service=http"), id="what is opened"),
        pytest.param({"remove_services": ["ssh"]}, ("--remove-service=ssh",), id="unless it is taken out"),
    ],
)  # fmt: skip
def test_the_firewalls_options_are_planned(given: dict[str, list[str]], rules: tuple[str, ...]) -> None:
    none = {name: [] for name in ("services", "ports", "trusts", "remove_services")}
    plan = planned(answer(command("firewall", enabled=True, **{**none, **given})))
    assert plan.firewall_rules == rules


def test_words_services_and_network_are_planned() -> None:
    plan = planned(
        answer(
            command("lang", lang="de_DE.UTF-8"),
            command("keyboard", x_layouts=["de", "us"], vc_keymap="us"),
            command("timezone", timezone="Europe/Berlin", isUtc=False),
            command("firewall", enabled=False),
            command("selinux", selinux=1),
            command("services", enabled=["a"], disabled=["b"]),
            command("network", device="eth0", hostname="", noipv6=True),
            command("network", device="", hostname="node", noipv6=False),
        )
    )
    assert (plan.language, plan.keyboard, plan.timezone, plan.utc) == ("de_DE.UTF-8", "de", "Europe/Berlin", False)
    assert (plan.firewall, plan.selinux) == ("disabled", "enforcing")
    assert plan.services == Services(("a",), ("b",), Where("ours.ks", 6))
    assert plan.network == Network("eth0", "dhcp", ipv6=False, hostname="node", where=Where("ours.ks", 7))


def test_the_image_s_own_sources_are_not_the_build_host_s() -> None:
    recipe = dataclasses.replace(
        RECIPE, sources=Sources("http://a.example/d", "http://s.example/d", ("main", "contrib"))
    )
    lines = image_sources(recipe)
    assert [line.partition("] ")[2] for line in lines] == [
        "http://a.example/d trixie main contrib",
        "http://a.example/d trixie-updates main contrib",
        "http://s.example/d trixie-security main contrib",
    ]
    assert all("signed-by=/usr/share/keyrings/debian-archive-keyring.gpg" in line for line in lines)


PLAN = InstallPlan(
    "ours",
    "1.0.0",
    "debian",
    "trixie",
    "http://mirror.example/debian",
    packages=Packages(("a",), where=Where("x", 1)),
    repositories=(Repository("v", "https://v.example", suite="x", key="/here/key", key_sha256="aa"),),
    files=(VendorFile("/here/motd", "/etc/motd", "bb"),),
)


@pytest.mark.parametrize(
    ("changes", "packages", "system"),
    [
        ({"packages": Packages(("a",), where=Where("x", 9))}, False, False),
        ({"files": (VendorFile("/there/motd", "/etc/motd", "bb"),)}, False, False),
        ({"repositories": (dataclasses.replace(PLAN.repositories[0], key="/there"),)}, False, False),
        ({"packages": Packages(("a", "b"))}, True, False),
        ({"version": "2.0.0"}, True, False),
        ({"timezone": "Europe/Paris"}, False, True),
        ({"files": (VendorFile("/here/motd", "/etc/motd", "cc"),)}, False, True),
        ({"repositories": (dataclasses.replace(PLAN.repositories[0], key_sha256="bb"),)}, True, True),
    ],
    ids=["a line moved", "a file moved", "a key moved", "package", "version", "timezone", "file", "key"],
)
def test_only_what_decides_is_a_fact(changes: dict[str, Any], packages: bool, system: bool) -> None:
    changed = dataclasses.replace(PLAN, **changes)
    assert (changed.package_facts() != PLAN.package_facts()) is packages
    assert (changed.system_facts() != PLAN.system_facts()) is system


def test_facts_are_json() -> None:
    assert json.loads(json.dumps(as_facts(PLAN))) == as_facts(PLAN)
