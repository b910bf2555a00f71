"""flight: from a kickstart to a Linux image on Azure, as a Luigi workflow.

luigi --module flight.workflows UploadImage      the whole walk, or any stage of it:

RenderKickstart   the kickstart, rendered and checked                       RECIPE.ks
InstallPackages   the distribution's packages in a folder                   RECIPE.tree
BuildImage        a bootable disk of them                                   RECIPE.qcow2
PrepareImage      without what belongs to one machine; trimmed              RECIPE.raw
ConvertImage      a fixed VHD, whole MiB                                    RECIPE.vhd
CertifyImage      the gate: Azure's rules, asked of the VHD itself          RECIPE.certificate.json
UploadBlob        a page blob that holds it, sealed; this is its receipt    RECIPE.blob.json
UploadImage       the managed image made from the blob; its receipt         RECIPE.image.json
PublishImage      a version in a gallery, in every region; its receipt      RECIPE.gallery.json

Luigi, a notebook, a test import this package to find them: they are known from then on, whatever is imported next. Only
flight's own programs (`LEAN`), of which those that read no luigi.cfg never need Luigi, do not wait the quarter of a second
that it takes: there the tasks are imported where Luigi is there already, or one of them is asked for.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flight.workflows.pipeline import (
        BuildImage,
        CertifyImage,
        ConvertImage,
        InstallPackages,
        PrepareImage,
        PublishImage,
        RenderKickstart,
        UploadBlob,
        UploadImage,
    )

__all__ = [
    "BuildImage",
    "CertifyImage",
    "ConvertImage",
    "InstallPackages",
    "PrepareImage",
    "PublishImage",
    "RenderKickstart",
    "UploadBlob",
    "UploadImage",
]


LEAN: Final = ("flight", "-m")
"""What a program that wants few of the rooms is called: the command, and any `python -m flight.workflows.…` as it starts."""


def _bring_tasks() -> None:
    from flight.workflows import luigicfg

    luigicfg.check_readable()  # importing Luigi reads luigi.cfg, and says less where that cannot be parsed
    from flight.workflows import commandline, pipeline

    globals().update({name: getattr(pipeline, name) for name in __all__})
    commandline.check_named(__all__)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    _bring_tasks()
    return globals()[name]


if "luigi" in sys.modules or Path(sys.argv[0]).name not in LEAN:
    _bring_tasks()
