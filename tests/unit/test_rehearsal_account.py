"""The rehearsal's storage account, without a socket: found by whoever asks, its key told to whoever may have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flight.workflows.cloud.endpoint import REHEARSAL_KEY
from flight.workflows.rehearsal.compute import Compute, Subscription
from flight.workflows.rehearsal.request import Answer, Request
from flight.workflows.rehearsal.source import Account, Blob

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
WHOLE = f"/subscriptions/{SUBSCRIPTION}"
PROVIDER = "providers/Microsoft.Storage/storageAccounts"
FIRST = f"{WHOLE}/resourceGroups/first/{PROVIDER}"
SECOND = f"{WHOLE}/resourceGroups/second/{PROVIDER}"
OURS = f"{FIRST}/devstoreaccount1"


def ask(kept_at: Path, method: str, path: str, *, token: str = "Bearer any", **account: Any) -> Answer:
    def look(container: str, name: str) -> Blob | None:
        raise AssertionError("the account's blobs are not asked for")

    plays = Subscription(
        SUBSCRIPTION, ("first", "second"), Account("http://127.0.0.1:10000/devstoreaccount1", "westeurope", **account)
    )
    compute = Compute(plays, kept_at / "compute.json", look=look, takes_s=1)
    return compute.answer(Request(method, path, {"api-version": "2024-01-01"}, "http://127.0.0.1:1", token))


@pytest.mark.parametrize("path", [f"{WHOLE}/{PROVIDER}", FIRST, FIRST.lower()])
def test_the_account_is_listed_in_its_subscription_and_in_its_group(tmp_path: Path, path: str) -> None:
    answer = ask(tmp_path, "GET", path)
    assert answer.status == 200
    assert [one["id"] for one in answer.body["value"]] == [OURS]


def test_no_account_lies_in_another_group(tmp_path: Path) -> None:
    assert ask(tmp_path, "GET", SECOND).body == {"value": []}


def test_the_account_says_where_it_is_and_that_it_takes_its_key(tmp_path: Path) -> None:
    shown = ask(tmp_path, "GET", OURS.replace("devstore", "DevStore")).body
    assert (shown["name"], shown["location"]) == ("devstoreaccount1", "westeurope")
    assert shown["type"] == "Microsoft.Storage/storageAccounts"
    assert shown["properties"]["primaryEndpoints"] == {"blob": "http://127.0.0.1:10000/devstoreaccount1/"}
    assert shown["properties"]["allowSharedKeyAccess"] is True


@pytest.mark.parametrize("path", [FIRST, OURS])
def test_an_account_shows_no_key(tmp_path: Path, path: str) -> None:
    assert REHEARSAL_KEY not in str(ask(tmp_path, "GET", path).body)


def test_its_keys_are_told_by_a_post(tmp_path: Path) -> None:
    answer = ask(tmp_path, "POST", f"{OURS}/listKeys")
    assert answer.status == 200
    assert [(one["keyName"], one["permissions"]) for one in answer.body["keys"]] == [("key1", "FULL"), ("key2", "FULL")]
    assert {one["value"] for one in answer.body["keys"]} == {REHEARSAL_KEY}


def test_an_account_without_shared_keys_says_so_and_tells_them_all_the_same(tmp_path: Path) -> None:
    shown = ask(tmp_path, "GET", OURS, has_shared_keys=False).body
    assert shown["properties"]["allowSharedKeyAccess"] is False
    assert ask(tmp_path, "POST", f"{OURS}/listkeys", has_shared_keys=False).status == 200


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code"),
    [
        pytest.param("POST", f"{OURS}/listKeys", "", 401, "AuthenticationFailed", id="keys without a token"),
        pytest.param("GET", f"{OURS}/listKeys", "Bearer x", 405, "MethodNotAllowed", id="keys by a GET"),
        pytest.param("POST", OURS, "Bearer x", 405, "MethodNotAllowed", id="an account by a POST"),
        pytest.param("PUT", OURS, "Bearer x", 405, "MethodNotAllowed", id="an account made"),
        pytest.param("DELETE", OURS, "Bearer x", 405, "MethodNotAllowed", id="an account deleted"),
        pytest.param("GET", f"{FIRST}/other", "Bearer x", 404, "ResourceNotFound", id="another account"),
        pytest.param("GET", f"{SECOND}/devstoreaccount1", "Bearer x", 404, "ResourceNotFound", id="another group"),
        pytest.param("POST", f"{FIRST}/other/listKeys", "Bearer x", 404, "ResourceNotFound", id="another's keys"),
        pytest.param("POST", f"{OURS}/listKeys/x", "Bearer x", 404, "InvalidResourceType", id="one of the keys"),
        pytest.param("POST", f"{FIRST}//listKeys", "Bearer x", 404, "ResourceNotFound", id="nobody's keys"),
        pytest.param("GET", f"{OURS}/blobServices", "Bearer x", 404, "InvalidResourceType", id="what it holds"),
        pytest.param("GET", OURS.replace("/first/", "/moon/"), "Bearer x", 404, "ResourceGroupNotFound", id="no group"),
    ],
)
def test_what_azure_refuses_of_an_account_is_refused(
    tmp_path: Path, method: str, path: str, token: str, status: int, code: str
) -> None:
    answer = ask(tmp_path, method, path, token=token)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert REHEARSAL_KEY not in str(answer.body)


def test_an_account_that_is_not_there_is_named_with_its_provider(tmp_path: Path) -> None:
    message = ask(tmp_path, "GET", f"{FIRST}/other").body["error"]["message"]
    assert "'Microsoft.Storage/storageAccounts/other' under resource group 'first'" in message
