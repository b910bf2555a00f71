"""Where each cloud answers, which names it takes, and what a person reads when it refuses."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ODataV4Format,
    ServiceRequestError,
)
from azure.identity import DefaultAzureCredential
from azure.mgmt.compute import ComputeManagementClient

from flight.workflows import settings
from flight.workflows.cloud import names
from flight.workflows.cloud.endpoint import REHEARSAL_KEY, AnyToken, Cloud, cloud_of
from flight.workflows.cloud.refusal import BY_STATUS, FIXES, code_of, is_passing, refused
from flight.workflows.kit.errors import ConfigError

AZURE = settings.Azure(cloud="public", account="mystore")


@pytest.mark.parametrize(
    ("cloud", "storage", "manager", "authority"),
    [
        (
            "public",
            "https://mystore.blob.core.windows.net",
            "https://management.azure.com",
            "login.microsoftonline.com",
        ),
        (
            "usgov",
            "https://mystore.blob.core.usgovcloudapi.net",
            "https://management.usgovcloudapi.net",
            "login.microsoftonline.us",
        ),
        (
            "china",
            "https://mystore.blob.core.chinacloudapi.cn",
            "https://management.chinacloudapi.cn",
            "login.chinacloudapi.cn",
        ),
    ],
    ids=["public", "usgov", "china"],
)
def test_a_cloud_has_its_own_hosts(cloud: str, storage: str, manager: str, authority: str) -> None:
    found = cloud_of(dataclasses.replace(AZURE, cloud=cloud), settings.Rehearsal())
    assert (found.storage, found.manager, found.authority) == (storage, manager, authority)
    assert found.per_call == {}


def test_the_rehearsal_is_on_loopback_whatever_account_the_settings_name_for_the_real_cloud() -> None:
    found = cloud_of(dataclasses.replace(AZURE, cloud="rehearsal"), settings.Rehearsal(blob_port=11, compute_port=12))
    assert found.storage == "http://127.0.0.1:11/devstoreaccount1"
    assert found.manager == "http://127.0.0.1:12"
    assert found.account == "devstoreaccount1"
    assert found.per_call == {"enforce_https": False}


def test_the_settings_of_every_cloud_that_luigi_cfg_may_name_are_known() -> None:
    for cloud in settings.CLOUDS:
        assert cloud_of(dataclasses.replace(AZURE, cloud=cloud), settings.Rehearsal()).name == cloud


def test_a_cloud_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no cloud 'mars'"):
        cloud_of(dataclasses.replace(AZURE, cloud="mars"), settings.Rehearsal())


def test_only_the_rehearsal_has_a_key_and_the_real_clouds_the_chain_of_azure_identity() -> None:
    rehearsal = cloud_of(dataclasses.replace(AZURE, cloud="rehearsal"), settings.Rehearsal())
    public = cloud_of(AZURE, settings.Rehearsal())
    assert rehearsal._storage_credential() == {"account_name": "devstoreaccount1", "account_key": REHEARSAL_KEY}
    assert isinstance(rehearsal.manager_credential(), AnyToken)
    assert isinstance(public._storage_credential(), DefaultAzureCredential)
    assert isinstance(public.manager_credential(), DefaultAzureCredential)


def test_a_token_given_takes_the_place_of_the_chain_and_is_in_no_repr() -> None:
    token = AnyToken()
    cloud = dataclasses.replace(cloud_of(AZURE, settings.Rehearsal()), token=token)
    assert cloud._storage_credential() is token
    assert cloud.manager_credential() is token
    assert "AnyToken" not in repr(cloud)
    assert token.get_token("any").token


# names ---------------------------------------------------------------------------------------------------------------

GOOD = [
    ("storage account", "abc"),
    ("storage account", "a" * 24),
    ("container", "images"),
    ("container", "my-images-2"),
    ("blob", "flight-1.0.0.vhd"),
    ("image", "flight-compute-debian13-1.0.0"),
    ("image", "a"),
    ("image", "a_"),
    ("resource group", "RG(test).1-x_"),
    ("subscription", "00000000-0000-0000-0000-000000000000"),
    ("location", "westeurope"),
]
BAD = [
    ("storage account", "ab"),
    ("storage account", "a" * 25),
    ("storage account", "My-Store"),
    ("container", "ab"),
    ("container", "Images"),
    ("container", "a--b"),
    ("container", "-images"),
    ("container", "a" * 64),
    ("blob", "x."),
    ("blob", ""),
    ("blob", "a/b"),
    ("image", "-x"),
    ("image", "x."),
    ("image", "x-"),
    ("image", "a" * 81),
    ("image", "a b"),
    ("image", "x\n"),
    ("resource group", "group."),
    ("resource group", ""),
    ("resource group", "a/b"),
    ("subscription", "my subscription"),
    ("location", "West Europe"),
]


@pytest.mark.parametrize(("kind", "name"), GOOD, ids=lambda value: repr(value)[:40])
def test_a_name_that_azure_takes_is_taken(kind: str, name: str) -> None:
    assert names.check_name(kind, name) == name


@pytest.mark.parametrize(("kind", "name"), BAD, ids=lambda value: repr(value)[:40])
def test_a_name_that_azure_refuses_is_refused_with_the_rule_in_words(kind: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"no name for an? {kind}") as refusal:
        names.check_name(kind, name)
    assert refusal.value.fix == f"give {names.RULES[kind].words}"


@pytest.mark.parametrize(
    ("version", "blob", "image"),
    [
        ("1.0.0", "demo-1.0.0.vhd", "demo-1.0.0"),
        ("1.0~rc1+ü", "demo-1.0-rc1-.vhd", None),
        ("2026.01 beta", "demo-2026.01-beta.vhd", "demo-2026.01-beta"),
    ],
)
def test_blob_and_image_are_named_after_recipe_and_version(version: str, blob: str, image: str | None) -> None:
    assert names.blob_name("demo", version) == blob
    if image is None:
        with pytest.raises(ConfigError):
            names.image_name("demo", version)
    else:
        assert names.image_name("demo", version) == image


# refusals ------------------------------------------------------------------------------------------------------------

REHEARSAL = cloud_of(settings.Azure(), settings.Rehearsal())
PUBLIC = cloud_of(AZURE, settings.Rehearsal())


def storage(status: int, code: str) -> HttpResponseError:
    error = HttpResponseError(f"{code} in words.\nRequestId:1\nTime:2")
    error.status_code, error.error_code = status, code  # type: ignore[attr-defined]
    return error


def manager(status: int, code: str) -> HttpResponseError:
    body = json.dumps({"error": {"code": code, "message": f"{code} in words."}})
    response: Any = SimpleNamespace(status_code=status, reason="Refused", text=lambda encoding=None: body, headers={})
    error = HttpResponseError(response=response)
    assert isinstance(error.error, ODataV4Format)
    return error


@pytest.mark.parametrize(
    ("error", "why", "fix"),
    [
        pytest.param(
            storage(403, "AuthorizationPermissionMismatch"),
            "403 AuthorizationPermissionMismatch: AuthorizationPermissionMismatch in words.",
            "Storage Blob Data Contributor",
            id="no data role",
        ),
        pytest.param(storage(403, "Unheard"), "403 Unheard: Unheard in words.", "lacks a role", id="another 403"),
        pytest.param(storage(409, "ContainerBeingDeleted"), "ContainerBeingDeleted", "wait", id="container going"),
        pytest.param(storage(412, "LeaseIdMissing"), "LeaseIdMissing", "lease", id="leased"),
        pytest.param(
            manager(404, "ResourceGroupNotFound"),
            "404 ResourceGroupNotFound: ResourceGroupNotFound in words.",
            "az group create --name mygroup --location westeurope",
            id="no resource group",
        ),
        pytest.param(manager(403, "AuthorizationFailed"), "AuthorizationFailed", "Contributor", id="no role"),
        pytest.param(manager(401, "InvalidAuthenticationToken"), "401", "az login", id="bad token"),
        pytest.param(manager(400, "Novel"), "400 Novel: Novel in words.", "activity log", id="a code never heard of"),
        pytest.param(
            ClientAuthenticationError(
                "DefaultAzureCredential failed.\n\tAzureCliCredential: Azure CLI not found on path"
            ),
            "nobody is logged in to Azure",
            "az login",
            id="nobody logged in",
        ),
        pytest.param(
            ClientAuthenticationError(
                "DefaultAzureCredential failed.\nAttempted credentials:\n"
                "\tEnvironmentCredential: Authentication failed: HTTPSConnection(host='login.example'): "
                "Failed to resolve 'login.example' ([Errno -3] Temporary failure in name resolution)"
            ),
            "Failed to resolve 'login.example'",
            "check this host's network, DNS and proxy",
            id="no way to the login service",
        ),
        pytest.param(
            ClientAuthenticationError(
                "DefaultAzureCredential failed.\nAttempted credentials:\n"
                "\tEnvironmentCredential: Authentication failed: AADSTS7000215: Invalid client secret provided.\n"
                "\tAzureCliCredential: Azure CLI not found on path"
            ),
            "logging in to Azure failed: EnvironmentCredential: Authentication failed: AADSTS7000215: Invalid client",
            "az login",
            id="a login that fails",
        ),
        pytest.param(
            ServiceRequestError("HTTPSConnection(host='mystore…'): Failed to resolve 'mystore…'"),
            "Failed to resolve",
            "check [azure] account ('mystore') and cloud ('public')",
            id="no such account",
        ),
        pytest.param(
            ServiceRequestError("SSLError: CERTIFICATE_VERIFY_FAILED"), "CERTIFICATE", "REQUESTS_CA_BUNDLE", id="proxy"
        ),
        pytest.param(ServiceRequestError("timed out"), "timed out", "network and proxy", id="no network"),
    ],
)
def test_a_refusal_says_what_azure_said_and_what_to_do(error: AzureError, why: str, fix: str) -> None:
    found = refused(error, "look", cloud=PUBLIC, group="mygroup", location="westeurope")
    assert found.what == "could not look"
    assert why in found.why
    assert "\n" not in found.why
    assert fix in found.fix


@pytest.mark.parametrize("code", FIXES)
def test_a_known_code_has_its_own_fix_with_the_names_filled_in(code: str) -> None:
    fix = refused(manager(400, code), "make the image", cloud=PUBLIC, group="mygroup", location="westeurope").fix
    assert fix == FIXES[code].replace("{group}", "mygroup").replace("{location}", "westeurope")


@pytest.mark.parametrize("status", BY_STATUS)
def test_an_unknown_code_has_the_fix_of_its_status(status: int) -> None:
    assert refused(manager(status, "Novel"), "make the image", cloud=PUBLIC).fix == BY_STATUS[status]


def test_a_rehearsal_that_does_not_answer_is_to_be_started() -> None:
    error = ServiceRequestError("Failed to establish a new connection: Connection refused")
    assert "flight rehearsal start" in refused(error, "look", cloud=REHEARSAL).fix


def test_the_code_of_an_error_is_found_wherever_a_client_puts_it() -> None:
    assert code_of(storage(404, "BlobNotFound")) == "BlobNotFound"
    assert code_of(manager(404, "ResourceNotFound")) == "ResourceNotFound"
    assert code_of(ServiceRequestError("x")) == ""


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_says_nothing_about_the_request_is_passing(status: int) -> None:
    assert is_passing(storage(status, ""), hopeful=False)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412])
def test_a_status_that_refuses_the_request_is_final(status: int) -> None:
    assert not is_passing(storage(status, ""), hopeful=True)


def test_making_clients_asks_nothing_of_any_server() -> None:
    cloud = Cloud("public", "0" * 8, "mystore", "https://mystore.blob.core.windows.net", "https://management.azure.com")
    assert cloud.container("images").url == "https://mystore.blob.core.windows.net/images"
    assert isinstance(cloud.compute(), ComputeManagementClient)
