"""The order of it all: look, plan, make what is missing, wait for every region, read back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flight.workflows.arm.account import find_account
from flight.workflows.arm.resource import poll_s, state_of
from flight.workflows.gallery.plan import Plan, failed_regions, is_replicating, plan_version, replication
from flight.workflows.gallery.receipt import GalleryReceipt
from flight.workflows.gallery.service import Galleries, check_definition
from flight.workflows.gallery.wanted import (
    Publishing,
    VersionPlace,
    WantedDefinition,
    WantedVersion,
    content_differences,
    definition_differences,
    origin_differences,
    publishing_differences,
    source_of,
    tags_of,
)
from flight.workflows.kit.errors import RemoteError
from flight.workflows.kit.progress import Progress, Told, quiet
from flight.workflows.upload.receipt import Receipt
from flight.workflows.upload.service import BlobService, Service
from flight.workflows.upload.verify import kept_as_uploaded

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud


def publish(
    blob: Receipt,
    *,
    to: VersionPlace,
    definition: WantedDefinition,
    publishing: Publishing,
    cloud: Cloud,
    tags: Mapping[str, str],
    replace: bool = False,
    told: Told = quiet,
    compute: Any = None,
    storage: Service | None = None,
) -> GalleryReceipt:
    """Bring about a version of an uploaded blob, or find that it is there. `tags` gain the blob's digest.

    The same digest is the same version: from which blob, and which commit, decides nothing. What is given out otherwise
    is changed in place. `compute` and `storage` take the places of the SDK's client and of the blob's service. Raises
    RemoteError where Azure refuses, is not reached, where the definition is of another kind, where the version is another
    image's and `replace` is not said, or where the blob is not as it was uploaded.
    """
    started, service = time.monotonic(), Galleries(to, cloud, compute)
    wanted = WantedVersion(to.location, blob.place.url, "", publishing, {**tags, "digest": blob.digest})
    plan, there = _planned(service, wanted, definition, replace=replace, told=told)
    if plan.step == "change" and there is not None:
        there = _changed(there, wanted, service=service, told=told)
    elif plan.step != "nothing":
        held = storage or BlobService(cloud, blob.place)
        with kept_as_uploaded(blob, service=held, undo=lambda: service.version.delete(told)):
            there = _made(wanted, definition, is_there=plan.step == "replace", service=service, told=told)
    assert there is not None
    return GalleryReceipt(
        place=to,
        id=to.id,
        digest=blob.digest,
        blob=source_of(there).get("uri", ""),
        account=source_of(there).get("storageAccountId", ""),
        definition=definition.properties(),
        publishing=publishing,
        tags=tags_of(there),
        was_there=plan.step in ("nothing", "change"),
        seconds=round(time.monotonic() - started, 3),
        changed=list(plan.why) if plan.step == "change" else [],
    )


def recheck(receipt: GalleryReceipt, *, cloud: Cloud, compute: Any = None) -> tuple[str, ...]:
    """Every way in which the version is not what the receipt says any more; nothing where all is well."""
    place, shown = receipt.place, receipt.definition
    gallery, definition, there = Galleries(place, cloud, compute).look()
    if gallery is None or definition is None or there is None:
        return (f"{place} is gone",)
    features = {each["name"]: each["value"] for each in shown["features"]}
    kind = WantedDefinition(place.location, shown["hyperVGeneration"], **shown["identifier"], features=features)
    wanted = WantedVersion(place.location, receipt.blob, receipt.account, receipt.publishing, receipt.tags)
    problems = (*definition_differences(definition, kind), *_differences(there, wanted), *failed_regions(there))
    return tuple(f"{place}: {problem}" for problem in problems)


def _planned(
    service: Galleries, wanted: WantedVersion, definition: WantedDefinition, *, replace: bool, told: Told
) -> tuple[Plan, Mapping[str, Any] | None]:
    """What is to be done, and with what: the version once Azure is at rest."""
    told(Progress(what=f"looking at {service.place}"))
    _, definition_there, there = service.look()
    if definition_there is not None:
        check_definition(definition_there, definition, service.place)
    while (plan := plan_version(there, wanted, replace=replace)).step == "wait":
        there = _waited(service, told)
    if plan.step == "refuse":
        raise _held_by_another(service.place, plan.why)
    return plan, there


def _changed(there: Mapping[str, Any], wanted: WantedVersion, *, service: Galleries, told: Told) -> Mapping[str, Any]:
    """It is given out as it is to be now, and stays what it was made of."""
    source = source_of(there)
    same = dataclasses.replace(
        wanted, blob_url=source.get("uri", ""), account_id=source.get("storageAccountId", ""), tags=tags_of(there)
    )
    service.put_version(same.change(there), told)
    return _read_back(service, same, told)


def _made(
    wanted: WantedVersion, definition: WantedDefinition, *, is_there: bool, service: Galleries, told: Told
) -> Mapping[str, Any]:
    """The version, anew where it is there. The account is asked for before anything is made or removed."""
    wanted = dataclasses.replace(wanted, account_id=find_account(service.cloud, service.client).id)
    if is_there:
        service.version.delete(told)
    service.make_parents(definition, told)
    service.put_version(wanted.body(), told)
    return _read_back(service, wanted, told)


def _waited(service: Galleries, told: Told) -> Mapping[str, Any] | None:
    """What is there once Azure has ended what it is at: a run that was killed, perhaps, asked for it a moment ago."""
    while (there := service.look_at_version()) is not None and is_replicating(there):
        told(replication(there))
        time.sleep(poll_s(service.cloud))
    return there


def _read_back(service: Galleries, wanted: WantedVersion, told: Told) -> Mapping[str, Any]:
    there = _waited(service, told)
    problems = ("it is not there",) if there is None else (*_differences(there, wanted), *failed_regions(there))
    if there is None or problems:
        raise RemoteError(
            f"{service.place} is not what was asked for",
            why="; ".join(problems),
            fix="look at it in the portal; then run this again, with --replace where it is to be made anew",
        )
    return there


def _differences(there: Mapping[str, Any], wanted: WantedVersion) -> tuple[str, ...]:
    state = state_of(there)
    unfinished = () if state == "Succeeded" else (f"its state is {state!r}, not 'Succeeded'",)
    return (
        *unfinished,
        *content_differences(there, wanted),
        *publishing_differences(there, wanted.publishing),
        *origin_differences(there, wanted),
    )


def _held_by_another(place: VersionPlace, differs: tuple[str, ...]) -> RemoteError:
    return RemoteError(
        f"{place} is there already, and is another image",
        why="; ".join(differs),
        fix="give another --gallery-version (or a new version of the image), or add --replace",
    )
