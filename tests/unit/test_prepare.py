"""How a disk is prepared, as values: operations, command line, environment, and what must be there before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flight.workflows import prepare
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.progress import Progress
from flight.workflows.kit.run import Ran

CLOUD_IMAGES_NEED = {
    "user-account",
    "ca-certificates",
    "fs-uuids",
    "lvm-uuids",
    "firewall-rules",
    "cron-spool",
    "net-nmconn",
}
ONE_MACHINES_OWN = {
    "ssh-hostkeys", "machine-id", "logfiles", "bash-history", "tmp-files", "dhcp-client-state", "udev-persistent-net",
    "package-manager-cache", "passwd-backups",
}  # fmt: skip


def test_what_a_cloud_image_needs_is_left_and_what_is_one_machines_own_goes() -> None:
    assert not CLOUD_IMAGES_NEED & prepare.OPERATIONS.keys()
    assert prepare.OPERATIONS.keys() >= ONE_MACHINES_OWN
    assert "/var/lib/systemd/random-seed" in prepare.ALSO_REMOVED


def test_every_operation_has_its_reason() -> None:
    assert all(len(reason) > 5 for reason in prepare.OPERATIONS.values())


@pytest.mark.parametrize("path", prepare.ALSO_REMOVED)
def test_nothing_is_removed_by_a_path_that_could_take_the_system_along(path: str) -> None:
    parts = path.split("/")
    assert path.startswith("/") and len(parts) >= 3
    assert ".." not in parts and not parts[1].startswith("*")


def test_the_facts_are_json_and_name_every_decision() -> None:
    facts = json.loads(json.dumps(prepare.facts()))
    assert facts["operations"] == sorted(prepare.OPERATIONS)
    assert facts["also_removed"] == sorted(prepare.ALSO_REMOVED)


def test_the_machine_id_is_emptied_after_virt_sysprep_set_one_and_the_trim_is_last() -> None:
    argv = prepare.sysprep_argv("virt-sysprep", Path("/w/a.raw"), trim=True)
    assert argv[:5] == ["virt-sysprep", "--format", "raw", "--add", "/w/a.raw"]
    assert argv[-6:-2] == ["--touch", "/etc/machine-id", "--truncate", "/etc/machine-id"]
    assert argv[-2:] == ["--run-command", prepare.TRIM]
    assert argv.count("--delete") == len(prepare.ALSO_REMOVED)
    assert "--network" not in argv


def test_without_trim_no_program_of_the_disk_is_run() -> None:
    argv = prepare.sysprep_argv("virt-sysprep", Path("a.raw"), trim=False)
    assert "--run-command" not in argv
    assert "--truncate" in argv


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('[  29.1] Performing "ssh-hostkeys" ...', "sysprep: ssh-hostkeys"),
        ("[   0.0] Examining the guest ...", "sysprep: Examining the guest"),
        ("[  30.6] Running: sync", "sysprep: giving back free space"),
    ],
)
def test_what_virt_sysprep_says_becomes_progress(monkeypatch: pytest.MonkeyPatch, line: str, what: str) -> None:
    heard: list[Progress] = []
    monkeypatch.setattr(prepare, "run", speaker(line, "and something else"))
    prepare._guestfs(["virt-sysprep"], "sysprep", {}, log_to=Path("log"), told=heard.append)
    assert [one.what for one in heard] == ["sysprep: starting libguestfs", what]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["flight: not trimmed: / (ext4)"], id="fstrim failed"),
        pytest.param(
            [
                "virt-sysprep: error: host cpu (x86_64) and guest arch (aarch64) are not",
                "compatible, so you cannot use command line options that involve running",
                "commands in the guest.",
            ],
            id="another processor",
        ),
    ],
)
def test_a_disk_that_cannot_trim_itself_is_told_from_other_failures(
    monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(prepare, "run", speaker(*lines, fails=True))
    with pytest.raises(prepare.CannotTrim):
        prepare._guestfs(["virt-sysprep"], "sysprep", {}, log_to=Path("log"), told=lambda _: None)


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        pytest.param("supermin: failed to find a suitable kernel", "linux-image-cloud-amd64", id="no appliance"),
        pytest.param("virt-sysprep: error: no operating systems were found", "as it was", id="another"),
    ],
)
def test_an_appliance_that_cannot_start_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, line: str, fix: str
) -> None:
    monkeypatch.setattr(prepare, "run", speaker(line, fails=True))
    with pytest.raises(ProgramError) as caught:
        prepare._guestfs(["virt-sysprep"], "sysprep", {}, log_to=Path("log"), told=lambda _: None)
    assert type(caught.value) is ProgramError
    assert fix in caught.value.fix


def speaker(*lines: str, fails: bool = False) -> object:
    """A `run` that says these lines, and then fails or not."""

    def run(argv: list[str], *, heard: object, **_: object) -> Ran:
        assert callable(heard)
        for line in lines:
            heard(line)
        if fails:
            raise ProgramError("could not", why="\n".join(lines), fix="as it was")
        return Ran(0, "", 0.0)

    return run
