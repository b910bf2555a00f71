"""All looks in their order, and the lines that a person reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from flight.workflows import recipe as recipes
from flight.workflows.cloud.endpoint import Cloud, cloud_of
from flight.workflows.doctor import host, network, programs
from flight.workflows.doctor.remote import look_at_cloud
from flight.workflows.doctor.verdict import Finding, Need, from_error
from flight.workflows.doctor.within import within
from flight.workflows.kit.errors import FlightError
from flight.workflows.kit.server import Server
from flight.workflows.recipe import Recipe
from flight.workflows.settings import Settings

MARKS = {"ok": "ok", "warning": "WARN", "fault": "FAULT"}
ANSWER_S = 12.0
"""One request to one server, names resolved."""
GUESTS_S = 60.0
"""QEMU's version, a guest under KVM, a guest that is emulated: each has a limit of its own."""
CLOUD_S = 180.0
"""A dozen requests and the chain of credentials: each has a limit of its own."""
REACH = "see that this host reaches Azure (network, proxy)"
NODE = (22,)
"""The oldest Node.js that Azurite is tried with."""


def examine(
    settings: Settings,
    *,
    scheduler_url: str,
    servers: Callable[[], Sequence[Server]],
    cloud: Cloud | None = None,
) -> Iterator[Finding]:
    """Every finding, as it is found. `servers` are the rehearsal's, asked for only where the rehearsal is used.

    `cloud` takes the place of the one that the settings name. In the rehearsal it is asked only where its servers run.
    Whatever hangs is given up after its time: the examination itself always ends.
    """
    chosen = cloud or cloud_of(settings.azure, settings.rehearsal)
    yield from look_at_host(settings)
    who = f"see who listens at {scheduler_url}: ss -ltnp"
    yield from within(lambda: [host.look_at_scheduler(scheduler_url)], "scheduler", most_s=ANSWER_S, fix=who)
    if not chosen.is_rehearsal:
        yield from within(lambda: look_at_cloud(chosen, settings.azure), "cloud", most_s=CLOUD_S, fix=REACH)
        return
    found = tuple(within(lambda: look_at_rehearsal(settings, servers), "rehearsal"))
    yield from found
    if found and all("answers" in one.seen for one in found if one.name.startswith("rehearsal")):
        yield from within(lambda: look_at_cloud(chosen, settings.azure), "cloud", most_s=CLOUD_S, fix=REACH)


def look_at_host(settings: Settings) -> Iterator[Finding]:
    """Everything but servers and cloud."""
    work, read = settings.paths.work, list[Recipe]()
    yield host.look_at_root()
    yield from within(lambda: look_at_recipe(settings, read), "recipe")
    recipe = read[0] if read else None
    for need in programs.needed(settings.programs, recipe):
        yield from within(lambda need=need: [programs.look_at_program(need)], need.name)  # type: ignore[misc]
    if recipe:
        yield from within(lambda: programs.look_at_other_families(settings.programs, recipe), "other families")
    answers = f"see that its filesystem answers (df {work}), or set [paths] work in luigi.cfg"
    yield from within(lambda: [host.look_at_work(work)], "work folder", fix=answers)
    yield from within(lambda: [host.look_at_space(work)], "space", fix=answers)
    yield from within(lambda: [host.look_at_kernels()], "libguestfs")
    yield from within(lambda: [host.look_at_libvirt(settings.libvirt.uri)], "libvirt")
    yield from within(lambda: [host.look_at_firmware(host.FIRMWARE)], "UEFI firmware")
    yield from within(lambda: host.look_at_guests(settings, recipe), "KVM", most_s=GUESTS_S)
    reach = "see that this host reaches it (network, proxy), or name another: [image] mirror in luigi.cfg"
    if recipe:
        yield from within(
            lambda: network.look_at_mirror(settings, recipe), "package mirror", most_s=ANSWER_S, fix=reach
        )


def look_at_recipe(settings: Settings, read: list[Recipe]) -> Iterator[Finding]:
    """The recipe that is configured, appended to `read`: what this host needs is what it asks for."""
    name = settings.image.recipe
    try:
        read.append(recipes.load(name, settings.paths.searched))
    except FlightError as error:
        found = from_error("recipe", error)
        yield replace(found, fix=found.fix or f"`flight show recipe {name}` lists every fault")
        return
    yield Finding("recipe", "ok", f"{name}: {programs.FAMILIES[read[0].family]}, {read[0].release}")


def look_at_rehearsal(settings: Settings, servers: Callable[[], Sequence[Server]]) -> Iterator[Finding]:
    """Its servers, and the Node.js that luigi.cfg names for one of them."""
    if settings.programs.node:
        yield programs.look_at_program(Need(settings.programs.node, "nodejs", NODE, "node"))
    yield from host.look_at_servers("rehearsal", servers)


def tell(findings: Iterable[Finding], say: Callable[[str], None]) -> bool:
    """Say each finding as it is found; whether one of them is a fault."""
    found: list[Finding] = []
    for line in lines(_noted(findings, found)):
        say(line)
    return any(finding.is_fault for finding in found)


def _noted(findings: Iterable[Finding], to: list[Finding]) -> Iterator[Finding]:
    for finding in findings:
        to.append(finding)
        yield finding


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One line for each finding, its fix below it where it is not well; at last the count."""
    counts = dict.fromkeys(MARKS, 0)
    for finding in findings:
        counts[finding.verdict] += 1
        yield f"{MARKS[finding.verdict]:<5}  {finding.name:<18}  {finding.seen}"
        if finding.fix and finding.verdict != "ok":
            yield f"{'':<25}  fix: {finding.fix}"
    yield f"{counts['ok']} well, {counts['warning']} to know, {counts['fault']} to mend"
