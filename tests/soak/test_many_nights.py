"""Ten thousand nights of uploads by seed, two processes at once; FLIGHT_NIGHTS sets how many. About an hour on two cores."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from campaign import spend

NIGHTS = int(os.environ.get("FLIGHT_NIGHTS", "10000"))
FIRST = 1000
"""Those below are in tests/unit."""


def met(seed: int) -> Counter[str]:
    """What a night met; its story, where something went wrong."""
    night = spend(seed)
    return night.met + Counter(f"fault: {kind}" for _, kind in night.azure.faults.log)


def test_however_it_goes_nothing_is_lost_and_nothing_sealed_wrong() -> None:
    whole = Counter[str]()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(met, range(FIRST, FIRST + NIGHTS), chunksize=20):
            whole += one
    print(dict(whole))
    assert min(whole["moved"], whole["taken up"], whole["damaged"]) > NIGHTS / 20, whole
