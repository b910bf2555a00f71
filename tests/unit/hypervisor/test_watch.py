"""When a guest has stopped getting anywhere."""

from __future__ import annotations

import pytest

from flight.workflows.hypervisor.watch import FIRMWARE_STALL_S, Activity, StallWatch


def test_a_guest_that_never_says_a_word_is_stalled_after_its_time() -> None:
    watch = StallWatch(60, started_s=1000)
    assert not watch.is_stalled(Activity(0, 0), now_s=1059)
    assert watch.is_stalled(Activity(0, 0), now_s=1060)
    assert watch.silent_s(1060) == 60


@pytest.mark.parametrize("moved", [Activity(11, 5), Activity(10, 6)], ids=["console", "disk"])
def test_a_word_or_a_disk_request_starts_the_clock_anew(moved: Activity) -> None:
    watch = StallWatch(60, started_s=0)
    assert not watch.is_stalled(Activity(10, 5), now_s=10)
    assert not watch.is_stalled(moved, now_s=69)
    assert not watch.is_stalled(moved, now_s=128)
    assert watch.is_stalled(moved, now_s=129)


def test_silent_boot_code_is_given_less_time() -> None:
    watch = StallWatch(90, started_s=0)
    assert not watch.is_stalled(Activity(0, 0), now_s=FIRMWARE_STALL_S)
    assert watch.is_stalled(Activity(0, 0), now_s=FIRMWARE_STALL_S, is_at_firmware=True)


def test_silent_boot_code_is_not_given_more_time_than_anything_else() -> None:
    assert StallWatch(5, started_s=0).is_stalled(Activity(0, 0), now_s=5, is_at_firmware=True)
