"""What is shared by all that is asked of the resource manager: names of regions, tags, the storage account and its key."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from flight.workflows.arm import tags
from flight.workflows.arm.account import Account, find_account, first_key
from flight.workflows.arm.resource import differing, short_location, state_of
from flight.workflows.cloud.endpoint import Cloud
from flight.workflows.kit.errors import ProgramError, RemoteError

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
CLOUD = Cloud("public", SUBSCRIPTION, "shop", "https://shop.blob.core.windows.net", "https://management.azure.com")
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/shop"
SHOP = Account(ID, "shop", "westeurope", allows_keys=True)


class Manager:
    """The client's one door, with an answer for each path; `asked` is what was asked, as `METHOD path`."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {name.replace("_", "/"): answer for name, answer in answers.items()}
        self.asked: list[str] = []

    def send_request(self, request: Any, **more: Any) -> Any:
        self.asked.append(f"{request.method} {request.url.removeprefix(CLOUD.manager)}")
        name = request.url.partition("?")[0].rpartition("/")[2]
        status, body = self.answers[f"{name}/2" if "page=2" in request.url else name]
        text = json.dumps(body)
        return SimpleNamespace(
            status_code=status, json=lambda: body, text=lambda: text, reason="", headers={}, body=text.encode
        )


def shown(name: str, **properties: Any) -> dict[str, Any]:
    return {"id": ID.replace("shop", name), "name": name, "location": "westeurope", "properties": properties}


@pytest.mark.parametrize(
    ("location", "short"), [("West Europe", "westeurope"), ("westeurope", "westeurope"), ("East US 2", "eastus2")]
)
def test_a_region_is_known_by_its_short_name(location: str, short: str) -> None:
    assert short_location(location) == short


def test_what_differs_is_said_in_a_sentence_each_and_what_is_equal_is_not() -> None:
    assert differing({"size": (1, 2), "name": ("a", "a")}) == ("its size is 1, not 2",)


def test_a_resource_that_tells_nothing_has_no_state() -> None:
    assert state_of({}) == ""
    assert state_of({"properties": None}) == ""
    assert state_of({"properties": {"provisioningState": "Succeeded"}}) == "Succeeded"


def test_a_folder_that_is_in_no_repository_has_an_unknown_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_git(argv: list[str], **_: Any) -> None:
        raise ProgramError("could not find the source commit", why="fatal: not a git repository")

    monkeypatch.setattr(tags, "run", no_git)
    assert tags.source_commit(tmp_path) == "unknown"


def test_the_tags_say_where_it_comes_from_and_who_overrode_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "source_commit", lambda folder: "abc")
    overrides = [
        {"rules": ["swap", "clock"], "who": "Ada", "why": "x" * 300},
        {"rules": ["sshd"], "who": "Ada", "why": "y"},
    ]
    made = tags.origin_tags("demo", "1", folder=Path(), overrides=overrides)
    assert made == {
        "recipe": "demo",
        "version": "1",
        "commit": "abc",
        "overridden": "swap clock sshd",
        "overridden-by": "Ada",
        "overridden-why": "x" * 256,
    }
    assert "overridden" not in tags.origin_tags("demo", "1", folder=Path())


def test_the_account_is_found_by_its_name_on_whatever_page_it_is() -> None:
    following = f"{CLOUD.manager}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts?page=2"
    manager = Manager(
        storageAccounts=(200, {"value": [shown("other")], "nextLink": following}),
        storageAccounts_2=(200, {"value": [shown("Shop")]}),
    )
    found = find_account(CLOUD, manager)
    assert (found.name, found.location, found.allows_keys) == ("Shop", "westeurope", True)
    assert len(manager.asked) == 2


@pytest.mark.parametrize(
    ("properties", "allows"),
    [({}, True), ({"allowSharedKeyAccess": None}, True), ({"allowSharedKeyAccess": False}, False)],
    ids=["absent", "null", "off"],
)
def test_keys_are_allowed_where_nobody_forbade_them(properties: dict[str, Any], allows: bool) -> None:
    manager = Manager(storageAccounts=(200, {"value": [shown("shop", **properties)]}))
    assert find_account(CLOUD, manager).allows_keys is allows


def test_an_account_that_is_not_in_the_subscription_is_an_error_that_says_where_it_was_looked_for() -> None:
    with pytest.raises(RemoteError, match="no storage account 'shop'") as error:
        find_account(CLOUD, Manager(storageAccounts=(200, {"value": [shown("other")]})))
    assert SUBSCRIPTION in str(error.value)


def test_a_key_is_fetched_by_a_post_and_is_not_shown() -> None:
    manager = Manager(listKeys=(200, {"keys": [{"keyName": "key1", "value": "c2VjcmV0"}]}))
    key = first_key(SHOP, CLOUD, manager)
    assert manager.asked[0].startswith(f"POST {ID}/listKeys?api-version=")
    assert key.reveal() == "c2VjcmV0"
    assert "c2VjcmV0" not in f"{key!r} {key} {dataclasses.astuple(SHOP)}"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((403, {"error": {"code": "AuthorizationFailed", "message": "no such action"}}), "403"),
        ((409, {"error": {"code": "ScopeLocked", "message": "a lock"}}), "409"),
        ((200, {"keys": []}), "it has none"),
    ],
    ids=["no role", "locked", "none"],
)
def test_a_key_that_we_may_not_have_points_to_the_gallery(answer: Any, why: str) -> None:
    with pytest.raises(RemoteError, match="could not fetch a key") as error:
        first_key(SHOP, CLOUD, Manager(listKeys=answer))
    assert why in error.value.why
    assert "PublishImage" in error.value.fix


def test_a_refusal_keeps_its_place_in_the_traceback() -> None:
    with pytest.raises(RemoteError) as error:
        first_key(SHOP, CLOUD, Manager(listKeys=(403, {})))
    assert isinstance(error.value.__cause__, HttpResponseError)
