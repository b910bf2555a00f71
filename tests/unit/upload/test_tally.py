"""What is told while a disk is sent."""

from __future__ import annotations

from flight.workflows.upload.tally import Tally

MIB = 1 << 20


def test_what_an_earlier_try_sent_makes_nobody_faster() -> None:
    now = 0.0
    tally = Tally(clock=lambda: now)
    tally.begin(total_bytes=1000 * MIB, blob_bytes=4000 * MIB)
    now = 10.0
    tally.count(found_bytes=500 * MIB, sent_bytes=100 * MIB, puts=25)
    progress = tally.progress()
    assert progress.percent == 60
    assert progress.what == "sending, 10.0 MiB/s, 40.0 s left, 500 MiB were there, 2.9 GiB skipped"
