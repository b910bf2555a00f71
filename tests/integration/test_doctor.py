"""The doctor's looks at real programs, ports and servers, and at an Azure that refuses."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from home import BIN, TOP, free_ports
from web import Served

from flight.workflows.cloud.endpoint import AnyToken, Cloud, cloud_of
from flight.workflows.doctor.examination import examine, lines, look_at_rehearsal
from flight.workflows.doctor.host import (
    kvm_device,
    look_at_firmware,
    look_at_guests,
    look_at_root,
    look_at_scheduler,
    look_at_servers,
    look_at_work,
)
from flight.workflows.doctor.network import asked
from flight.workflows.doctor.programs import EL, NETWORK, TOOLS, configured, look_at_program, of_family
from flight.workflows.doctor.remote import look_at_cloud
from flight.workflows.doctor.verdict import Finding, Need
from flight.workflows.hypervisor.probe import probe
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.server import Server
from flight.workflows.settings import Azure, Paths, Programs, Settings

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
AZURE = Azure(cloud="public", subscription=SUBSCRIPTION, account="acct", container="images", location="westeurope")


ALL = [*configured(Programs()), *of_family("debian", Programs()), *TOOLS, *NETWORK, *EL]


@pytest.mark.parametrize("need", ALL, ids=lambda need: need.program)
def test_every_program_that_flight_runs_is_found_here_with_its_version(need: Need) -> None:
    finding = look_at_program(need)
    assert finding.verdict == "ok"
    assert (any(letter.isdigit() for letter in finding.seen.rpartition(" ")[2])) or not need.least


def test_an_old_a_broken_and_a_missing_program_are_faults(tmp_path: Path) -> None:
    for name, script in (("old", "echo qemu-img version 2.8.1"), ("broken", "echo no such library >&2; exit 127")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    seen = [look_at_program(Need(str(tmp_path / name), "qemu-utils", (2, 9))) for name in ("old", "broken", "missing")]
    assert all(finding.is_fault for finding in seen)
    assert "2.8.1 is older than 2.9" in seen[0].seen
    assert "no such library" in seen[1].seen
    assert "not here" in seen[2].seen


def test_a_work_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    assert look_at_work(tmp_path / "new" / "work").verdict == "ok"
    assert not (tmp_path / "new").exists(), "a look leaves nothing behind"
    (tmp_path / "file").write_text("")
    assert look_at_work(tmp_path / "file" / "work").is_fault


def test_a_stranger_s_folder_is_left_as_it_was(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LUIGI_CONFIG_PATH"}
    argv = [str(BIN / "flight"), "doctor"]
    ran = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.rstrip().endswith("to mend"), ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_stages_believe_of_guests_what_the_doctor_saw(tmp_path: Path) -> None:
    probe("qemu-system-x86_64", tmp_path)
    believed = tmp_path / "cache" / "acceleration.json"
    seen = believed.read_text()
    believed.write_text(seen.replace('"has_kvm"', '"had_kvm"'))
    found = {finding.name: finding for finding in look_at_guests(Settings(paths=Paths(work=tmp_path)), None)}
    assert list(found) == ["KVM", "Debian 13 guests"]
    assert believed.read_text() == seen


def test_kvm_is_there_where_it_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "kvm").write_text("")
    assert kvm_device(tmp_path / "kvm") == "there"
    assert kvm_device(tmp_path / "none") == "absent"
    assert kvm_device(tmp_path) == "closed"


def test_a_mirror_may_be_a_folder(tmp_path: Path) -> None:
    assert asked(f"file://{tmp_path}/") == (200, {})
    assert "there is no" in str(asked(f"file://{tmp_path}/none")[0])


def test_a_mirror_that_nobody_answers_for_is_told_in_the_system_s_words() -> None:
    status, headers = asked(f"http://127.0.0.1:{free_ports(1)[0]}/debian")
    assert status == "Connection refused"
    assert headers == {}


@pytest.mark.parametrize(
    ("said", "verdict"),
    [("v24.1.0", "ok"), ("v18.20.4", "fault"), (None, "fault")],
    ids=["new", "old", "missing"],
)
def test_a_node_that_luigi_cfg_names_is_looked_at(tmp_path: Path, said: str | None, verdict: str) -> None:
    node = tmp_path / "node"
    if said:
        node.write_text(f"#!/bin/sh\necho {said}\n")
        node.chmod(0o755)
    (finding,) = look_at_rehearsal(Settings(programs=Programs(node=str(node))), lambda: [])
    assert finding.name == "node"
    assert finding.verdict == verdict
    assert said or "[programs] node in luigi.cfg" in finding.fix


def test_root_is_told_from_others() -> None:
    assert look_at_root().is_fault is (os.geteuid() != 0)


def test_a_host_without_uefi_firmware_is_told(tmp_path: Path) -> None:
    assert look_at_firmware(tmp_path).is_fault
    (tmp_path / "60-edk2.json").write_text(json.dumps({"interface-types": ["uefi"]}))
    assert not look_at_firmware(tmp_path).is_fault


def test_luigid_is_told_from_nobody_and_from_a_stranger() -> None:
    nobody = look_at_scheduler(f"http://127.0.0.1:{free_ports(1)[0]}")
    assert (nobody.verdict, "flight scheduler start" in nobody.fix) == ("warning", True)
    with Served(lambda method, path: (200, {}, b'{"response": false}')) as luigid:
        assert look_at_scheduler(f"http://127.0.0.1:{luigid.port}").verdict == "ok"
    for reply in ((404, {}, b"no"), (200, {}, b"<html>"), (200, {}, b"[]")):
        with Served(lambda method, path, reply=reply: reply) as stranger:
            finding = look_at_scheduler(f"http://127.0.0.1:{stranger.port}")
            assert finding.is_fault
            assert f"(pid {os.getpid()})" in finding.seen


def test_a_scheduler_that_listens_and_says_nothing_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = look_at_scheduler(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert finding.is_fault
    assert "does not answer" in finding.seen


def test_a_stranger_on_a_server_s_port_is_a_fault(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    server = Server("azurite", tmp_path, ["/nowhere/azurite"], port, lambda: True)
    assert [finding.verdict for finding in look_at_servers("rehearsal", lambda: [server])] == ["ok"]
    with socket.create_server(("127.0.0.1", port)):
        finding = next(look_at_servers("rehearsal", lambda: [server]))
    assert finding.is_fault
    assert f"127.0.0.1:{port} is taken by" in finding.seen


def test_a_rehearsal_that_is_not_installed_is_a_fault() -> None:
    def missing() -> list[Server]:
        raise ProgramError("could not find Azurite", why="there is no azurite", fix="scripts/quickstart")

    finding = next(look_at_servers("rehearsal", missing))
    assert finding.is_fault
    assert finding.fix == "scripts/quickstart"


def test_the_whole_of_it_on_this_host_with_a_rehearsal_that_runs(rehearsal: Any) -> None:
    settings = replace(rehearsal.settings, paths=Paths(work=rehearsal.work, recipes=(TOP / "kickstarts",)))
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    findings = tuple(examine(settings, scheduler_url=url, servers=lambda: rehearsal.servers))
    by_name = {finding.name: finding for finding in findings}
    assert [finding for finding in findings if finding.is_fault] == []
    assert {"root", "qemu-img", "KVM", "Debian 13 guests", "libguestfs", "space", "scheduler"} <= by_name.keys()
    assert "answers" in by_name["rehearsal azurite"].seen
    assert by_name["storage account"].seen.startswith("StorageV2")
    assert by_name["clock"].verdict == "ok"
    assert "512 bytes" in by_name["data-plane role"].seen
    assert "region" not in by_name
    assert next(reversed(list(lines(findings)))).endswith("0 to mend")
    containers = cloud_of(settings.azure, settings.rehearsal).container(settings.azure.container)
    assert not containers.exists() or not [blob.name for blob in containers.list_blobs() if "doctor" in blob.name]


@dataclass
class FakeAzure:
    """The few answers of a storage account and of the resource manager that the doctor asks for; one may be spoiled."""

    has_container: bool = True
    kind: str = "StorageV2"
    hierarchical: str = "false"
    date: str = ""
    put_status: int = 201
    put_code: str = ""
    region: str = "westeurope"
    arm_status: int = 200
    asked: list[str] = field(default_factory=list)

    def __call__(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(f"{method} {path.partition('?')[0]}")
        if path.startswith("/subscriptions/"):
            return self.manager(path)
        status, headers = self.storage(method, path)
        return status, {**headers, "x-ms-version": "2025-01-05", **({"Date": self.date} if self.date else {})}, b""

    def storage(self, method: str, path: str) -> tuple[int, dict[str, str]]:
        if "comp=properties" in path:
            told = {
                "x-ms-account-kind": self.kind,
                "x-ms-sku-name": "Standard_LRS",
                "x-ms-is-hns-enabled": self.hierarchical,
            }
            return 200, told
        stamps = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 01:31:10 GMT"}
        if "restype=container" in path:
            if method in ("GET", "HEAD") and not self.has_container:
                return 404, {"x-ms-error-code": "ContainerNotFound"}
            return {"PUT": 201, "DELETE": 202}.get(method, 200), stamps
        if method == "PUT":
            refusal = {"x-ms-error-code": self.put_code} if self.put_code else stamps
            return self.put_status, refusal
        return 202, {}

    def manager(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if self.arm_status != 200:
            told: dict[str, Any] = {"error": {"code": "AuthorizationFailed", "message": "the client may not"}}
        elif "page=2" in path:
            told = {"value": [{"name": "acct", "location": self.region}]}
        else:
            more = f"https://127.0.0.1:{self.port}{path}&page=2"
            told = {"value": [{"name": "another", "location": "eastus"}], "nextLink": more}
        return self.arm_status, {"Content-Type": "application/json"}, json.dumps(told).encode()

    port: int = 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trust = tmp_path_factory.mktemp("trust") / "ca.pem"
    authority.cert_pem.write_to_path(str(trust))
    return context, trust


def looked(
    azure: FakeAzure, certificate: tuple[ssl.SSLContext, Path], *, settings: Azure = AZURE
) -> dict[str, Finding]:
    context, trust = certificate
    with Served(azure, context=context) as served:
        azure.port = served.port
        here = f"https://127.0.0.1:{served.port}"
        cloud = Cloud("public", SUBSCRIPTION, "acct", f"{here}/acct", here, token=AnyToken(), trust=trust)
        return {finding.name: finding for finding in look_at_cloud(cloud, settings)}


def test_a_cloud_in_which_all_is_well(certificate: tuple[ssl.SSLContext, Path]) -> None:
    azure = FakeAzure()
    found = looked(azure, certificate)
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(
        ("names", "login", "storage account", "clock", "data-plane role", "region"), "ok"
    )
    assert azure.asked[0] == "HEAD /", "the time is asked before anything that a clock can spoil"
    assert azure.asked[-1].startswith("GET /subscriptions/")
    assert any(asked.startswith("DELETE /acct/images/flight-doctor-") for asked in azure.asked)
    assert "DELETE /acct/images" not in azure.asked


def test_a_container_made_for_the_look_is_removed_again(certificate: tuple[ssl.SSLContext, Path]) -> None:
    azure = FakeAzure(has_container=False)
    assert looked(azure, certificate)["data-plane role"].verdict == "ok"
    containers = [asked for asked in azure.asked if asked.endswith("/acct/images")]
    assert containers[-2:] == ["PUT /acct/images", "DELETE /acct/images"]


@pytest.mark.parametrize(
    ("azure", "name", "verdict", "said", "fix"),
    [
        (FakeAzure(kind="BlobStorage"), "storage account", "fault", "BlobStorage", "StorageV2"),
        (FakeAzure(hierarchical="true"), "storage account", "fault", "hierarchical", "StorageV2"),
        (FakeAzure(date="Mon, 02 Jan 2006 15:04:05 GMT"), "clock", "fault", "ahead of", "time server"),
        (
            FakeAzure(put_status=403, put_code="AuthorizationPermissionMismatch"),
            "data-plane role",
            "fault",
            "403 AuthorizationPermissionMismatch",
            "Storage Blob Data Contributor",
        ),
        (FakeAzure(region="northeurope"), "region", "fault", "northeurope", "location = northeurope"),
        (FakeAzure(arm_status=403), "region", "fault", "AuthorizationFailed", "role"),
    ],
    ids=["kind", "hierarchical", "clock", "role", "region", "no-reader"],
)
def test_each_thing_that_azure_would_refuse_is_told(
    azure: FakeAzure, name: str, verdict: str, said: str, fix: str, certificate: tuple[ssl.SSLContext, Path]
) -> None:
    found = looked(azure, certificate)
    assert found[name].verdict == verdict
    assert said in found[name].seen
    assert fix in found[name].fix
    assert all(finding.verdict == "ok" for other, finding in found.items() if other not in (name, "clock"))


def test_an_account_that_the_subscription_does_not_show_is_to_know(certificate: tuple[ssl.SSLContext, Path]) -> None:
    found = looked(FakeAzure(), certificate, settings=replace(AZURE, account="other"))
    assert found["region"].verdict == "warning"


def test_without_names_that_azure_takes_only_the_time_is_asked(certificate: tuple[ssl.SSLContext, Path]) -> None:
    azure = FakeAzure()
    found = looked(azure, certificate, settings=replace(AZURE, container="No"))
    assert found["names"].is_fault
    assert list(found) == ["names", "clock", "login"]
    assert azure.asked == ["HEAD /"]


def test_without_a_login_nothing_is_asked_and_the_ways_in_are_told(
    certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        def get_token(self, *scopes: str, **kwargs: Any) -> Any:
            from azure.core.exceptions import ClientAuthenticationError

            raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token")

    cloud = Cloud("public", SUBSCRIPTION, "acct", "https://127.0.0.1:1/acct", "https://127.0.0.1:1", token=Nobody())
    found = {finding.name: finding for finding in look_at_cloud(cloud, AZURE)}
    assert found["login"].is_fault
    assert "az login" in found["login"].fix
    assert list(found) == ["names", "login"]
