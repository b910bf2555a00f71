from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from flight.workflows.kit.kept import of_its_types


@dataclass(frozen=True)
class Loaf:
    name: str = "rye"
    kilos: float = 1.5
    slices: int | None = None
    grains: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    oven: Mapping[str, str] | None = None


@pytest.mark.parametrize(
    "loaf", [Loaf(), Loaf(kilos=2, slices=12), Loaf(grains=("rye",), oven={"at": "home"})], ids=repr
)
def test_what_is_of_its_types_comes_back(loaf: Loaf) -> None:
    assert of_its_types(loaf) is loaf


@pytest.mark.parametrize("name", ["name", "kilos", "slices", "grains", "more", "oven"])
def test_a_field_of_another_type_is_named(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        of_its_types(replace(Loaf(), **{name: ["?"]}))
