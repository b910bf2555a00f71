"""The time that stands in what was made: the recipe's or its packages', not the clock's.

The folder of a package tree carries it from the first step to the second.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from pathlib import Path

from flight.workflows.kickstart.plan import InstallPlan


def epoch_of(plan: InstallPlan, released: Iterable[str]) -> int:
    """The plan's time, else that of the newest package index (`Date:` of its Release file); seconds since 1970."""
    dates = (int(parsedate_to_datetime(date).timestamp()) for date in released)
    return plan.source_date_epoch or max(dates, default=0)


def clock_of(epoch: int) -> dict[str, str]:
    """The time that programs write into what they make.

    Source: https://reproducible-builds.org/specs/source-date-epoch/, and e2fsprogs' own variable.
    """
    return {"SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch)}


def clamp(folder: Path, *, since: float, to: int) -> int:
    """Give everything below `folder` that was changed after `since` the time `to` (both seconds since 1970); how many.

    What packages brought keeps its time: compiled Python compares its own record with it.
    """
    changed = 0
    for path, folders, files in os.walk(folder, topdown=False):
        for name in [*files, *folders, "."]:
            at = os.path.join(path, name)
            if os.lstat(at).st_mtime >= since:
                os.utime(at, (to, to), follow_symlinks=False)
                changed += 1
    return changed
