"""All looks in their order, and the lines that a person reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from flight.workflows.cloud.endpoint import Cloud, cloud_of
from flight.workflows.doctor.host import look_at_host, look_at_scheduler, look_at_servers
from flight.workflows.doctor.remote import look_at_cloud
from flight.workflows.doctor.verdict import Finding
from flight.workflows.kit.server import Server
from flight.workflows.settings import Settings

MARKS = {"ok": "ok", "warning": "WARN", "fault": "FAULT"}


def examine(
    settings: Settings,
    *,
    scheduler_url: str,
    servers: Callable[[], Sequence[Server]],
    cloud: Cloud | None = None,
) -> Iterator[Finding]:
    """Every finding, as it is found. `servers` are the rehearsal's, asked for only where the rehearsal is used.

    `cloud` takes the place of the one that the settings name. In the rehearsal it is asked only where its servers run.
    """
    chosen = cloud or cloud_of(settings.azure, settings.rehearsal)
    yield from look_at_host(settings)
    yield look_at_scheduler(scheduler_url)
    if not chosen.is_rehearsal:
        yield from look_at_cloud(chosen, settings.azure)
        return
    found = tuple(look_at_servers("rehearsal", servers))
    yield from found
    if found and all("answers" in finding.seen for finding in found):
        yield from look_at_cloud(chosen, settings.azure)


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One line for each finding, its fix below it where it is not well; at last the count."""
    counts = dict.fromkeys(MARKS, 0)
    for finding in findings:
        counts[finding.verdict] += 1
        yield f"{MARKS[finding.verdict]:<6} {finding.name:<18} {finding.seen}"
        if finding.fix and finding.verdict != "ok":
            yield f"{'':<25} fix: {finding.fix}"
    yield f"{counts['ok']} well, {counts['warning']} to know, {counts['fault']} to mend"
