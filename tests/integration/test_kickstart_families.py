"""What a kickstart asks of a family of distributions that has no place for it, told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from flight.workflows import kickstart
from flight.workflows.kit.errors import RecipeError

COMMON = """\
url --url=https://mirror.example/os
rootpw --lock
part / --fstype=ext4 --size=2048 --grow
{line}
%packages
{entries}
%end
"""
DEBIAN = 'release = "trixie"\n'
EL = 'release = "9"\nfamily = "el"\n[sources]\narchive = "https://mirror.example/os"\nkey = "mirror.asc"\n'
REPO = "repo --name=vendor --baseurl=https://vendor.example/"
UNHEARD = {
    "authselect": (DEBIAN, "authselect select sssd", "vim", ":4: Debian has no authselect"),
    "cost": (DEBIAN, f"{REPO} --cost=5", "vim", ":4: repo: --cost cannot be honoured for Debian"),
    "a group left out": (EL, "", "-@debugging", ":6: a group cannot be excluded: '-@debugging'"),
    "two choices": (
        EL,
        "",
        "@core --nodefaults\nvim\n@debugging",
        ":8: dnf makes one choice of what to take for all groups",
    ),
    "no option of a group": (EL, "", "vim\n@core --nosuch", ":7: a group has no option --nosuch: '@core --nosuch'"),
    "an environment's option": (
        EL,
        "",
        "vim\n@^server --optional",
        ":7: --optional is for a group that is wanted: '@^server --optional'",
    ),
    "a module without a stream": (EL, "module --name=nodejs", "vim", ":4: module: which stream?"),
}


@pytest.mark.parametrize(("head", "line", "entries", "said"), UNHEARD.values(), ids=UNHEARD)
def test_what_a_family_has_no_place_for_is_told_with_its_line(
    tmp_path: Path, head: str, line: str, entries: str, said: str
) -> None:
    (tmp_path / "r.toml").write_text(head)
    (tmp_path / "r.ks").write_text(COMMON.format(line=line, entries=entries))
    (tmp_path / "mirror.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    with pytest.raises(RecipeError) as caught:
        kickstart.read("r", version="1.0.0", mirror="https://mirror.example/os", folders=[tmp_path], cache=None)
    assert f"r.ks{said}" in caught.value.why


def test_the_mirror_of_the_settings_is_debian_s_and_no_other_s(tmp_path: Path) -> None:
    (tmp_path / "mirror.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    text = COMMON.format(line="", entries="vim").replace("https://mirror.example/os", "{{ mirror }}")
    (tmp_path / "r.ks.j2").write_text(text)
    (tmp_path / "r.toml").write_text(EL)
    one, other = (
        kickstart.read("r", version="1.0.0", mirror=mirror, folders=[tmp_path], cache=None)
        for mirror in ("", "https://else.example/debian")
    )
    assert one == other
    assert one[1].mirror == "https://mirror.example/os"
