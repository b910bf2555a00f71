"""All stages in walk order: what each needs, what it makes, which room does the work."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi

from flight.workflows.settings import Azure, Upload, load_settings
from flight.workflows.stage import Stage

if TYPE_CHECKING:
    from flight.workflows.kickstart.plan import InstallPlan


class RenderKickstart(Stage):
    """The kickstart as the installer would read it: rendered, and every fault in it named at once."""

    makes = "ks"

    def facts(self) -> Mapping[str, Any]:
        return {"text": rendered(self.recipe, self.version)}

    def make(self, to: Path) -> None:
        to.write_text(rendered(self.recipe, self.version))


class InstallPackages(Stage):
    """The package tree: what the distribution's packages put into an empty folder, before anything of the recipe's."""

    makes = "tree"

    def requires(self) -> Stage:
        return self.clone(RenderKickstart)

    def decided_by(self) -> tuple[Stage, ...]:
        return ()  # a comment in the kickstart does not install anew

    def facts(self) -> Mapping[str, Any]:
        return plan_of(self.recipe, self.version).package_facts()

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows.install import direct

        return direct.install_packages(
            plan_of(self.recipe, self.version), to,
            cache=self.settings.paths.work / "cache", programs=self.settings.programs,
            log_to=self.log_to("packages"), told=self.say,
        )  # fmt: skip


class BuildImage(Stage):
    """A bootable disk: the package tree, what the kickstart says of the system, its scripts, a boot loader."""

    makes = "qcow2"

    def requires(self) -> Stage:
        return self.clone(InstallPackages)

    def facts(self) -> Mapping[str, Any]:
        return plan_of(self.recipe, self.version).system_facts()

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows.install import direct

        return direct.build_disk(
            plan_of(self.recipe, self.version), self.before.path, to,
            programs=self.settings.programs, log_to=self.log_to("build"), told=self.say,
        )  # fmt: skip


class PrepareImage(Stage):
    """A raw disk without what belongs to one machine only (virt-sysprep), its free space given back in place."""

    makes = "raw"

    def requires(self) -> Stage:
        return self.clone(BuildImage)

    def facts(self) -> Mapping[str, Any]:
        from flight.workflows import prepare

        return {"operations": list(prepare.OPERATIONS)}

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import prepare

        return prepare.prepare(
            self.before.path, to,
            programs=self.settings.programs, work=self.settings.paths.work, log_to=self.log_to("prepare"), told=self.say,
        )  # fmt: skip


class ConvertImage(Stage):
    """A fixed-format VHD whose virtual size is a whole number of MiB, and the digest that names its content."""

    makes = "vhd"

    def requires(self) -> Stage:
        return self.clone(PrepareImage)

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import digest, vhd

        found = vhd.convert(self.before.path, to, told=self.say)
        return {**found, "digest": digest.digest(to, told=self.say)}


class Remote(Stage):
    """A stage whose artefact lies in Azure, or in the rehearsal of it; the target here is the receipt."""

    cloud = luigi.Parameter(
        default=Azure.cloud,
        config_path={"section": "azure", "name": "cloud"},
        description="rehearsal, public, usgov or china",
    )
    subscription = luigi.Parameter(
        default=Azure.subscription,
        config_path={"section": "azure", "name": "subscription"},
        description="the subscription's id",
    )
    account = luigi.Parameter(
        default=Azure.account, config_path={"section": "azure", "name": "account"}, description="the storage account"
    )
    container = luigi.Parameter(
        default=Azure.container,
        config_path={"section": "azure", "name": "container"},
        description="the container for VHDs",
    )
    replace = luigi.BoolParameter(
        default=Upload.replace, config_path={"section": "upload", "name": "replace"}, significant=False,
        description="replace what has the same name and holds something else",
    )  # fmt: skip
    recheck = luigi.BoolParameter(
        significant=False, description="look whether the remote still is what the receipt says (asks the network)"
    )


def plan_of(recipe: str, version: str) -> InstallPlan:
    """What the recipe asks for; checked, and read once a process."""
    return _read(recipe, version)[1]


def rendered(recipe: str, version: str) -> str:
    """The recipe's kickstart, rendered and checked."""
    return _read(recipe, version)[0]


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
