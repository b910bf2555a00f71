"""All stages in walk order: what each needs, what it makes, which room does the work."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import luigi
from luigi.parameter import ParameterVisibility

from flight.workflows import artefact
from flight.workflows.kit.arriving import remove
from flight.workflows.kit.errors import FlightError
from flight.workflows.reading import plan_of, recipe_of, rendered
from flight.workflows.settings import Azure, Upload
from flight.workflows.stage import Stage

if TYPE_CHECKING:
    from flight.workflows.cloud.endpoint import Cloud

LOG = logging.getLogger("luigi-interface")


def _azure(name: str, description: str) -> Any:
    """A parameter whose default stands in luigi.cfg's [azure]."""
    return luigi.Parameter(
        default=getattr(Azure, name), config_path={"section": "azure", "name": name}, description=description
    )


class RenderKickstart(Stage):
    """The kickstart as the installer would read it: rendered, and every fault in it named at once."""

    makes = "ks"

    def facts(self) -> Mapping[str, Any]:
        return {"text_sha256": hashlib.sha256(rendered(self.recipe, self.version).encode()).hexdigest()}

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
            plan_of(self.recipe, self.version),
            to,
            cache=self.settings.paths.work / "cache",
            programs=self.settings.programs,
            log_to=self.logs,
            told=self.say,
        )


class BuildImage(Stage):
    """A bootable disk: the package tree, what the kickstart says of the system, its scripts, a boot loader."""

    makes = "qcow2"

    @property
    def packages(self) -> Stage:
        return self.clone(InstallPackages)

    def requires(self) -> tuple[Stage, Stage]:
        return self.packages, self.clone(RenderKickstart)

    def decided_by(self) -> tuple[Stage, ...]:
        return (self.packages,)

    def facts(self) -> Mapping[str, Any]:
        return plan_of(self.recipe, self.version).system_facts()

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows.install import direct

        return direct.build_disk(
            plan_of(self.recipe, self.version),
            self.packages.path,
            to,
            programs=self.settings.programs,
            log_to=self.logs,
            told=self.say,
        )


class PrepareImage(Stage):
    """A raw disk without what belongs to one machine only (virt-sysprep), its free space given back in place."""

    makes = "raw"

    def requires(self) -> Stage:
        return self.clone(BuildImage)

    def facts(self) -> Mapping[str, Any]:
        from flight.workflows import prepare

        return prepare.facts()

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import prepare
        from flight.workflows.hypervisor.probe import probe

        work, programs = self.settings.paths.work, self.settings.programs
        return prepare.prepare(
            self.before.path,
            to,
            programs=programs,
            work=work,
            log_to=self.logs / "prepare.log",
            accelerated=probe(programs.qemu_system, work).has_kvm,
            told=self.say,
        )


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

    at: ClassVar[str]
    """What of the found says where in Azure it is."""

    cloud = _azure("cloud", "rehearsal, public, usgov or china")
    subscription = _azure("subscription", "the subscription's id")
    account = _azure("account", "the storage account")
    container = _azure("container", "the container for VHDs")
    replace = luigi.BoolParameter(
        default=Upload.replace,
        config_path={"section": "upload", "name": "replace"},
        significant=False,
        visibility=ParameterVisibility.PRIVATE,
        description="replace what has the same name and holds something else",
    )
    recheck = luigi.BoolParameter(
        significant=False,
        visibility=ParameterVisibility.PRIVATE,
        description="look whether the remote still is what the receipt says (asks the network)",
    )

    @property
    def azure(self) -> Azure:
        """[azure] of luigi.cfg, with what the command line says instead."""
        said = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(Azure) if hasattr(self, field.name)
        }
        return dataclasses.replace(self.settings.azure, **said)

    @property
    def endpoint(self) -> Cloud:
        """Where this stage's Azure answers; the rehearsal is started where it does not run."""
        from flight.workflows import rehearsal
        from flight.workflows.cloud.endpoint import cloud_of

        rehearsal.ensure_if_used(
            work=self.settings.paths.work,
            rehearsal=self.settings.rehearsal,
            azure=self.azure,
            node=self.settings.programs.node,
        )
        return cloud_of(self.azure, self.settings.rehearsal)

    def run(self) -> None:
        if error := self._unanswered:
            raise error
        super().run()
        self.__dict__.pop("_looked", None)  # what was wrong has been mended: Luigi looks again

    def complete(self) -> bool:
        """The receipt is here and tells of the artefact before it; with --recheck the remote is asked as well."""
        return self._has_receipt and not (self.recheck and self._looked)

    def deps(self) -> list[Stage]:
        """Where --recheck got no answer nothing is made on a mere suspicion: the stage runs alone, and fails with why."""
        return [] if self._unanswered else list(super().deps())

    def _make_whole(self) -> None:
        super()._make_whole()
        self._retire_receipts()

    def _retire_receipts(self) -> None:
        """What this one replaced is there no longer, and the receipts that tell of it go: going back sends again."""
        mine = self.found
        for folder, facts in artefact.all_artefacts(self.settings.paths.work):
            is_there = facts.stage == type(self).__name__ and facts.found.get(self.at) == mine[self.at]
            if is_there and facts.found.get("digest") != mine["digest"]:
                LOG.info("%s: the receipt of what was replaced goes: %s", facts.stage, folder)
                remove(folder / f"{facts.recipe}.{self.makes}")

    @property
    def _has_receipt(self) -> bool:
        return self.place.is_there and self._is_of_what_is_here()

    def _is_of_what_is_here(self) -> bool:
        """What lies here may have been made anew: the same key, another digest. What was cleaned away decides nothing."""
        digest = self.before.found.get("digest") if self.before.place.is_there else None
        return digest in (None, self.found.get("digest"))

    @property
    def _unanswered(self) -> FlightError | None:
        looked = self._looked if self.recheck and self._has_receipt else ()
        return looked if isinstance(looked, FlightError) else None

    @functools.cached_property
    def _looked(self) -> tuple[str, ...] | FlightError:
        """What `look_again` finds. An error is kept: Luigi takes one out of complete() for a defect, with a traceback."""
        try:
            problems = self.look_again()
        except FlightError as error:
            return error
        for problem in problems:
            LOG.warning("%s: %s", type(self).__name__, problem)
        return problems

    def look_again(self) -> tuple[str, ...]:
        """Every way in which the remote is not what the receipt says."""
        raise NotImplementedError


class UploadBlob(Remote):
    """A page blob that holds the VHD: only its data is sent, and it is sealed when all has arrived."""

    makes = "blob.json"
    at = "url"

    def requires(self) -> Stage:
        return self.clone(ConvertImage)

    def facts(self) -> Mapping[str, Any]:
        azure = self.azure
        return {"cloud": azure.cloud, "account": azure.account, "container": azure.container}

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import upload

        receipt = upload.send(
            self.before.path,
            cloud=self.endpoint,
            container=self.container,
            identity=upload.identity(self.before.found, key=self.before.key, recipe=self.recipe, version=self.version),
            connections=self.settings.upload.connections,
            replace=self.replace,
            told=self.say,
        )
        to.write_text(receipt.to_json())
        return {"digest": receipt.digest, "url": receipt.place.url, "sent_bytes": receipt.sent_bytes}

    def look_again(self) -> tuple[str, ...]:
        from flight.workflows import upload

        return upload.look_again(self.path, cloud=self.endpoint)


class UploadImage(Remote):
    """The managed image made of the blob: waited for, read back, known by the digest in its tags."""

    makes = "image.json"
    at = "id"

    resource_group = _azure("resource_group", "the resource group of the image")
    location = _azure("location", "the region of the image")

    def requires(self) -> Stage:
        return self.clone(UploadBlob)

    def facts(self) -> Mapping[str, Any]:
        azure, generation = self.azure, recipe_of(self.recipe).azure.generation
        group = {"subscription": azure.subscription, "resource_group": azure.resource_group, "location": azure.location}
        return {"cloud": azure.cloud, **group, "generation": generation}

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import image

        receipt = image.register_recipe(
            self.before.path,
            cloud=self.endpoint,
            azure=self.azure,
            recipe=recipe_of(self.recipe),
            version=self.version,
            replace=self.replace,
            told=self.say,
        )
        to.write_text(receipt.to_json())
        return {"digest": receipt.digest, "id": receipt.id, "blob": receipt.blob}

    def look_again(self) -> tuple[str, ...]:
        from flight.workflows import image

        return image.look_again(self.path, cloud=self.endpoint)
