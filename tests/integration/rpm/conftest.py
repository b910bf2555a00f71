"""The distribution, built once (or taken from the cache of an earlier run)."""

from __future__ import annotations

import pytest

from rpm.distribution import Distribution, build


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    return build(tmp_path_factory.mktemp("distribution") / "mirror")
