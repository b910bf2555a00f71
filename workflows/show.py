"""What `flight show` prints: the artefact itself before it is made, what would run and why, and what was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from flight.workflows import artefact, recipe
from flight.workflows.artefact import Facts
from flight.workflows.kit.finding import shown
from flight.workflows.kit.progress import human_bytes, human_seconds
from flight.workflows.settings import SHIPPED
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


def recipe_lines(folders: Sequence[Path]) -> Iterator[str]:
    """One line a recipe: its name, its title, the folder it is taken from."""
    for name in recipe.names(folders):
        path = recipe.find(name, folders)
        found, faults = recipe.read(path)
        said = found.title if found else f"cannot be used: {faults[0].what}"
        yield f"{name:<28} {said}  ({shown(path.parent)})"


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
    if damage := stage.place.damage:
        return damage
    latest, upstream, facts = newest(stage), [one.key for one in stage.decided_by()], stage.facts()
    logs = stage.place.folder / "logs"
    if logs.is_dir():
        return f"was tried, and not made; its logs: {shown(logs)}"
    if latest is None:
        return "never made yet"
    said = artefact.changed(latest, edition=stage.edition, upstream=upstream, facts=facts) or [
        "its artefact was removed"
    ]
    if "cloud" in facts and (latest.version, latest.decided_by) == (stage.version, facts):
        said.append(f"{stage.version} is there already: give --replace, or another --version")
    return "; ".join(said)


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
        yield f"{type(stage).__name__:<16} {size:>9} {took:>12}  {_known_as(stage)}"
    yield f"{'all':<16} {'':>9} {human_seconds(total):>12}"


def next_lines(last: Stage, *, scheduler_url: str, recipes: Path) -> Sequence[str]:
    """What a newcomer wants to know after the first walk; where nothing was made yet, how to make it."""
    image, named = last.found, _named(last)
    comes_along = recipes == SHIPPED and recipes not in last.settings.paths.recipes
    yours = "`flight init FOLDER` writes a recipe of your own;" if comes_along else f"Edit {shown(recipes)}/*.ks.j2;"
    command = f"luigi --module flight.workflows {' '.join([type(last).__name__, *named])}"
    if not last.complete():
        return (f"Make it   {command}",)
    return (
        f"Image     {image.get('id', '(none)')}",
        f"Blob      {image.get('blob', '(none)')}",
        f"Digest    {image.get('digest', '(none)')}",
        f"Progress  {scheduler_url}  (Luigi's page: watch a walk there)",
        "",
        f"Again     . .venv/bin/activate; {command}",
        "          Nothing is rebuilt.",
        f"Yours     {yours}",
        f"          `{' '.join(['flight show walk', *named])}` says what would run, and why. Then the same",
        "          command with --replace while you try things out, or with a new --version.",
        "For real  In luigi.cfg: [azure] cloud = public, with your subscription, resource_group,",
        "          location, account and container; then `az login`, and the same command.",
        "Stop      flight rehearsal stop; flight scheduler stop",
    )


def _named(stage: Stage) -> list[str]:
    """The words that say which image is meant, where luigi.cfg says another."""
    image = stage.settings.image
    words = ("--recipe", stage.recipe, image.recipe), ("--version", stage.version, image.version)
    return [word for option, said, usual in words if said != usual for word in (option, said)]


def _known_as(stage: Stage) -> str:
    """The short link where that leads to it, else its own path; as seen from here."""
    link = stage.place.link
    return shown(link if link.exists() and link.resolve() == stage.path.resolve() else stage.path)
