"""flight: from a kickstart to a Linux image on Azure, as a Luigi workflow.

luigi --module flight.workflows UploadImage      the whole walk, or any stage of it:

RenderKickstart   the kickstart, rendered and checked                       RECIPE.ks
InstallPackages   the distribution's packages in a folder                   RECIPE.tree
BuildImage        a bootable disk of them                                   RECIPE.qcow2
PrepareImage      without what belongs to one machine; trimmed              RECIPE.raw
ConvertImage      a fixed VHD, whole MiB                                    RECIPE.vhd
UploadBlob        a page blob that holds it, sealed; this is its receipt    RECIPE.blob.json
UploadImage       the managed image made from the blob; its receipt         RECIPE.image.json
"""

from flight.workflows import luigicfg

luigicfg.read_or_end()  # importing Luigi reads luigi.cfg, and ends in a traceback where that cannot be parsed

from flight.workflows.pipeline import (  # noqa: E402
    BuildImage,
    ConvertImage,
    InstallPackages,
    PrepareImage,
    RenderKickstart,
    UploadBlob,
    UploadImage,
)

__all__ = [
    "BuildImage",
    "ConvertImage",
    "InstallPackages",
    "PrepareImage",
    "RenderKickstart",
    "UploadBlob",
    "UploadImage",
]
