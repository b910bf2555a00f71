"""A recipe by its name, as this folder's luigi.cfg finds it: the recipe, its kickstart, its plan; read once a process."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

from flight.workflows import luigicfg
from flight.workflows.settings import load_settings

if TYPE_CHECKING:
    from flight.workflows.kickstart.plan import InstallPlan
    from flight.workflows.recipe import Recipe


def plan_of(recipe: str, version: str) -> InstallPlan:
    """What the recipe asks for; checked, and read once a process."""
    return _read(recipe, version)[1]


def rendered(recipe: str, version: str) -> str:
    """The recipe's kickstart, rendered and checked."""
    return _read(recipe, version)[0]


@functools.cache
def recipe_of(recipe: str) -> Recipe:
    """What a person wrote in kickstarts/NAME.toml."""
    from flight.workflows import recipe as recipes

    found = recipes.load(recipe, load_settings().paths.searched)
    if found.certify.overrides:
        from flight.workflows.certify import gate
        from flight.workflows.kit.finding import refuse

        refuse(f"the recipe {recipe}", gate.refusals(found))
    return found


@functools.cache
def _read(recipe: str, version: str) -> tuple[str, InstallPlan]:
    """Raises RecipeError with every fault of the kickstart; where it has none, with all that the installer refuses."""
    from flight.workflows import kickstart
    from flight.workflows.install.direct import refusals
    from flight.workflows.kit.finding import finding_of, refuse

    settings = load_settings()
    work = settings.paths.work
    text, plan = kickstart.read(
        recipe,
        version=version,
        mirror=settings.image.mirror,
        folders=settings.paths.searched,
        cache=work / "cache" if work.is_dir() or luigicfg.config_path() else None,  # nothing is left in just any folder
    )
    refuse(f"the kickstart of {recipe}", map(finding_of, refusals(plan)))
    return text, plan


def plan_json(recipe: str, version: str) -> dict[str, Any]:
    """The install plan as JSON values."""
    from flight.workflows.kickstart.plan import as_facts

    return as_facts(plan_of(recipe, version))


def recipe_json(recipe: str) -> dict[str, Any]:
    """The recipe as JSON values, its defaults filled in."""
    found = dataclasses.asdict(recipe_of(recipe))
    repositories = [{name: value for name, value in one.items() if name != "where"} for one in found["repositories"]]
    return {name: value for name, value in found.items() if name != "lines"} | {"repositories": repositories}
