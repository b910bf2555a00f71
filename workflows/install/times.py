"""The time that stands in what was made: the recipe's, not the clock's."""

from __future__ import annotations

import os
from pathlib import Path

from flight.workflows.kickstart.plan import InstallPlan


def clock_of(plan: InstallPlan) -> dict[str, str]:
    """The time that programs write into what they make; nothing where the plan has none.

    Source: https://reproducible-builds.org/specs/source-date-epoch/, and e2fsprogs' own variable.
    """
    epoch = str(plan.source_date_epoch)
    return {"SOURCE_DATE_EPOCH": epoch, "E2FSPROGS_FAKE_TIME": epoch} if plan.source_date_epoch else {}


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
