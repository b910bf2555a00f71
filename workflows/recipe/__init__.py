"""Recipe: what a person wrote in kickstarts/NAME.toml, checked; every fault at once, with its line.

A recipe names a kickstart (a Jinja template `NAME.ks.j2`, or a plain `NAME.ks`) and says what a kickstart cannot: the
distribution, the disk's size, a vendor's own files, private package sources. Folders are searched in their order, so that
a vendor's folder can shadow what the project ships. No secret stands in a recipe: it names environment variables.
"""

from flight.workflows.recipe.reading import find, load, names, problems, read
from flight.workflows.recipe.values import (
    RESERVED,
    VOLATILE,
    Azure,
    Disk,
    Gallery,
    Recipe,
    Repository,
    Sources,
    VendorFile,
)

__all__ = [
    "RESERVED",
    "VOLATILE",
    "Azure",
    "Disk",
    "Gallery",
    "Recipe",
    "Repository",
    "Sources",
    "VendorFile",
    "find",
    "load",
    "names",
    "problems",
    "read",
]
