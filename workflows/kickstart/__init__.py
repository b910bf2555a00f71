"""From a recipe's kickstart to an InstallPlan: rendered, checked, read.

recipe ─ render.py ─▶ text, with the way back to each template line
                        │
       syntax.py (ksread.py, pykickstart as a program) ─▶ statements
                        │
       lint.py (what pykickstart lets pass) · honoured.py (what no plan can express)
       shell.py (what no shell can read) ─▶ findings
                        │
       planning.py ─▶ an InstallPlan
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight.workflows.kickstart.mirrors import Mirrors
    from flight.workflows.kickstart.plan import InstallPlan
    from flight.workflows.kickstart.render import Rendered
    from flight.workflows.kickstart.syntax import Statements
    from flight.workflows.kit.finding import Finding
    from flight.workflows.recipe import Recipe


def read(
    name: str, *, version: str, mirror: str, folders: Sequence[Path], cache: Path | None
) -> tuple[str, InstallPlan]:
    """The recipe's kickstart as text, and what it asks for.

    `mirror`: where to build from; empty: the one that this host's apt uses. `cache`: a folder for what pykickstart said.
    Raises RecipeError with every fault at once (of the recipe; else of the templates; else of the kickstart), and
    ConfigError where there is no mirror or the version is none.
    """
    from flight.workflows import recipe as recipes
    from flight.workflows.kickstart import planning
    from flight.workflows.kit.finding import refuse
    from flight.workflows.settings import check_version

    check_version(version)  # it stands in the text: a line break in it would be a line of its own
    recipe = recipes.load(name, folders)
    mirrors = mirrors_for(recipe, mirror)
    rendered = render_recipe(recipe, version=version, mirrors=mirrors, folders=folders)
    statements, findings = examine(rendered, cache)
    refuse(f"the kickstart of {name}", findings)
    plan = planning.plan_install(statements, recipe, version=version, mirror=mirrors.archive)
    return rendered.text, dataclasses.replace(plan, source_date_epoch=source_date_epoch())


def source_date_epoch() -> int:
    """The time that files made by the build carry, in seconds since 1970: $SOURCE_DATE_EPOCH, else 0.

    Source: reproducible-builds.org, "SOURCE_DATE_EPOCH". Raises ConfigError where it is not a number.
    """
    from flight.workflows.kit.errors import ConfigError
    from flight.workflows.kit.text import quoted

    given = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not given.isdecimal():
        raise ConfigError(
            f"SOURCE_DATE_EPOCH = '{quoted(given)}' is not a number of seconds", fix="give one like 1700000000"
        )
    return int(given)


def render_recipe(recipe: Recipe, *, version: str, mirrors: Mirrors, folders: Sequence[Path]) -> Rendered:
    """The kickstart's text, and where each line comes from. What every template is given: `recipe.RESERVED`."""
    from flight.workflows.kickstart import render as renderer

    values = {
        "recipe": recipe.name,
        "version": version,
        "family": recipe.family,
        "release": recipe.release,
        "mirror": mirrors.archive,
        "security_mirror": mirrors.security if recipe.security_updates else "",
        "disk_gib": recipe.disk.size_gib,
    }
    return renderer.render(recipe, values, folders)


def examine(rendered: Rendered, cache: Path | None) -> tuple[Statements, list[Finding]]:
    """What a rendered kickstart says, and every fault: pykickstart's, the lint's, and what no plan or shell can take."""
    from flight.workflows.kickstart import honoured, lint, shell, syntax

    statements = syntax.read_statements(rendered, cache)
    recipe = rendered.recipe
    checked = {*lint.check_statements(statements, recipe), *shell.check_scripts(statements, rendered)}
    return statements, sorted({*statements.faults, *checked, *honoured.check_honoured(statements, recipe)})


def mirrors_for(recipe: Recipe, mirror: str) -> Mirrors:
    """The mirrors to build from. Debian: the one named, else the host's own; other families: the recipe's."""
    from flight.workflows.kickstart import mirrors

    if recipe.family == "debian":
        return mirrors.named_mirrors(mirror) if mirror else mirrors.host_mirrors()
    return mirrors.Mirrors(recipe.sources.archive)
