"""What is to be thought of what was seen on a host and in a cloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flight.workflows.doctor.examination import lines
from flight.workflows.doctor.remote import skew_of
from flight.workflows.doctor.verdict import (
    BUILD_BYTES,
    ROOM_BYTES,
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
    judge_names,
    judge_port,
    judge_program,
    judge_region,
    judge_space,
)
from flight.workflows.hypervisor.probe import Acceleration
from flight.workflows.kit.errors import ProgramError
from flight.workflows.settings import Azure

QEMU_IMG = Need("qemu-img", "qemu-utils", (2, 9))
ANY = Need("sfdisk", "fdisk")
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
    ],
    ids=["just", "new", "old", "mute", "missing", "any", "any-missing"],
)
def test_a_program_is_judged_by_its_version(
    need: Need, path: str | None, version: tuple[int, ...] | None, verdict: Verdict, said: str
) -> None:
    finding = judge_program(need, path=path, version=version)
    assert finding.verdict == verdict
    assert said in finding.seen
    assert verdict == "ok" or need.package in finding.fix


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [(replace(EMULATED, has_kvm=True), "ok", "a guest ran"), (EMULATED, "warning", "failed to set MSR")],
    ids=["kvm", "emulated"],
)
def test_emulation_is_to_know_not_to_mend(found: Acceleration, verdict: Verdict, said: str) -> None:
    finding = judge_acceleration(found)
    assert finding.verdict == verdict
    assert said in finding.seen


@pytest.mark.parametrize(
    ("found", "recipe", "verdict"),
    [
        (EMULATED, "flight-compute-debian13", "ok"),
        (replace(EMULATED, version=(7, 2, 17)), "flight-compute-debian13", "fault"),
        (replace(EMULATED, version=(7, 2, 17)), "flight-compute-debian12", "warning"),
        (replace(EMULATED, version=(7, 2, 17), has_kvm=True), "flight-compute-debian13", "ok"),
    ],
    ids=["new-qemu", "old-qemu", "old-qemu-debian12", "old-qemu-kvm"],
)
def test_an_old_emulator_is_a_fault_for_debian13_only(found: Acceleration, recipe: str, verdict: Verdict) -> None:
    assert judge_debian13(found, recipe).verdict == verdict


@pytest.mark.parametrize(
    ("kernels", "verdict", "said"),
    [
        ({Path("/boot/vmlinuz-6.1"): True}, "ok", "vmlinuz-6.1"),
        ({Path("/boot/vmlinuz-6.1"): False, Path("/boot/vmlinuz-6.12"): True}, "ok", "vmlinuz-6.12"),
        ({Path("/boot/vmlinuz-6.1"): False}, "fault", "cannot use vmlinuz-6.1"),
        ({}, "fault", "no kernel in /boot"),
    ],
    ids=["one", "another", "unreadable", "none"],
)
def test_libguestfs_needs_a_kernel_that_we_may_read(kernels: dict[Path, bool], verdict: Verdict, said: str) -> None:
    finding = judge_kernels(kernels)
    assert finding.verdict == verdict
    assert said in finding.seen


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(ROOM_BYTES, "ok"), (ROOM_BYTES - 1, "warning"), (BUILD_BYTES, "warning"), (BUILD_BYTES - 1, "fault")],
)
def test_space_is_enough_for_one_build_or_two(free: int, verdict: Verdict) -> None:
    finding = judge_space(free, WORK)
    assert finding.verdict == verdict
    assert "8.0 GiB" in finding.seen


@pytest.mark.parametrize(
    ("who", "is_needed", "verdict", "said"),
    [
        ("ours", True, "ok", "answers on 127.0.0.1:8082"),
        ("nobody", True, "warning", "8082 is free"),
        ("nobody", False, "ok", "8082 is free"),
        ("silent", True, "fault", "does not answer"),
        ("stranger", True, "fault", "taken by python3 (pid 7)"),
    ],
)
def test_a_port_is_judged_by_who_answers_there(who: Port, is_needed: bool, verdict: Verdict, said: str) -> None:
    finding = judge_port("scheduler", 8082, who, owner="python3 (pid 7)", start="start it", is_needed=is_needed)
    assert finding.verdict == verdict
    assert said in finding.seen


@pytest.mark.parametrize(
    ("skew_s", "verdict", "said"),
    [(0, "ok", "0 s"), (-59, "ok", "behind"), (60, "warning", "60 s ahead"), (-301, "fault", "301 s behind")],
)
def test_a_clock_may_be_a_minute_off(skew_s: float, verdict: Verdict, said: str) -> None:
    finding = judge_clock(skew_s)
    assert finding.verdict == verdict
    assert said in finding.seen


def test_a_date_header_gives_the_skew_and_anything_else_nothing() -> None:
    assert skew_of("Mon, 23 Nov 2026 01:31:10 GMT", now_s=1795397470 + 90) == 90
    assert skew_of("", now_s=0) is None
    assert skew_of("yesterday", now_s=0) is None


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


def test_a_person_reads_one_line_for_each_and_the_fix_below() -> None:
    findings = [Finding("root", "ok", "we are root", "unused"), Finding("space", "fault", "0 B free", "free some")]
    assert list(lines(findings)) == [
        "ok     root               we are root",
        "FAULT  space              0 B free",
        "                          fix: free some",
        "1 well, 0 to know, 1 to mend",
    ]
