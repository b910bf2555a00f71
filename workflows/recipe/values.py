"""A recipe's values, in sections; each key carries its sentence and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flight.workflows.kit.finding import NOWHERE, Where
from flight.workflows.kit.tables import KeyPath, entry, where_of

VOLATILE: Final = ("/proc", "/sys", "/dev", "/run", "/tmp")
"""Folders of a running system that hide what an image holds there."""
RESERVED: Final = ("recipe", "version", "family", "release", "mirror", "security_mirror", "disk_gib")
"""Names that every template is given; a variable cannot take them."""
EL_RELEASES: Final = ("8", "9", "10")
"""The releases of Enterprise Linux that are built; a minor one (9.4) is what its packages make it."""
FAMILIES: Final = {"debian": "Debian", "el": "Enterprise Linux"}
"""The families' words, and their names."""
GLOB: Final = r"[\w.+*?-]+"
"""A package's name, or some of them. Source: dnf.conf(5)."""
WORD: Final = r"[\w.+~/-]+"
"""A suite or component in a sources line. Source: sources.list(5)."""
WORDS: Final = "letters, digits and '.', '_', '+', '~', '/', '-'"
GLOBS: Final = "letters, digits and '.', '_', '+', '-', '*', '?'"
ACCOUNT: Final = "lower-case letters, digits, '_' and '-'"
VARIABLE: Final = "letters, digits and '_'"
"""Patterns as a person reads them."""
CLAIMS: Final = {
    "accelerated-networking": "Supports accelerated networking",
    "nvme": "Supports NVMe",
    "trusted-launch": "Supports Trusted Launch",
    "cloud-init": "Supports cloud-init",
    "extensions": "Supports VM extensions",
    "ssh-disabled": "SSH is disabled (a locked-down appliance)",
    "backup": "Supports backup",
    "hibernation": "Supports hibernation",
}
"""What a publisher can claim in Partner Center or in a gallery's image definition, and how it is called there."""
AS_CLAIMED: Final = "as-claimed"
SECURITY_TYPES: Final = (
    AS_CLAIMED,
    "none",
    "TrustedLaunchSupported",
    "TrustedLaunch",
    "ConfidentialVMSupported",
    "ConfidentialVM",
    "TrustedLaunchAndConfidentialVmSupported",
)
"""What an image definition's SecurityType may be; ours are as-claimed and none. Source: Azure Verified Modules, gallery."""
STORAGE: Final = ("Standard_LRS", "Standard_ZRS", "Premium_LRS")
"""How a gallery keeps its replicas. Source: "Gallery Image Versions - Create Or Update", StorageAccountType."""
GALLERY_VERSION: Final = r"\d{1,10}\.\d{1,10}\.\d{1,10}"
MOST_IN_VERSION: Final = 2**31 - 1
"""Each number of a gallery's version fits in 32 bits. Source: "Gallery Image Versions - Create Or Update", name."""
DEFINITION: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9])?"
PRODUCT: Final = r"[A-Za-z0-9._-]{0,63}[A-Za-z0-9_-]"
"""An offer or SKU; a publisher too, which may be as long again. Source: the portal's rules for an image definition."""
NAMED: Final = "letters, digits, '.', '_' and '-', no dot at its end"
BEYOND: Final = {
    "secrets": "secrets left behind: tokens, passwords and keys in files that no package owns",
    "updates": "security updates that the package index of the build knows, and the image has not",
    "owners": "setuid, setgid and world-writable files that no package owns",
    "sbom": "the list of all packages as CycloneDX",
    "provenance": "the statement of what the image was made of, and by what",
}
"""What a certificate says beyond Microsoft's list; each can be left out."""


@dataclass(frozen=True)
class Disk:
    """The OS disk. Azure takes 1 to 1023 GiB; 30 GiB is what its reviewers expect at least."""

    size_gib: int = entry("The virtual size of the disk, in GiB.", 32, least=1, most=1023)


@dataclass(frozen=True)
class Azure:
    """What Azure is told about the image."""

    generation: str = entry(
        "The generation of virtual machines the image is registered for.", "V2", one_of=("V1", "V2")
    )


@dataclass(frozen=True)
class Gallery:
    """What an Azure Compute Gallery is told of the image, where it is published in one."""

    definition: str = entry(
        "The image definition's name; empty: the recipe's.",
        "",
        like=rf"({DEFINITION})?",
        form="up to 80 letters, digits, '.', '_' and '-', a letter or digit at both ends",
    )
    publisher: str = entry(
        "The image definition's publisher.", "flight", like=rf"[A-Za-z0-9._-]{{0,64}}{PRODUCT}", form=NAMED
    )
    offer: str = entry("The image definition's offer.", "linux", like=PRODUCT, form=NAMED)
    sku: str = entry("The image definition's SKU; empty: the recipe's name.", "", like=rf"({PRODUCT})?", form=NAMED)
    version: str = entry(
        "The version in the gallery; empty: the image's own.",
        "",
        like=rf"({GALLERY_VERSION})?",
        form="three whole numbers with dots between, like 1.4.0",
    )
    regions: tuple[str, ...] = entry(
        "The regions it is replicated to, besides [azure] location.",
        (),
        each=r"[A-Za-z0-9 ]+",
        form="names of regions, like westeurope",
    )
    replicas: int = entry("The replicas in each region.", 1, least=1, most=100)
    storage: str = entry("How the replicas are kept.", "Standard_LRS", one_of=STORAGE)
    exclude_from_latest: bool = entry("Whether who asks for the latest version gets another one.", False)
    end_of_life: str = entry(
        "The day from which it should not be used any more.",
        "",
        like=r"(\d{4}-\d\d-\d\d)?",
        form="a date, like 2031-12-31",
    )
    security_type: str = entry(
        "The image definition's SecurityType; as-claimed: TrustedLaunchSupported where trusted-launch is claimed, else none.",
        AS_CLAIMED,
        one_of=SECURITY_TYPES,
    )


@dataclass(frozen=True)
class Override:
    """A person's word that the image may fail some rules; it travels with the image."""

    rules: tuple[str, ...] = entry("The rules that may fail.", each=r"[a-z0-9-]+", form="rules by their names")
    who: str = entry("Who answers for it.", like=r".*\S.*", form="a name")
    why: str = entry("Why it may be shipped all the same.", like=r".*\S.*", form="a sentence")


@dataclass(frozen=True)
class Certify:
    """What the certificate is to say of the image; docs/certification.md."""

    claims: tuple[str, ...] = entry(
        "The capabilities that the offer claims.", (), each="|".join(CLAIMS), form=f"some of {', '.join(CLAIMS)}"
    )
    without: tuple[str, ...] = entry(
        "What beyond Microsoft's list is not looked for.",
        (),
        each="|".join(BEYOND),
        form=f"some of {', '.join(BEYOND)}",
    )
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True)
class Sources:
    """The distribution's package sources.

    Debian: those of the image itself; the defaults are Azure's mirrors, in every region. Enterprise Linux: those that
    it is built from, with the key of its packages; the image's own come in a package.
    """

    archive: str = entry("The archive's URL (Debian's default: Azure's mirror).", "")
    security: str = entry("The security archive's URL (Debian only; the default: Azure's mirror).", "", only="debian")
    components: tuple[str, ...] = entry(
        "The components to take packages from (Debian only).", ("main",), each=WORD, form=WORDS, only="debian"
    )
    key: str = entry("The public key of the distribution's packages, relative to the recipe (el only).", "")
    key_sha256: str = ""
    signed_index: bool = entry("Whether the index must be signed by that key too (el only).", False, only="el")


@dataclass(frozen=True)
class VendorFile:
    """A vendor's own file (`[[files]]`): `source` on the build host, `to` in the image, `mode` as octal text."""

    source: str = entry("The file, relative to the recipe and not above it.")
    to: str = entry("Its absolute path in the image.", like=r"/\S+", form="an absolute path without spaces")
    sha256: str = ""
    mode: str = entry(
        "Its permissions, in octal.", "0644", like=r"0?[0-7]{3,4}", form="three or four digits from 0 to 7"
    )
    owner: str = entry("Its owner.", "root", like=r"[a-z_][a-z0-9_-]*", form=ACCOUNT)
    group: str = entry("Its group.", "root", like=r"[a-z_][a-z0-9_-]*", form=ACCOUNT)


@dataclass(frozen=True)
class Repository:
    """A package source to build from.

    `suite` and `components` are Debian's words (for RPM both empty). `key` is the path of the signing key or keyring on
    the build host; empty: the distribution's own keyring. `user_from` and `password_from` name environment variables.
    `stays`: whether it is written into the image's own sources (never with its credentials).
    """

    name: str = entry(
        "A short name.", like=r"[a-z0-9][a-z0-9._-]*", form="lower-case letters, digits, '.', '_' and '-'"
    )
    url: str = entry("Its URL, without credentials.")
    suite: str = entry(
        "The suite (Debian's word for a release within it).", "", like=rf"({WORD})?", form=WORDS, only="debian"
    )
    components: tuple[str, ...] = entry("The suite's components.", (), each=WORD, form=WORDS, only="debian")
    key: str = entry("The public key or keyring its signatures are checked against, relative to the recipe.", "")
    key_sha256: str = ""
    user_from: str = entry(
        "The environment variable that holds the user's name.", "", like=r"[A-Za-z_]\w*|", form=VARIABLE
    )
    password_from: str = entry(
        "The environment variable that holds the password.", "", like=r"[A-Za-z_]\w*|", form=VARIABLE
    )
    stays: bool = entry("Whether the image itself keeps this source.", False)
    cost: int = entry(
        "How late it is asked: the lower goes first, 1000 by default (el only).", 0, least=0, most=1_000_000, only="el"
    )
    include: tuple[str, ...] = entry(
        "The only packages to take from it, as names or globs (el only).", (), each=GLOB, form=GLOBS, only="el"
    )
    exclude: tuple[str, ...] = entry(
        "Packages never to take from it, as names or globs (el only).", (), each=GLOB, form=GLOBS, only="el"
    )
    signed_index: bool = entry("Whether its index must be signed too (el only; Debian's always is).", False, only="el")
    where: Where = NOWHERE


@dataclass(frozen=True)
class Recipe:
    """One recipe, read and checked. `name` is the file's name without .toml; `path` the file itself."""

    name: str
    path: Path
    release: str = entry(
        "The distribution's release, in its own word: trixie, bookworm, 9.",
        like=r"[a-z0-9.]+",
        form="lower-case letters, digits and dots",
    )
    title: str = entry("One line for people.", "")
    description: str = entry("A paragraph for people.", "", lines=True)
    family: str = entry("The family of distributions.", "debian", one_of=tuple(FAMILIES))
    kickstart: str = entry(
        "The kickstart's file; empty: NAME.ks.j2 or NAME.ks.",
        "",
        like=r"[\w./-]*",
        form="letters, digits, '.', '_', '-' and '/'",
    )
    syntax: str = entry(
        "The kickstart version that pykickstart checks against.",
        "RHEL9",
        like=r"RHEL\d+|F\d+",
        form="RHEL or F and a number",
    )
    post_network: bool = entry("Whether %post scripts may use the network.", False)
    security_updates: bool = entry("Whether the distribution's security updates are built in.", True)
    disk: Disk = Disk()
    azure: Azure = Azure()
    gallery: Gallery = Gallery()
    certify: Certify = Certify()
    sources: Sources = Sources()
    variables: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[VendorFile, ...] = ()
    repositories: tuple[Repository, ...] = ()
    lines: Mapping[KeyPath, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def folder(self) -> Path:
        return self.path.parent

    def where(self, *place: str | int) -> Where:
        """The line that sets a key, else the one that opens its table, else the file."""
        return where_of(self.path, self.lines, place)
