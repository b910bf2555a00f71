"""All stages in walk order: what each needs, what it makes, which room does the work."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import luigi

from flight.workflows.reading import plan_of, recipe_of, rendered
from flight.workflows.remote import Remote, azure_parameter
from flight.workflows.stage import Stage, history


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

    edition = 2
    makes = "vhd"

    def requires(self) -> Stage:
        return self.clone(PrepareImage)

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import digest, vhd

        found = vhd.convert(self.before.path, to, told=self.say)
        return {**found, "digest": digest.digest(to, told=self.say)}


class CertifyImage(Stage):
    """The gate: a certificate of the very VHD, there only for a pass or a named override."""

    makes = "certificate.json"

    def requires(self) -> Stage:
        return self.clone(ConvertImage)

    def facts(self) -> Mapping[str, Any]:
        recipe = recipe_of(self.recipe)
        return {"generation": recipe.azure.generation, **dataclasses.asdict(recipe.certify)}

    def complete(self) -> bool:
        """The certificate is here, and is of the VHD that is: one made anew under the same key is looked at anew.

        Where the VHD is gone nobody knows yet what it will be: only when it is made again, whether this is done.
        """
        vhd = self.before
        return super().complete() and vhd.place.is_there and vhd.found.get("digest") == self.found.get("digest")

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows.certify import gate
        from flight.workflows.hypervisor.probe import probe

        work, programs = self.settings.paths.work, self.settings.programs
        return gate.certify_recipe(
            self.before.path,
            to,
            recipe=recipe_of(self.recipe),
            history=history(self.before),
            programs=programs,
            work=work,
            log_to=self.logs / "look.log",
            accelerated=probe(programs.qemu_system, work).has_kvm,
            told=self.say,
        )


class UploadBlob(Remote):
    """A page blob that holds the VHD: only its data is sent, and it is sealed when all has arrived."""

    makes = "blob.json"
    at = "url"
    thing = "blob"

    @property
    def vhd(self) -> Stage:
        return self.clone(ConvertImage)

    @property
    def certificate(self) -> Stage:
        return self.clone(CertifyImage)

    def requires(self) -> tuple[Stage, Stage]:
        return self.vhd, self.certificate

    @property
    def before(self) -> Stage:
        return self.vhd

    def facts(self) -> Mapping[str, Any]:
        azure = self.azure
        return {"cloud": azure.cloud, "account": azure.account, "container": azure.container}

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import upload
        from flight.workflows.certify import gate

        certificate = gate.load_passed(self.certificate.path, digest=self.vhd.found.get("digest", ""))
        receipt = upload.send(
            self.vhd.path,
            cloud=self.endpoint,
            container=self.container,
            identity=upload.identity(self.vhd.found, key=self.vhd.key, recipe=self.recipe, version=self.version),
            overrides=certificate.overrides,
            ledgers=self.settings.paths.work / "uploads",
            full=not self.settings.upload.delta,
            connections=self.settings.upload.connections,
            content_md5=self.settings.upload.content_md5,
            replace=self.replace,
            told=self.say,
        )
        to.write_text(receipt.to_json())
        return {"digest": receipt.digest, "url": receipt.place.url, **receipt.bytes_by_fate()}

    def look_again(self) -> tuple[str, ...]:
        from flight.workflows import upload

        return upload.look_again(self.path, cloud=self.endpoint)


class UploadImage(Remote):
    """The managed image made of the blob: waited for, read back, known by the digest in its tags."""

    makes = "image.json"
    at = "id"
    thing = "image"

    resource_group = azure_parameter("resource_group", "the resource group of the image")
    location = azure_parameter("location", "the region of the image")

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


class PublishImage(Remote):
    """A version in an Azure Compute Gallery, made of the blob: replicated, waited for, read back."""

    makes = "gallery.json"
    at = "id"
    thing = "version in the gallery"

    resource_group = azure_parameter("resource_group", "the resource group of the image")
    location = azure_parameter("location", "the region of the image")
    gallery = azure_parameter("gallery", "the Azure Compute Gallery")
    gallery_version = luigi.Parameter(
        default="", description="the version in the gallery, like 1.4.0; empty: the recipe's, or the image's own"
    )

    def requires(self) -> Stage:
        return self.clone(UploadBlob)

    def facts(self) -> Mapping[str, Any]:
        from flight.workflows import gallery

        recipe = recipe_of(self.recipe)
        version = gallery.version_of(recipe, self.version, self.gallery_version)
        return gallery.facts(recipe, azure=self.azure, version=version)

    def make(self, to: Path) -> Mapping[str, Any]:
        from flight.workflows import gallery

        receipt = gallery.publish_recipe(
            self.before.path,
            cloud=self.endpoint,
            azure=self.azure,
            recipe=recipe_of(self.recipe),
            version=self.version,
            gallery_version=self.gallery_version,
            replace=self.replace,
            told=self.say,
        )
        to.write_text(receipt.to_json())
        return {"digest": receipt.digest, "id": receipt.id, "blob": receipt.blob}

    def look_again(self) -> tuple[str, ...]:
        from flight.workflows import gallery

        return gallery.look_again(self.path, cloud=self.endpoint)
