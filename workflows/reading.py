"""A recipe by its name, as this folder's luigi.cfg finds it: the recipe, its kickstart, its plan; read once a process."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

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

    return recipes.load(recipe, load_settings().paths.recipes)


@functools.cache
def _read(recipe: str, version: str) -> tuple[str, InstallPlan]:
    from flight.workflows import kickstart

    settings = load_settings()
    return kickstart.read(
        recipe,
        version=version,
        mirror=settings.image.mirror,
        folders=settings.paths.recipes,
        cache=settings.paths.work / "cache",
    )


def plan_json(recipe: str, version: str) -> dict[str, Any]:
    """The install plan as JSON values."""
    from flight.workflows.kickstart.plan import as_facts

    return as_facts(plan_of(recipe, version))


def recipe_json(recipe: str) -> dict[str, Any]:
    """The recipe as JSON values, its defaults filled in."""
    found = dataclasses.asdict(recipe_of(recipe))
    repositories = [{name: value for name, value in one.items() if name != "where"} for one in found["repositories"]]
    return {name: value for name, value in found.items() if name != "lines"} | {"repositories": repositories}
