"""What the doctor sees on hosts that are not like this one, and in a cloud that refuses."""

from __future__ import annotations

import importlib.util
import os
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.doctor import host
from flight.workflows.doctor.remote import look_at_account

CLOUD = Cloud("public", "0" * 8, "mystore", "https://mystore.blob.example", "https://management.example")


def test_whoever_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    finding = host.look_at_root()
    assert finding.is_fault
    assert "user 1000" in finding.seen


def test_libvirts_binding_is_a_package_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    finding = host.look_at_libvirt("")
    assert finding.verdict == "warning"
    assert "images are built without it" in finding.seen
    assert finding.fix == "nothing is needed for a walk; else pip install libvirt-python"


def test_the_embedded_driver_wants_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "there")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "choose_uri", lambda configured: configured)
    monkeypatch.setattr(host, "_is_user", lambda name: False)
    finding = host.look_at_libvirt("qemu:///embed")
    assert finding.verdict == "warning"
    assert "libvirt-qemu" in finding.seen
    assert "libvirt-daemon-system" in finding.fix


def test_a_scheduler_elsewhere_that_does_not_answer_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def urlopen(url: str, timeout: float) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    finding = host.look_at_scheduler("http://scheduler.example:8082/")
    assert finding.is_fault
    assert finding.seen == "http://scheduler.example:8082/ does not answer: Name or service not known"


def refusing(error: Exception) -> Any:
    def refuse(**_: Any) -> None:
        raise error

    return SimpleNamespace(get_account_information=refuse)


def test_an_account_whose_kind_is_not_for_us_to_know_is_no_fault() -> None:
    error = HttpResponseError("no")
    error.error_code = "AuthorizationPermissionMismatch"  # type: ignore[attr-defined]
    finding = look_at_account(refusing(error), CLOUD)
    assert finding.verdict == "warning"
    assert finding.seen == "this identity may not ask for its kind"


def test_an_account_that_does_not_answer_is_a_fault() -> None:
    finding = look_at_account(refusing(ServiceRequestError("Failed to resolve 'mystore'")), CLOUD)
    assert finding.seen.startswith("could not ask for the account's kind: Failed to resolve")
    assert "DNS" in finding.fix
