"""Things arrive whole: written beside the final name, synced, renamed; gone on any error.

What a kill -9 leaves behind carries the mark `.arriving-` in its name, is never taken for the thing itself, and is
removed by `sweep` at the next start, under the lock of the artefact.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

MARK = ".arriving-"
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def arriving(final: Path) -> Iterator[Path]:
    """A fresh name beside `final`; what was made there (a file or a folder) becomes `final` when the block ends well.

    Nothing is made at the name beforehand. An existing file is replaced, an existing folder too (it steps aside first).
    Any error, a KeyboardInterrupt included, removes what was made. Making nothing is an error of the caller's.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    fresh = final.parent / f"{MARK}{uuid.uuid4().hex[:12]}-{final.name}"
    try:
        yield fresh
        if not os.path.lexists(fresh):
            raise FileNotFoundError(f"nothing was made at {fresh} for {final}")
        sync(fresh)
        settle(fresh, final)
    except BaseException:
        remove(fresh)
        raise


def settle(fresh: Path, final: Path) -> None:
    """Rename `fresh` to `final`, replacing what is there, and make the renaming last."""
    if final.is_dir() and not final.is_symlink():
        aside = final.parent / f"{MARK}{uuid.uuid4().hex[:12]}-old"
        os.rename(final, aside)
        os.rename(fresh, final)
        remove(aside)
    else:
        os.replace(fresh, final)
    sync_folder(final.parent)


def write_whole(final: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a small file so that it is there wholly or not at all."""
    raw = content.encode() if isinstance(content, str) else content
    with arriving(final) as fresh:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(fd, "wb") as file:
            file.write(raw)


def link_whole(link: Path, to: Path) -> None:
    """Point the symbolic link `link` at `to` (relative where it can be), replacing an older link in one step."""
    fresh = link.parent / f"{MARK}{uuid.uuid4().hex[:12]}-{link.name}"
    fresh.symlink_to(os.path.relpath(to, link.parent))
    os.replace(fresh, link)
    sync_folder(link.parent)


def sweep(folder: Path) -> list[Path]:
    """Remove what a killed run left half made directly in `folder`; the names removed. Call it under the lock."""
    left = sorted(folder.glob(f"{MARK}*")) if folder.is_dir() else []
    for path in left:
        remove(path)
    return left


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing where there is nothing. Never follows a link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Bring a file to the disk; for a folder, the whole filesystem it lies on (one call instead of one a file)."""
    if path.is_symlink():
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        if path.is_dir():
            if _LIBC.syncfs(fd) != 0:
                errno = ctypes.get_errno()
                raise OSError(errno, os.strerror(errno), str(path))
        else:
            os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Bring a folder's own entries (a renaming) to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
