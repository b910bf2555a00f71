"""Five hundred nights by seed, with faults at every verb; ten thousand in tests/soak."""

from __future__ import annotations

from collections import Counter

import pytest
from campaign import spend

SEEDS = range(500)
AT_ONCE = 50


@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
def test_however_it_goes_nothing_is_lost_and_nothing_sealed_wrong(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        spend(seed)


def test_the_nights_meet_what_they_are_for() -> None:
    """Of fifty nights some take an upload up again, some move blocks, and every kind of fault is met."""
    met, faults = Counter[str](), set[str]()
    for seed in range(AT_ONCE):
        night = spend(seed)
        met += night.met
        faults |= {kind for _, kind in night.azure.faults.log}
    assert min(met["sent"], met["moved"], met["there"], met["taken up"], met["damaged"]) > 3, met
    assert {"reset", "reset after", "503", "503 after", "timeout", "damaged", "killed", "killed after"} <= faults
