"""What the tests of the upload share."""

from __future__ import annotations

from pathlib import Path

import pytest
from shops import Place

from flight.workflows import upload


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path / "demo.vhd")
    monkeypatch.setattr(upload, "BlobService", lambda cloud, at, **more: made.service(at, **more))
    return made
