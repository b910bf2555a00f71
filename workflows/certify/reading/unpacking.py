"""Index files, packed or not, as bytes: bounded, since anybody's folder can be given."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flight.workflows.certify.reading.compression import form_at, unpacked
from flight.workflows.kit.errors import FlightError, said_by

MOST_BYTES: Final = 1 << 30
"""Of one index, unpacked; Debian's main has 56 MB."""
AGAIN: Final = "copy it anew"


def load_index(path: Path) -> bytes:
    """The file's content, unpacked where it is packed. Raises FlightError where it cannot be."""
    try:
        raw = path.read_bytes()
        form = _form(raw)
        return _whole(raw, form) if form else raw
    except OSError as error:
        raise FlightError(f"cannot read the package index {path}", why=said_by(error), fix=AGAIN) from None
    except EOFError:
        raise FlightError(f"cannot read the package index {path}", why="it is cut short", fix=AGAIN) from None
    except ValueError as error:
        raise FlightError(f"cannot read the package index {path}", why=f"it {error}", fix=AGAIN) from None


def _form(raw: bytes) -> str:
    try:
        return form_at(raw, 0)
    except ValueError:
        return ""


def _whole(raw: bytes, form: str) -> bytes:
    chunks, length = [], 0
    for chunk in unpacked(raw, 0, form):
        chunks.append(chunk)
        length += len(chunk)
        if length > MOST_BYTES:
            raise ValueError(f"unpacks to more than {MOST_BYTES >> 20} MiB")
    return b"".join(chunks)
