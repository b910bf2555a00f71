"""What a kernel has. The files that packages split off are the nasty part."""

from __future__ import annotations

from typing import Any

import pytest
from trees import DEBIAN, changed, el

from flight.workflows.certify.effective.drivers import obstacle
from flight.workflows.certify.image import Image
from flight.workflows.certify.tree import Entry, NotTaken

EL9 = el(9)
VERSION = Image(EL9).boot.version
FOLDER = f"/usr/lib/modules/{VERSION}"


def test_drivers_of_a_real_debian_are_found() -> None:
    kernel = Image(DEBIAN).kernel
    drivers = ("nvme", "nvme_core", "hv_vmbus", "hv-storvsc", "udf", "floppy", "hyperv_drm", "no_such")
    assert [kernel.has(name) for name in drivers] == ["y", "y", "m", "m", "m", "", "", ""]
    assert (kernel.option("X86_64"), kernel.option("NO_SUCH"), kernel.problem) == ("y", "", "")
    assert "hv_vmbus" in kernel.needs("pci-hyperv")


def test_a_module_counts_only_where_its_file_is() -> None:
    path = f"{FOLDER}/kernel/fs/udf/udf.ko.xz"
    gone = Image(changed(EL9, files={path: None})).kernel
    assert (gone.has("udf"), gone.lack("udf")) == ("", "udf is a module whose file is not on the disk")
    folder = Image(changed(EL9, entries={path: Entry("d", 0o755)})).kernel
    assert folder.has("udf") == ""


def test_a_file_that_modules_dep_does_not_list_cannot_be_loaded() -> None:
    snapshot = changed(EL9, files={f"{FOLDER}/modules.dep": "kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz\n"})
    kernel = Image(snapshot).kernel
    assert (kernel.has("udf"), kernel.has("vfat"), kernel.needs("vfat")) == ("", "m", ("fat",))
    without = Image(changed(EL9, files={f"{FOLDER}/modules.dep": None})).kernel
    assert without.has("udf") == ""
    assert "5.14.0-570.el9.x86_64 does not have no_such" in without.lack("no_such")


def test_what_is_built_in_stands_in_a_list_or_in_the_configuration() -> None:
    listed = changed(EL9, files={f"{FOLDER}/modules.builtin": "kernel/fs/udf/udf.ko\n"})
    assert Image(listed).kernel.has("udf") == "y"
    config = changed(EL9, files={f"/boot/config-{VERSION}": "# CONFIG_CIFS is not set\nCONFIG_UDF_FS=y\n"})
    assert (Image(config).kernel.has("udf"), Image(config).kernel.option("CIFS")) == ("y", "")


def test_the_configuration_may_lie_beside_the_modules() -> None:
    files = {f"/boot/config-{VERSION}": None, f"{FOLDER}/config": "CONFIG_CIFS=y\n"}
    assert Image(changed(EL9, files=files)).kernel.option("CIFS") == "y"
    assert Image(changed(EL9, files={f"/boot/config-{VERSION}": None})).kernel.config == {}


def test_a_list_that_was_not_taken_is_not_taken_for_empty() -> None:
    kernel = Image(changed(EL9, entries={f"{FOLDER}/modules.dep": Entry("f", size=99 << 20)})).kernel
    with pytest.raises(NotTaken):
        kernel.has("udf")


PROBLEMS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing boots": (
        {"files": {"/boot/efi/EFI/redhat/grub.cfg": "x\n"}},
        "what boots is not known: see cmdline-console",
    ),
    "no modules": ({"files": {FOLDER: None}}, f"/lib/modules has nothing for the kernel that boots, {VERSION}"),
}


@pytest.mark.parametrize(("change", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_kernel_that_is_not_known_has_nothing(change: dict[str, Any], words: str) -> None:
    kernel = Image(changed(EL9, **change)).kernel
    assert kernel.problem == words
    assert (kernel.has("udf"), kernel.config, kernel.builtin, kernel.file("udf")) == ("", {}, frozenset(), "")


OBSTACLES: dict[str, tuple[dict[str, str], str]] = {
    "none": ({}, ""),
    "a blacklist": ({"/etc/modprobe.d/a.conf": "blacklist udf\n"}, "blacklist udf (/etc/modprobe.d/a.conf:1)"),
    "of another": ({"/etc/modprobe.d/a.conf": "blacklist udf2\n"}, ""),
    "of one it needs": ({"/etc/modprobe.d/a.conf": "blacklist cdrom\n"}, ""),
    "an install of one it needs": (
        {"/etc/modprobe.d/a.conf": "install cdrom /bin/false\n"},
        "install cdrom /bin/false",
    ),
}


@pytest.mark.parametrize(("files", "words"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_stops_a_driver_is_found(files: dict[str, str], words: str) -> None:
    modules = {f"{FOLDER}/modules.dep": "kernel/fs/udf/udf.ko.xz: kernel/drivers/cdrom/cdrom.ko.xz\n"}
    said = obstacle(Image(changed(EL9, files={**modules, **files})), "udf")
    assert said.startswith(words) if words else said == ""
