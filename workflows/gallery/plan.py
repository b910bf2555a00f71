"""What is to be done about a version, from what is there and what is wanted; and how far its replication is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from flight.workflows.arm.resource import properties_of, short_location, state_of
from flight.workflows.gallery.wanted import WantedVersion, content_differences, publishing_differences
from flight.workflows.kit.progress import Progress

Step = Literal["nothing", "wait", "create", "change", "replace", "refuse"]
AT_WORK: Final = ("Creating", "Updating", "Deleting", "Migrating")
"""States in which Azure refuses every change. Source: "Gallery Image Versions", GalleryProvisioningState."""


@dataclass(frozen=True)
class Plan:
    """One step, and why it is taken."""

    step: Step
    why: tuple[str, ...] = ()


def plan_version(there: Mapping[str, Any] | None, wanted: WantedVersion, *, replace: bool) -> Plan:
    """The next step. Waiting is a step: what is there afterwards is planned anew.

    What failed on its way to a further region is in use in others: it is changed, never removed unasked.
    """
    if there is None:
        return Plan("create", ("it is not there",))
    state, another = state_of(there), content_differences(there, wanted)
    if another and not replace and state != "Deleting":
        return Plan("refuse", another)
    if state in AT_WORK:
        return Plan("wait", (f"its state is {state}",))
    if another:
        return Plan("replace", another)
    if state != "Succeeded":
        return Plan("change" if _has_arrived(there) else "replace", (f"its state is {state}",))
    changes = publishing_differences(there, wanted.publishing)
    return Plan("change", changes) if changes else Plan("nothing")


def replication(there: Mapping[str, Any]) -> Progress:
    """How far a version is in each of its regions, as `$expand=ReplicationStatus` shows it."""
    rows = _rows(there)
    words = ", ".join(f"{short_location(str(row.get('region', '')))} {_word(row)}" for row in rows)
    done = sum(100 if row.get("state") == "Completed" else int(row.get("progress") or 0) for row in rows)
    return Progress(done, 100 * len(rows), f"replicating ({words})" if words else "replicating")


def is_replicating(there: Mapping[str, Any]) -> bool:
    """Azure may call a version done before its last region has it."""
    status = properties_of(there).get("replicationStatus") or {}
    return state_of(there) in AT_WORK or status.get("aggregatedState") == "InProgress"


def failed_regions(there: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each region that the version did not reach."""
    return tuple(
        f"{short_location(str(row.get('region', '')))}: {row.get('details') or 'Azure says no more'}"
        for row in _rows(there)
        if row.get("state") == "Failed"
    )


def _has_arrived(there: Mapping[str, Any]) -> bool:
    """Whether some region has it."""
    return any(row.get("state") == "Completed" for row in _rows(there))


def _word(row: Mapping[str, Any]) -> str:
    words = {"Completed": "done", "Failed": "failed", "Replicating": f"{int(row.get('progress') or 0)} %"}
    return words.get(str(row.get("state")), "waiting")


def _rows(there: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((properties_of(there).get("replicationStatus") or {}).get("summary") or ())
