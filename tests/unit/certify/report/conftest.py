"""The certificates that were made by hand, for every report alike."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

import certificates
import pytest

from flight.workflows.certify.certificate import Certificate


@pytest.fixture(autouse=True)
def one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden files outlive a release."""
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.2.3")


@pytest.fixture
def refused() -> Certificate:
    return certificates.refused()


@pytest.fixture
def certified() -> Certificate:
    return certificates.certified()


@pytest.fixture
def unusable() -> Certificate:
    return certificates.unusable()


@pytest.fixture
def with_words() -> Callable[[str], Certificate]:
    return certificates.with_words
