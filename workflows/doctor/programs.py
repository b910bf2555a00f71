"""The programs that flight runs on this host: which are needed for what, where they are, how old they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flight.workflows.doctor.verdict import Finding, Need, from_error, judge_others, judge_program
from flight.workflows.hypervisor.probe import parse_version
from flight.workflows.kit.errors import ProgramError
from flight.workflows.kit.run import find, run
from flight.workflows.recipe import Recipe
from flight.workflows.settings import Programs

ASK_S: Final = 10.0
TOOLS: Final = (
    Need("sfdisk", "fdisk"),
    Need("mkfs.ext4", "e2fsprogs", (1, 46)),
    Need("debugfs", "e2fsprogs"),
    Need("mkfs.vfat", "dosfstools"),
    Need("mcopy", "mtools"),
    Need("setpriv", "util-linux"),
    Need("unshare", "util-linux"),
)
"""Programs beside the configured ones. mkfs.ext4 is the one that knows `-d`, hash_seed and E2FSPROGS_FAKE_TIME."""
NETWORK: Final = (Need("slirp4netns", "slirp4netns"), Need("ip", "iproute2"))
"""For recipes with `post_network = true`."""
EL: Final = (
    Need("dnf", "dnf"),
    Need("rpm", "rpm"),
    Need("gpg", "gpg"),
    Need("setfiles", "policycoreutils"),
    Need("mkfs.xfs", "xfsprogs", only="kickstarts with an XFS"),
)
"""dnf runs gpg to read the keys of packages."""
FAMILIES: Final = {"debian": "Debian", "el": "Enterprise Linux"}
"""The families of distributions, as people name them."""
ASKED_AS: Final = {"mkfs.ext4": "-V"}


def configured(programs: Programs) -> tuple[Need, ...]:
    return (
        Need(programs.qemu_img, "qemu-utils", (2, 9), "qemu_img"),
        Need(programs.qemu_system, "qemu-system-x86", (7, 1), "qemu_system"),
        Need(programs.virt_sysprep, "guestfs-tools", (1, 46), "virt_sysprep"),
        Need(programs.virt_sparsify, "guestfs-tools", (1, 46), "virt_sparsify"),
        Need(programs.guestfish, "guestfish", (1, 46), "guestfish"),
    )


def of_family(family: str, programs: Programs) -> tuple[Need, ...]:
    """What installs the packages of a family."""
    if family == "el":
        return EL
    return (Need(programs.mmdebstrap, "mmdebstrap", (1, 3), "mmdebstrap"), Need("apt-get", "apt"))


def needed(programs: Programs, recipe: Recipe | None) -> tuple[Need, ...]:
    """What a walk of the recipe runs; None: of a recipe that cannot be read, whose family is not known."""
    if recipe is None:
        return (*configured(programs), *TOOLS)
    network = NETWORK if recipe.post_network else ()
    return (*configured(programs), *of_family(recipe.family, programs), *TOOLS, *network)


def look_at_program(need: Need) -> Finding:
    try:
        path = find(need.program, why="look at it")
    except ProgramError:
        return judge_program(need, path=None, version=None)
    if not need.least:
        return judge_program(need, path=path, version=None)
    said: list[str] = []  # mke2fs tells its version on stderr
    try:
        asked = [path, ASKED_AS.get(need.name, "--version")]
        run(asked, why="ask its version", timeout_s=ASK_S, heard=said.append, fix=need.fix)
    except ProgramError as error:
        return from_error(need.name, error)
    return judge_program(need, path=path, version=version_in("\n".join(said)))


def look_at_other_families(programs: Programs, recipe: Recipe) -> Iterator[Finding]:
    """One line for each family that the recipe is not of: can this host build that too?"""
    for family, name in FAMILIES.items():
        if family != recipe.family:
            missing = [need for need in of_family(family, programs) if not need.only and not is_here(need)]
            yield judge_others(name, missing, recipe.name)


def is_here(need: Need) -> bool:
    try:
        return bool(find(need.program, why="look at it"))
    except ProgramError:
        return False


def version_in(text: str) -> tuple[int, ...]:
    """The version after that word, or the first that stands anywhere: 'mke2fs 1.47.0 (5-Feb-2023)', 'v24.1.0'."""
    return parse_version(text) or parse_version(f"version {_first_number(text.split())}")


def _first_number(words: Sequence[str]) -> str:
    bare = (word.strip("(),").removeprefix("v") for word in words)
    return next((word for word in bare if word[:1].isdigit() and "." in word), "")
