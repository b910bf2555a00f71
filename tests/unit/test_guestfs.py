"""What libguestfs needs and is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows import guestfs
from flight.workflows.kit.errors import ProgramError, SpaceError


@pytest.mark.parametrize(("accelerated", "told"), [(True, ""), (False, "force_tcg")])
def test_libguestfs_emulates_where_kvm_cannot_be_used(accelerated: bool, told: str) -> None:
    env = guestfs.plan_environment("/usr/bin/qemu", Path("/w/cache"), Path("/w/s"), accelerated=accelerated)
    assert env["LIBGUESTFS_BACKEND_SETTINGS"] == told
    assert env["LIBGUESTFS_BACKEND"] == "direct"
    assert env["LIBGUESTFS_HV"] == "/usr/bin/qemu"
    assert env["LIBGUESTFS_CACHEDIR"] == "/w/cache"
    assert {env["TMPDIR"], env["LIBGUESTFS_TMPDIR"], env["XDG_RUNTIME_DIR"]} == {"/w/s"}


def test_sockets_stay_out_of_a_folder_whose_path_is_too_long_for_them() -> None:
    assert "XDG_RUNTIME_DIR" not in guestfs.plan_environment("q", Path("/c"), Path("/" + "s" * 80), accelerated=False)


def test_a_readable_kernel_is_enough(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz-6.1.0").touch()
    guestfs.require_kernel(tmp_path)


def test_no_kernel_is_an_error_that_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="no kernel to boot") as caught:
        guestfs.require_kernel(tmp_path)
    assert "apt-get install linux-image-cloud-amd64" in caught.value.fix


def test_a_kernel_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vmlinuz-6.1.0").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ProgramError) as caught:
        guestfs.require_kernel(tmp_path)
    assert "vmlinuz-6.1.0 can be read" in caught.value.why


def test_too_little_space_is_found_before_the_guest_would_halt(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="too little space"):
        guestfs.require_space(tmp_path, doing="try", least_bytes=1 << 53)
    guestfs.require_space(tmp_path, doing="try", least_bytes=1)
