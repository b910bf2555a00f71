"""How a version comes to its regions: first to its own, then from there to all others at once, by the clock alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flight.workflows.rehearsal.regions import REGIONS


@dataclass(frozen=True)
class Replica:
    """A version in one region, from `begun` on its way and there when `due`; both in seconds since 1970."""

    region: str
    count: int = 1
    storage_account_type: str = "Standard_LRS"
    is_excluded: bool = False
    begun: float = 0.0
    due: float = 0.0


def plan_replicas(
    wanted: Sequence[Replica], *, there: Sequence[Replica] = (), home: str, now: float, takes_s: float
) -> tuple[Replica, ...]:
    """When each wanted replica begins and is due; one that is there with as many copies keeps its times.

    `home` is the version's own region. It takes `takes_s`, and so do all others together, once it is there.
    """
    old = {one.region: one for one in there}
    kept = {one.region for one in wanted if one.region in old and old[one.region].count == one.count}
    starts = max(now, old[home].due) if home in kept else now + takes_s
    planned = []
    for one in wanted:
        if one.region in kept:
            begun, due = old[one.region].begun, old[one.region].due
        else:
            begun = now if one.region == home else starts
            due = begun + takes_s
        planned.append(replace(one, begun=begun, due=due))
    return tuple(planned)


def progress(one: Replica, now: float) -> int:
    """From 0 to 100; 100 only where it is there."""
    if now >= one.due:
        return 100
    if now <= one.begun:
        return 0
    return min(99, int(100 * (now - one.begun) / (one.due - one.begun)))


def state_of(one: Replica, now: float) -> str:
    """In Azure's words: not begun is Unknown."""
    if now >= one.due:
        return "Completed"
    return "Replicating" if now >= one.begun else "Unknown"


def render_status(replicas: Sequence[Replica], now: float, *, fault: str = "") -> dict[str, Any]:
    """The replicationStatus of a version; `fault` says why it failed, in every region."""
    summary = [
        {
            "region": REGIONS[one.region],
            "state": "Failed" if fault else state_of(one, now),
            "details": fault,
            "progress": 0 if fault else progress(one, now),
        }
        for one in replicas
    ]
    are_there = all(one["state"] == "Completed" for one in summary)
    aggregated = "Failed" if fault else "Completed" if are_there else "InProgress"
    return {"aggregatedState": aggregated, "summary": summary}
