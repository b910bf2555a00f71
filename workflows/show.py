"""What `flight show` prints: the artefact itself before it is made, what would run and why, and what was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from flight.workflows import artefact
from flight.workflows.artefact import Facts
from flight.workflows.kit.progress import human_bytes, human_seconds
from flight.workflows.stage import Stage


def walk(last: Stage) -> list[Stage]:
    """The stages up to `last`, in the order in which they run."""
    stages: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        for before in stage.deps():
            visit(before)
        stages.setdefault(stage.task_id, stage)

    visit(last)
    return list(stages.values())


def would_run(last: Stage) -> set[str]:
    """The task ids that a run would make. As Luigi does it: what is complete needs nothing of what comes before it."""
    if last.complete():
        return set()
    return {last.task_id}.union(*(would_run(before) for before in last.deps()))


def walk_lines(last: Stage) -> Iterator[str]:
    """One line a stage: its key, whether its artefact is there, and if not, what decides that it runs."""
    running = would_run(last)
    for stage in walk(last):
        if stage.task_id in running:
            said = f"would run  {why(stage)}"
        else:
            said = "is there" if stage.complete() else "not needed"
        yield f"{type(stage).__name__:<16} {stage.key}  {said}"
    if not running:
        yield "Nothing would run."


def why(stage: Stage) -> str:
    """Against the newest artefact of the same stage and recipe: which fact is another now."""
    latest = newest(stage)
    if latest is None:
        return "never made yet"
    upstream = [one.key for one in stage.decided_by()]
    said = artefact.changed(latest, edition=stage.edition, upstream=upstream, facts=stage.facts())
    return "; ".join(said) or "its artefact was removed"


def newest(stage: Stage) -> Facts | None:
    work, name = stage.settings.paths.work, type(stage).__name__
    same = [facts for _, facts in artefact.all_artefacts(work) if (facts.recipe, facts.stage) == (stage.recipe, name)]
    return max(same, key=lambda facts: facts.made_at, default=None)


def made_lines(last: Stage) -> Iterator[str]:
    """A table of what lies there for this version: stage, size on disk, seconds, path."""
    yield f"{'stage':<16} {'on disk':>9} {'took':>12}  where"
    total = 0.0
    for stage in walk(last):
        facts = artefact.load_facts(stage.place.folder)
        if facts is None or not stage.complete():
            yield f"{type(stage).__name__:<16} {'–':>9} {'–':>12}  not made yet"
            continue
        total += facts.seconds
        took, size = human_seconds(facts.seconds), human_bytes(facts.size_bytes)
        yield f"{type(stage).__name__:<16} {size:>9} {took:>12}  {_near(stage.path)}"
    yield f"{'all':<16} {'':>9} {human_seconds(total):>12}"


def next_lines(last: Stage, *, scheduler_url: str) -> Sequence[str]:
    """What a newcomer wants to know after the first walk."""
    image = last.found
    return (
        f"The image    {image.get('id', '(none)')}",
        f"The blob     {image.get('blob', '(none)')}",
        f"The digest   {image.get('digest', '(none)')}",
        f"The page     {scheduler_url}  (watch a walk there)",
        "",
        "Again        . .venv/bin/activate; luigi --module flight.workflows UploadImage      (nothing is rebuilt)",
        "Yours        edit kickstarts/*.ks.j2; `flight show walk` says what would run and why; then the same",
        "             command with --replace while you try things out, or with a new --version",
        "For real     in luigi.cfg: [azure] cloud = public, with your subscription, resource_group,",
        "             location, account and container; then `az login`, and the same command",
    )


def _near(path: Path) -> str:
    """The path as seen from here, where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
