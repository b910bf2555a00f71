"""Every fault at once, whoever asks: what the installer refuses is told by all that read a kickstart."""

from __future__ import annotations

from pathlib import Path

import pytest
from home import Home

REFUSED = """\
url --url=http://mirror.example/debian
network --bootproto=dhcp --device=eth0
rootpw --lock
part /boot/efi --fstype=efi --size=128
part /boot --fstype=ext4 --size=512
part / --fstype=ext4 --size=2048 --grow
%pre
true
%end
%post --nochroot
true
%end
"""
FAULTS = (
    "r.ks:4: there is no partition biosboot, which BIOS (generation 1) needs; add part biosboot",
    "r.ks:5: /boot is kept on the root filesystem",
    "r.ks:7: %pre runs on the machine that installs",
    "r.ks:10: %post --nochroot would run on this machine",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path, recipe="r")
    home.configure("image.mirror=http://mirror.example/debian")
    (home.recipes / "r.toml").write_text('release = "trixie"\n')
    return home


@pytest.mark.parametrize("asked", ["show kickstart", "show plan", "RenderKickstart"])
def test_what_the_installer_refuses_is_told_at_once(home: Home, asked: str) -> None:
    (home.recipes / "r.ks").write_text(REFUSED)
    ran = home.luigi(asked, "--local-scheduler") if asked == "RenderKickstart" else home.flight(*asked.split())
    assert ran.code != 0
    assert "the kickstart of r has 4 faults" in ran.said
    places = [ran.said.find(f"kickstarts/{fault}") for fault in FAULTS]
    assert -1 not in places and places == sorted(places), ran.said


def test_a_kickstart_s_own_faults_come_first(home: Home) -> None:
    (home.recipes / "r.ks").write_text(f"{REFUSED}nosuch\n")
    ran = home.flight("show", "plan")
    assert "the kickstart of r has one fault" in ran.said
    assert "Unknown command: nosuch" in ran.said and "biosboot" not in ran.said
