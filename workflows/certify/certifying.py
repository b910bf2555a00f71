"""From a disk, or a snapshot of one, to its certificate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flight.workflows import digest
from flight.workflows.artefact import now
from flight.workflows.certify.certificate import Certificate, Judged, judge
from flight.workflows.certify.container import holds_raw_disk
from flight.workflows.certify.facts import BIOS_BOOT, ESP, Snapshot
from flight.workflows.certify.image import Image
from flight.workflows.certify.look import look
from flight.workflows.certify.rule import NOT_SEEN, Rule, unknown
from flight.workflows.certify.rules import OUTSIDE, RULES
from flight.workflows.certify.rules.beyond import SWITCHES
from flight.workflows.kit.progress import Progress, Told, human_bytes, quiet
from flight.workflows.recipe.values import Override

if TYPE_CHECKING:
    from flight.workflows.settings import Programs

BOTH: Final = ("V1", "V2")


@dataclass(frozen=True)
class Asked:
    """What a certificate is to say: for which generations (empty: those that the disk can start as), which claims.

    `without` are words of SWITCHES: what is not looked for.
    """

    generations: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        left_out = {name for word in self.without for name in SWITCHES.get(word, ())}
        return tuple(rule for rule in RULES if rule.id not in left_out)


def certify(
    disk: Path,
    asked: Asked,
    *,
    programs: Programs,
    work: Path,
    log_to: Path,
    index: Path | None = None,
    known_digest: str = "",
    accelerated: bool = False,
    told: Told = quiet,
) -> tuple[Certificate, Snapshot]:
    """Look inside a disk file and judge it. `index` is a folder with the package index it is compared with.

    `known_digest` spares the reading where it was just taken. Raises FlightError where the file cannot be read, or
    libguestfs does not start; whatever is wrong with the disk itself stands in the certificate.
    """
    started = time.monotonic()
    snapshot = look(disk, programs=programs, work=work, log_to=log_to, accelerated=accelerated, told=told)
    snapshot = with_pending(snapshot, index)
    told(Progress(what="judging"))
    found = known_digest or (digest.digest(disk, told=told) if holds_raw_disk(snapshot.container) else "")
    snapshot = replace(snapshot, digest=found, looked_at=now())
    certificate = judge_snapshot(snapshot, asked)
    return replace(certificate, seconds=round(time.monotonic() - started, 1)), snapshot


def judge_snapshot(snapshot: Snapshot, asked: Asked) -> Certificate:
    """The certificate of what was seen. Pure, but for the clock."""
    started = time.monotonic()
    generations = asked.generations or generations_of(snapshot)
    image = Image(snapshot, frozenset(generations), frozenset(asked.claims))
    is_foreign = bool(snapshot.unseen) and not holds_raw_disk(snapshot.container)
    notes = (f"nothing inside was looked at: {snapshot.unseen}",) if is_foreign else ()
    if not snapshot.unseen and snapshot.pending is None and "updates" not in asked.without:
        notes = (*notes, "no package index was at hand: pending security updates were not looked for (pkg-cve)")
    return Certificate(
        name=snapshot.container.name,
        digest=snapshot.digest,
        judged=_judged(image, asked),
        generations=generations,
        claims=asked.claims,
        system=describe(image),
        notes=(*notes, *snapshot.notes),
        unseen="" if is_foreign else snapshot.unseen,
        seconds=round(time.monotonic() - started, 1),
        made_at=snapshot.looked_at or now(),
    )


def _judged(image: Image, asked: Asked) -> tuple[Judged, ...]:
    if not image.snapshot.unseen:
        return judge(image, asked.rules, asked.overrides)
    outside = {rule.id for rule in OUTSIDE}
    blind = unknown(NOT_SEEN)
    rules = (rule if rule.id in outside else replace(rule, check=lambda _image: blind) for rule in asked.rules)
    return judge(image, rules)


def generations_of(snapshot: Snapshot) -> tuple[str, ...]:
    """The generations of virtual machines that a disk is made for, by its partitions."""
    table = snapshot.table
    types = {partition.type for partition in table.partitions}
    is_bios = table.has_boot_code and (table.kind == "mbr" or BIOS_BOOT in types)
    found = (("V1",) if is_bios else ()) + (("V2",) if ESP in types or "0xef" in types else ())
    return found or (("V1",) if table.kind == "mbr" else ("V2",))


def describe(image: Image) -> Mapping[str, str]:
    """A few words about the system, for a person."""
    snapshot = image.snapshot
    words = {
        "os": image.known_release.get("PRETTY_NAME", "") or image.known_release.get("NAME", ""),
        "kernel": image.boot.version if not snapshot.unseen else "",
        "machine": image.machine,
        "packages": f"{len(snapshot.packages)} packages" if snapshot.packages else "",
        "disk": f"{human_bytes(snapshot.container.disk_bytes)}, {snapshot.table.kind}",
    }
    return {name: value for name, value in words.items() if value}


def with_pending(snapshot: Snapshot, index: Path | None) -> Snapshot:
    """The snapshot, compared with a package index: what of its packages is newer there."""
    if index is None or not snapshot.packages:
        return snapshot
    from flight.workflows.certify.reading.index import read_pending, streams_in

    image = Image(snapshot)
    release = image.known_release.get("VERSION_CODENAME", "")
    pending = read_pending(
        snapshot.packages, snapshot.package_format, index, release=release, streams=streams_in(image.tree)
    )
    return replace(snapshot, pending=pending)
