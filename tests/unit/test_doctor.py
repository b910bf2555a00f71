"""What is to be thought of what was seen on a host and in a cloud."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.doctor.examination import lines, tell
from flight.workflows.doctor.network import skew_of
from flight.workflows.doctor.programs import EL, NETWORK, needed, of_family, version_in
from flight.workflows.doctor.verdict import (
    BUILD_BYTES,
    BUILD_FILES,
    NOT_OURS,
    ROOM_BYTES,
    Device,
    Finding,
    Need,
    Port,
    Verdict,
    from_error,
    judge_acceleration,
    judge_account,
    judge_clock,
    judge_debian13,
    judge_kernels,
    judge_mirror,
    judge_names,
    judge_others,
    judge_port,
    judge_program,
    judge_region,
    judge_space,
    judge_work,
)
from flight.workflows.doctor.within import within
from flight.workflows.hypervisor.probe import Acceleration
from flight.workflows.kit.errors import ProgramError
from flight.workflows.recipe import Recipe
from flight.workflows.settings import Azure, Programs

QEMU_IMG = Need("qemu-img", "qemu-utils", (2, 9), "qemu_img")
ANY = Need("sfdisk", "fdisk")
SELDOM = Need("mkfs.xfs", "xfsprogs", only="kickstarts with an XFS")
DEBIAN = Recipe("mine", Path("mine.toml"), "trixie")
EMULATED = Acceleration(has_kvm=False, emulator="qemu", version=(10, 0, 2), why_not_kvm="failed to set MSR 0x10a")
AZURE = Azure(
    cloud="public",
    subscription="11111111-2222-3333-4444-555555555555",
    account="images",
    resource_group="flight",
    location="westeurope",
)
WORK = Path("/work")


@pytest.mark.parametrize(
    ("need", "path", "version", "verdict", "said"),
    [
        (QEMU_IMG, "/usr/bin/qemu-img", (2, 9), "ok", "2.9"),
        (QEMU_IMG, "/usr/bin/qemu-img", (10, 0, 2), "ok", "10.0.2"),
        (QEMU_IMG, "/usr/bin/qemu-img", (2, 8, 1), "fault", "2.8.1 is older than 2.9"),
        (QEMU_IMG, "/usr/bin/qemu-img", (), "warning", "does not say its version"),
        (QEMU_IMG, None, None, "fault", "not here"),
        (ANY, "/sbin/sfdisk", None, "ok", "/sbin/sfdisk"),
        (ANY, None, None, "fault", "not here"),
        (SELDOM, None, None, "warning", "only kickstarts with an XFS ask for it"),
    ],
    ids=["just", "new", "old", "mute", "missing", "any", "any-missing", "seldom-missing"],
)
def test_a_program_is_judged_by_its_version(
    need: Need, path: str | None, version: tuple[int, ...] | None, verdict: Verdict, said: str
) -> None:
    finding = judge_program(need, path=path, version=version)
    assert finding.verdict == verdict
    assert said in finding.seen
    assert verdict == "ok" or need.package in finding.fix


def test_only_a_program_that_a_setting_names_can_be_another_one() -> None:
    assert "[programs] qemu_img in luigi.cfg" in judge_program(QEMU_IMG, path=None, version=None).fix
    assert "luigi.cfg" not in judge_program(ANY, path=None, version=None).fix


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("qemu-img version 2.8.1(Debian 1:2.8+dfsg-6+deb9u9)", (2, 8, 1)),
        ("virt-sysprep 1.48.6", (1, 48, 6)),
        ("mke2fs 1.47.0 (5-Feb-2023)\n\tUsing EXT2FS Library version 1.47.0", (1, 47, 0)),
        ("v24.11.1", (24, 11, 1)),
        ("I am a teapot", ()),
    ],
    ids=["qemu", "guestfs", "mke2fs", "node", "none"],
)
def test_a_version_is_read_out_of_what_a_program_says_of_itself(said: str, version: tuple[int, ...]) -> None:
    assert version_in(said) == version


def test_what_is_needed_is_what_the_recipe_asks_for() -> None:
    def names(recipe: Recipe | None) -> set[str]:
        return {need.program for need in needed(Programs(), recipe)}

    ours, theirs = ({need.program for need in of_family(family, Programs())} for family in ("debian", "el"))
    network = {need.program for need in NETWORK}
    assert ours <= names(DEBIAN)
    assert not (theirs | network) & names(DEBIAN)
    assert theirs <= names(replace(DEBIAN, family="el"))
    assert not ours & names(replace(DEBIAN, family="el"))
    assert network <= names(replace(DEBIAN, post_network=True))
    assert not (ours | theirs | network) & names(None)


def test_what_another_family_needs_is_to_know_not_to_mend() -> None:
    assert judge_others("Enterprise Linux", [], "mine").verdict == "ok"
    finding = judge_others("Enterprise Linux", EL[:2], "mine")
    assert finding.verdict == "warning"
    assert finding.seen.endswith("without dnf, rpm")
    assert finding.fix == "nothing is needed for mine; else apt-get install dnf rpm"


@pytest.mark.parametrize(
    ("found", "device", "verdict", "said"),
    [
        (replace(EMULATED, has_kvm=True), "there", "ok", "a guest ran"),
        (EMULATED, "there", "warning", "did not run"),
        (EMULATED, "absent", "warning", "there is no /dev/kvm"),
        (EMULATED, "closed", "warning", "may not be opened"),
    ],
    ids=["kvm", "emulated", "absent", "closed"],
)
def test_emulation_is_to_know_not_to_mend(found: Acceleration, device: Device, verdict: Verdict, said: str) -> None:
    finding = judge_acceleration(found, device)
    assert finding.verdict == verdict
    assert said in finding.seen
    assert verdict == "ok" or finding.fix.startswith("nothing is needed")


@pytest.mark.parametrize(
    ("found", "release", "verdict"),
    [
        (EMULATED, "trixie", "ok"),
        (replace(EMULATED, version=(7, 2, 17)), "trixie", "fault"),
        (replace(EMULATED, version=(7, 2, 17)), "bookworm", "warning"),
        (replace(EMULATED, version=(7, 2, 17)), "", "warning"),
        (replace(EMULATED, version=(7, 2, 17), has_kvm=True), "trixie", "ok"),
    ],
    ids=["new-qemu", "old-qemu", "old-qemu-debian12", "old-qemu-unknown", "old-qemu-kvm"],
)
def test_an_old_emulator_is_a_fault_for_debian13_only(found: Acceleration, release: str, verdict: Verdict) -> None:
    assert judge_debian13(found, release).verdict == verdict


@pytest.mark.parametrize(
    ("kernels", "verdict", "said", "fix"),
    [
        ({Path("/boot/vmlinuz-6.1"): ""}, "ok", "vmlinuz-6.1", ""),
        ({Path("/boot/vmlinuz-6.1"): NOT_OURS, Path("/boot/vmlinuz-6.12"): ""}, "ok", "vmlinuz-6.12", ""),
        ({Path("/boot/vmlinuz-6.1"): NOT_OURS}, "fault", "vmlinuz-6.1 may not be read", "chmod a+r /boot/vmlinuz-6.1"),
        ({Path("/boot/vmlinuz-6.1"): "has no modules"}, "fault", "vmlinuz-6.1 has no modules", "reinstall the package"),
        ({}, "fault", "no kernel in /boot", "apt-get install linux-image-cloud-amd64"),
    ],
    ids=["one", "another", "unreadable", "no-modules", "none"],
)
def test_libguestfs_needs_a_kernel_that_we_may_read(
    kernels: dict[Path, str], verdict: Verdict, said: str, fix: str
) -> None:
    finding = judge_kernels(kernels)
    assert finding.verdict == verdict
    assert said in finding.seen
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.EACCES, "chown -R"),
        (errno.EROFS, "mount its filesystem writable"),
        (errno.ENOSPC, "free some space there"),
        (errno.ENOTDIR, "set [paths] work in luigi.cfg"),
    ],
    ids=["permission", "read-only", "full", "no-folder"],
)
def test_a_work_folder_that_cannot_be_written_is_mended_by_its_reason(number: int, fix: str) -> None:
    finding = judge_work(WORK, OSError(number, os.strerror(number)))
    assert finding.is_fault
    assert finding.seen == f"cannot write to /work: {os.strerror(number)}"
    assert fix in finding.fix
    assert judge_work(WORK, None).verdict == "ok"


@pytest.mark.parametrize(
    ("free", "files", "verdict"),
    [
        (ROOM_BYTES, None, "ok"),
        (ROOM_BYTES, BUILD_FILES, "ok"),
        (ROOM_BYTES, BUILD_FILES - 1, "fault"),
        (ROOM_BYTES - 1, None, "warning"),
        (BUILD_BYTES, None, "warning"),
        (BUILD_BYTES - 1, None, "fault"),
    ],
)
def test_space_is_enough_for_one_build_or_two(free: int, files: int | None, verdict: Verdict) -> None:
    finding = judge_space(free, files, WORK)
    assert finding.verdict == verdict
    assert ("8.0 GiB" in finding.seen) is (files != BUILD_FILES - 1)


@pytest.mark.parametrize(
    ("release", "status", "verdict", "said", "fix"),
    [
        ("trixie", 200, "ok", "has trixie", ""),
        ("trixie", 404, "fault", "answers 404", "`release` in the recipe"),
        ("trixie", 503, "fault", "answers 503", "[image] mirror"),
        ("trixie", "timed out", "fault", "cannot be reached: timed out", "[image] mirror"),
        ("", 403, "ok", "answers", ""),
        ("", "timed out", "fault", "cannot be reached", "[sources] archive"),
    ],
    ids=["there", "no-release", "out-of-order", "silent", "no-index-known", "no-index-known-silent"],
)
def test_a_mirror_holds_the_release_and_answers(
    release: str, status: int | str, verdict: Verdict, said: str, fix: str
) -> None:
    finding = judge_mirror("http://mirror.example/debian", release, status)
    assert finding.verdict == verdict
    assert said in finding.seen
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("who", "is_needed", "verdict", "said"),
    [
        ("ours", True, "ok", "answers on 127.0.0.1:8082"),
        ("nobody", True, "warning", "8082 is free"),
        ("nobody", False, "ok", "8082 is free"),
        ("silent", True, "fault", "python3 (pid 7) listens on 127.0.0.1:8082 but does not answer"),
        ("stranger", True, "fault", "taken by python3 (pid 7)"),
    ],
)
def test_a_port_is_judged_by_who_answers_there(who: Port, is_needed: bool, verdict: Verdict, said: str) -> None:
    finding = judge_port(
        "scheduler", 8082, who, owner="python3 (pid 7)", start="start it", setting="[core] it", is_needed=is_needed
    )
    assert finding.verdict == verdict
    assert said in finding.seen
    assert ("[core] it" in finding.fix) is (who == "stranger")


@pytest.mark.parametrize(
    ("skew_s", "verdict", "said"),
    [
        (0, "ok", "0 s behind"),
        (-59, "ok", "59 s behind"),
        (60, "warning", "60 s ahead"),
        (-301, "fault", "5 min behind"),
        (7 * 3600, "fault", "7 h ahead"),
    ],
)
def test_a_clock_may_be_a_minute_off(skew_s: float, verdict: Verdict, said: str) -> None:
    finding = judge_clock(skew_s, whose="Azure's")
    assert finding.verdict == verdict
    assert said in finding.seen


NOON = {"Date": "Mon, 23 Nov 2026 12:00:00 GMT"}
NOON_S = 1795435200


@pytest.mark.parametrize(
    ("headers", "now_s", "skew_s"),
    [
        (NOON, NOON_S + 90, 90),
        ({**NOON, "Age": "90"}, NOON_S + 90, 0),
        ({**NOON, "Age": "90"}, NOON_S, 0),
        ({**NOON, "Age": "old"}, NOON_S, 0),
        ({}, NOON_S, None),
        ({"Date": "yesterday"}, NOON_S, None),
    ],
    ids=["plain", "kept-by-a-cache", "renewed-by-a-cache", "age-unread", "none", "unread"],
)
def test_a_date_header_gives_the_skew_and_anything_else_nothing(
    headers: dict[str, str], now_s: float, skew_s: float | None
) -> None:
    assert skew_of(headers, now_s=now_s) == skew_s


@pytest.mark.parametrize(
    ("kind", "sku", "is_hierarchical", "verdict"),
    [
        ("StorageV2", "Standard_LRS", False, "ok"),
        ("Storage", "Standard_GRS", False, "ok"),
        ("StorageV2", "Standard_LRS", True, "fault"),
        ("BlobStorage", "Standard_LRS", False, "fault"),
        ("BlockBlobStorage", "Premium_LRS", False, "fault"),
        ("", "", False, "fault"),
    ],
)
def test_only_accounts_with_page_blobs_will_do(kind: str, sku: str, is_hierarchical: bool, verdict: Verdict) -> None:
    assert judge_account(kind, sku, is_hierarchical=is_hierarchical).verdict == verdict


@pytest.mark.parametrize(
    ("regions", "verdict", "said"),
    [
        (["westeurope"], "ok", "westeurope"),
        (["West Europe"], "ok", "westeurope"),
        (["northeurope"], "fault", "in northeurope, the image is wanted in westeurope"),
        ([], "warning", "does not show us"),
    ],
    ids=["same", "display-name", "another", "unseen"],
)
def test_account_and_image_are_in_one_region(regions: list[str], verdict: Verdict, said: str) -> None:
    finding = judge_region("images", regions, AZURE)
    assert finding.verdict == verdict
    assert said in finding.seen


@pytest.mark.parametrize(
    ("azure", "said"),
    [
        (replace(AZURE, subscription=Azure().subscription), "no subscription of yours"),
        (replace(AZURE, account=Azure().account), "no account of yours"),
        (replace(AZURE, account="Images"), "'Images' as storage account"),
        (replace(AZURE, container="a--b"), "'a--b' as container"),
        (replace(AZURE, resource_group="flight."), "'flight.' as resource group"),
    ],
    ids=["no-subscription", "no-account", "account", "container", "group"],
)
def test_names_that_azure_would_refuse_are_faults(azure: Azure, said: str) -> None:
    assert judge_names(AZURE).verdict == "ok"
    finding = judge_names(azure)
    assert finding.is_fault
    assert said in finding.seen


def test_an_error_becomes_a_fault_with_its_fix() -> None:
    error = ProgramError("could not run it", why="| no such machine\n| more", fix="install it")
    assert from_error("KVM", error) == Finding("KVM", "fault", "could not run it: | no such machine", "install it")


WELL, SICK = Finding("root", "ok", "we are root"), Finding("space", "fault", "0 B free", "free some")


def test_a_look_that_hangs_is_a_fault_and_the_next_is_made() -> None:
    ended = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield WELL
        ended.wait()

    found = list(within(hangs, "mirror", most_s=0.05, fix="see to it"))
    ended.set()
    assert found == [WELL, Finding("mirror", "fault", "nothing was heard of it within 0.05 s", "see to it")]
    assert list(within(lambda: [WELL], "mirror")) == [WELL]


def test_what_the_system_refuses_a_look_is_a_fault_and_a_defect_is_none() -> None:
    def refused() -> Iterator[Finding]:
        yield WELL
        raise OSError(errno.EIO, "Input/output error")

    first, then = within(refused, "space")
    assert first == WELL
    assert then.is_fault
    assert "Input/output error" in then.seen
    with pytest.raises(ZeroDivisionError):
        list(within(lambda: [WELL] * (1 // 0), "space"))


def test_each_finding_is_told_before_the_next_look() -> None:
    told: list[str] = []

    def findings() -> Iterator[Finding]:
        yield SICK
        assert told[-1].strip() == "fix: free some"
        yield WELL

    assert tell(findings(), told.append)
    assert told[-1] == "1 well, 0 to know, 1 to mend"
    assert not tell([WELL], told.append)


def test_a_person_reads_one_line_for_each_and_the_fix_below() -> None:
    findings = [Finding("root", "ok", "we are root", "unused"), Finding("space", "fault", "0 B free", "free some")]
    assert list(lines(findings)) == [
        "ok     root                we are root",
        "FAULT  space               0 B free",
        "                           fix: free some",
        "1 well, 0 to know, 1 to mend",
    ]
