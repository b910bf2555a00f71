"""The rows of scripts/bench: two ways to the same end, the goal that their ratio keeps, and how both are measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Counted = Literal["seconds", "peak_mib", "sent_bytes"]


@dataclass(frozen=True)
class Kind:
    """Ours against theirs. The ratio is ours / theirs, at most `most`; or theirs / ours, at least `least`.

    A kind without either is shown as theirs / ours, and has no goal. `counts` is the number that is compared.
    """

    name: str
    ours: str
    theirs: str
    how: str
    most: float = 0.0
    least: float = 0.0
    counts: Counted = "seconds"

    @property
    def goal(self) -> str:
        if self.most:
            return f"≤ {self.most:g}"
        return f"≥ {self.least:g} ×" if self.least else "none: shown"

    def ratio(self, ours: float, theirs: float) -> float:
        return ours / theirs if self.most else theirs / ours

    def is_kept(self, ratio: float) -> bool:
        return ratio <= self.most if self.most else ratio >= self.least


KINDS = (
    Kind(
        "install",
        "`BuildImage` of a version never built before",
        "a bare `mmdebstrap` into a folder",
        "The same packages from the same mirror, the same package files at hand. Ours goes on to a bootable disk.",
        most=1.15,
    ),
    Kind(
        "edit",
        "`BuildImage` after an edit of `%post` alone",
        "a bare `mmdebstrap` into a folder",
        "What a change of one script costs, against installing all packages again, which is what it cost before.",
        most=0.4,
    ),
    Kind(
        "prepare",
        "`PrepareImage` and `ConvertImage`",
        "the old stages",
        "The old stages are `virt-sysprep`, `virt-sparsify --compress` and two `qemu-img convert`, of the same 32 GiB qcow2.",
        least=10,
    ),
    Kind(
        "upload-azcopy",
        "flight's engine: digest, proof and seal, but no MD5 for each page",
        "azcopy with a SAS, its own defaults",
        "A VHD of 4 GiB with 600 MiB of data, neither side with MD5. azcopy is npm's `@azure-tools/azcopy-linux`.",
        least=2,
    ),
    Kind(
        "upload-azcopy-md5",
        "flight's engine as it is: an MD5 for each page too",
        "azcopy with `--put-md5`",
        "The same VHD.",
        least=3,
    ),
    Kind(
        "upload-az",
        "flight's engine as it is",
        "`az storage blob upload --type page`",
        "The same VHD. az is PyPI's `azure-cli`, with its own default of two connections.",
        least=8,
    ),
    Kind(
        "upload-sdk",
        "flight's engine: digest, proof and seal, but no MD5 for each page",
        "the SDK's `upload_blob` with eight connections",
        "The same VHD, neither side with MD5: `upload_blob` sends none.",
        least=8,
    ),
    Kind(
        "upload-32gib",
        "flight's engine as it is",
        "azcopy with `--put-md5`",
        "The same data in a VHD of 32 GiB, both sides with MD5. Neither with: 7 to 8 times; azcopy takes 22 s then, and "
        "bare PUTs without any hash 2.",
        least=15,
    ),
    Kind(
        "upload-puts",
        "flight's engine as it is",
        "bare PUTs by `http.client`, eight threads, holes skipped",
        "The first VHD. The other side sends the same bytes with an MD5 for each page and takes the same digest; "
        "it does nothing else, and imports no SDK.",
        most=1.3,
    ),
    Kind(
        "upload-memory",
        "flight's engine as it is, its peak memory",
        "150 MB",
        "VHDs of 4 and of 32 GiB, the greater of the two peaks. The other side is a limit.",
        most=1,
        counts="peak_mib",
    ),
    Kind(
        "upload-delta",
        "the bytes that leave this host for a rebuilt image, beside the image before it",
        "the same for a full upload",
        "ext4 of 300 packages, 600 MiB, five of them (2 % of the data) with new content and 5 % larger. Every byte counts "
        "that goes to the storage, heads of requests and the block map included.",
        least=20,
        counts="sent_bytes",
    ),
    Kind(
        "upload-delta-puts",
        "the same without Put Page From URL: what moved is sent",
        "the same for a full upload",
        "The same two images.",
        counts="sent_bytes",
    ),
    Kind(
        "upload-resume",
        "the bytes that leave this host in two runs, the first killed with -9 when half of them had left",
        "the same for a run that nobody kills",
        "The first VHD. Counted as for the delta.",
        most=1.02,
        counts="sent_bytes",
    ),
    Kind(
        "nothing",
        "`luigi --module flight.workflows UploadImage` where nothing changed",
        "three seconds",
        "The whole walk, all of it there. The other side is a limit, not a program.",
        most=1,
    ),
    Kind(
        "certify",
        "`flight certify` of a 32 GiB VHD",
        "45 seconds",
        "flight-compute-debian13, emulated where there is no KVM, the start of libguestfs's Linux and the digest included. "
        "The other side is a limit.",
        most=1,
    ),
    Kind(
        "judge",
        "`flight certify --snapshot FOLDER` of what was seen then",
        "one second",
        "Every rule, asked of a kept snapshot, by a Python of its own. The other side is a limit.",
        most=1,
    ),
    Kind(
        "import",
        "`import luigi, flight.workflows`",
        "`import luigi`",
        "A Python of its own each time, its bytecode at hand.",
        most=1.8,
    ),
)


def asked(words: Iterable[str]) -> tuple[str, ...]:
    """The rows that words ask for: one by its name, several by what their names begin with (`upload`); all by no word.

    Raises ValueError with the words that name no row.
    """
    names = [kind.name for kind in KINDS]
    by_word = {
        word: [word] if word in names else [name for name in names if name.startswith(f"{word}-")] for word in words
    }
    if unknown := sorted(word for word, found in by_word.items() if not found):
        raise ValueError(", ".join(unknown))
    return tuple(dict.fromkeys(itertools.chain(*by_word.values()))) or tuple(names)
