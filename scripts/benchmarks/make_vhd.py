"""A fixed VHD for the upload benchmark: incompressible data in runs between holes. usage: make_vhd.py FILE GIB DATA_MIB"""

import random
import sys
from pathlib import Path

from flight.workflows import vhd

path, gib, mib = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
chance, raw = random.Random(1), path.with_suffix(".raw")
with open(raw, "wb") as file:
    file.truncate(gib << 30)
    left, at = mib << 20, 1 << 20
    while left:
        run = min(left, chance.randrange(1, 4096) << 12)
        file.seek(at)
        file.write(chance.randbytes(run))
        left, at = left - run, at + run + (chance.randrange(0, 4096) << 12)
vhd.convert(raw, path)
raw.unlink()
