"""What is read of dnf's log and of an index."""

from __future__ import annotations

from flight.workflows.install.el import dnf, transaction

LOG = """\
2026-11-23T07:36:16+0000 DEBUG --> Starting dependency resolution
2026-11-23T07:36:16+0000 DEBUG ---> Package bash.x86_64 5.1.8-9.el9 will be installed
2026-11-23T07:36:16+0000 DEBUG ---> Package kernel-core.x86_64 5.14.0-1.el9 will be installed
2026-11-23T07:36:16+0000 DEBUG ---> Package kernel-core.x86_64 5.14.0-2.el9 will be installed
2026-11-23T07:36:16+0000 DEBUG ---> Package vim-minimal.x86_64 2:8.2-1.el9 will be installed
2026-11-23T07:36:16+0000 DEBUG --> Finished dependency resolution
"""
REPOMD = b"""<?xml version="1.0"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>5</revision>
<data type="primary"><timestamp>1700000000</timestamp></data>
<data type="group"><timestamp>1700000009.5</timestamp></data></repomd>
"""


def test_the_plan_is_what_dnf_notes_of_each_package() -> None:
    assert dnf.planned_in(LOG) == {
        "bash": ("5.1.8-9.el9.x86_64",),
        "kernel-core": ("5.14.0-1.el9.x86_64", "5.14.0-2.el9.x86_64"),
        "vim-minimal": ("2:8.2-1.el9.x86_64",),
    }


def test_what_is_installed_is_told_in_the_same_words() -> None:
    listed = "bash\t5.1.8-9.el9.x86_64\nvim-minimal\t2:8.2-1.el9.x86_64\ngpg-pubkey\t1-1.(none)\nzero\t0:1-1.noarch\n"
    found = transaction.installed_in(listed)
    assert found == {"bash": ("5.1.8-9.el9.x86_64",), "vim-minimal": ("2:8.2-1.el9.x86_64",), "zero": ("1-1.noarch",)}


def test_an_index_is_as_old_as_its_newest_part() -> None:
    assert dnf.newest_in(REPOMD) == 1700000009
