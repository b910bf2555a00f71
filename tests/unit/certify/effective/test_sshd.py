"""sshd's configuration, as sshd reads it. tests/integration/certify/test_sshd.py asks the real one about the same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from trees import changed

from flight.workflows.certify.effective.sshd import MOST_FILES, Sshd, sshd_of
from flight.workflows.certify.effective.sshdwords import seconds_of
from flight.workflows.certify.facts import Container, PartitionTable, Snapshot
from flight.workflows.certify.tree import Entry, NotTaken, Tree

NOTHING = Snapshot(Container("x", 0, "raw", ""), PartitionTable("none"))
MAIN = "/etc/ssh/sshd_config"
ALIVE = "ClientAliveInterval"


def read(text: str, **others: str) -> Sshd:
    return of({MAIN: text, **{f"/etc/ssh/{name}": more for name, more in others.items()}})


def of(files: Mapping[str, str], links: Mapping[str, str] = {}) -> Sshd:
    return sshd_of(changed(NOTHING, files=files, links=links).tree)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("180", 180), ("3m", 180), ("1h30m", 5400), ("180S", 180), ("1w", 604800), ("+5", 5), ("1h +3", 3603), ("0" * 40 + "7", 7),
     ("", None), ("none", None), ("-1", None), ("0x10", None), ("99999999999", None), ("2147483648", None), ("9" * 9000, None),
     ("3 m", None), ("1h-3", None), ("1\u017f", None), ("\u0663", None)],
)  # fmt: skip
def test_times_are_read_as_sshd_reads_them(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


def test_a_value_has_its_file_and_line() -> None:
    sshd = read(f"# words\n\nPort 22\n{ALIVE} 180\n{ALIVE} 7\n")
    assert sshd.effective(ALIVE) == ("180", f"{MAIN}:4")
    assert [each.value for each in sshd.every(ALIVE.lower())] == ["180", "7"]


def test_what_nothing_sets_has_openssh_s_default() -> None:
    sshd = read("")
    assert sshd.effective(ALIVE) == ("0", "")
    assert sshd.effective("PermitRootLogin") == ("prohibit-password", "")
    assert sshd.effective("Banner") == ("", "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"Include d/*.conf\n{ALIVE} 180", "5"),
        (f"{ALIVE} 180\nInclude d/*.conf", "180"),
        (f"INCLUDE /etc/ssh/d/b.conf\n{ALIVE} 180", "6"),
        (f"Include d/b.conf d/a.conf\n{ALIVE} 180", "6"),
        (f"Match User x\nInclude d/*\nMatch all\n{ALIVE} 180", "180"),
        (f"Match all\nInclude d/m.conf\n{ALIVE} 180", "180"),
        (f"{ALIVE} 180\nMatch all\n{ALIVE} 9\n{ALIVE} 8", "9"),
        (f"{ALIVE} 180\nMatch all\nInclude d/a.conf", "5"),
        (f"Include d/nothing*\n{ALIVE} 180", "180"),
        (f"include=d/a.conf\n{ALIVE} 180", "5"),
    ],
)
def test_the_first_value_wins_wherever_it_stands(text: str, value: str) -> None:
    drop_ins = {
        "d/a.conf": f"{ALIVE} 5",
        "d/b.conf": f"{ALIVE} 6",
        "d/.z.conf": f"{ALIVE} 9",
        "d/m.conf": "Match User x",
    }
    assert read(text, **drop_ins).effective(ALIVE)[0] == value


def test_a_policy_for_all_programs_is_included_from_outside() -> None:
    policy = "/etc/crypto-policies/back-ends/opensshserver.config"
    sshd = of({MAIN: "Include sshd_config.d/*.conf", "/etc/ssh/sshd_config.d/50-redhat.conf": f"Include {policy}\nUsePAM yes",
               "/usr/share/policy.txt": "Ciphers a,b"}, links={policy: "/usr/share/policy.txt"})  # fmt: skip
    assert sshd.effective("Ciphers") == ("a,b", f"{policy}:1")
    assert sshd.effective("UsePAM")[0] == "yes"


def test_suse_s_file_counts_where_the_usual_one_is_missing() -> None:
    assert of({"/usr/etc/ssh/sshd_config": f"{ALIVE} 180"}).main == "/usr/etc/ssh/sshd_config"


@pytest.mark.parametrize(
    ("path", "line"),
    [("/etc/default/ssh", f"SSHD_OPTS='-o {ALIVE}=7 -4'"), ("/etc/sysconfig/sshd", f'OPTIONS="-u0 -o{ALIVE}=7" # why')],
)
def test_options_of_the_command_line_come_first(path: str, line: str) -> None:
    sshd = of({MAIN: f"{ALIVE} 180", path: f"# options\n{line}\n"})
    assert sshd.effective(ALIVE) == ("7", f"{path}:2")


def test_another_main_file_can_be_named_by_the_command_line() -> None:
    sshd = of({MAIN: f"{ALIVE} 180", "/etc/default/ssh": "SSHD_OPTS='-f /etc/other'", "/etc/other": f"{ALIVE} 9"})
    assert sshd.effective(ALIVE)[0] == "9"


def test_a_search_for_letters_finds_what_it_would_find() -> None:
    sshd = read(f"#{ALIVE} 1\n {ALIVE}  2\n{ALIVE.lower()} 3\n{ALIVE}=4\nMatch User x\n{ALIVE} 5 # five\n")
    assert sshd.literal(ALIVE) == (("2", f"{MAIN}:2"), ("5", f"{MAIN}:6"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ALIVE} soon", "is no time"),
        (f"{ALIVE} 1 2", "more than one value"),
        (f"{ALIVE} '1", "quote"),
        (ALIVE, "no value"),
        ("Include sshd_config", "too deep"),
        ("Include there", "cannot be read"),
        ("Match all User x", "nothing else"),
    ],
)
def test_what_sshd_refuses_is_a_problem(text: str, words: str) -> None:
    sshd = of({MAIN: f"Port 22\n{text}\n"}, links={"/etc/ssh/there": "nowhere"})
    assert words in sshd.problem
    assert sshd.effective("Port")[0] == "22"


def test_sixteen_levels_that_name_the_next_one_twice_come_to_an_end() -> None:
    files = {f"{level}": f"Include {level + 1}\nInclude {level + 1}\n" for level in range(16)}
    sshd = read("Include 0", **files, **{"16": "# end"})
    assert "too often" in sshd.problem
    assert len(sshd.statements) <= MOST_FILES


@pytest.mark.parametrize("kind", ["d", "p", "c", "l"])
def test_a_main_file_that_is_none_is_none(kind: str) -> None:
    tree = changed(NOTHING, entries={MAIN: Entry(kind, target="/etc/ssh/sshd_config")}).tree
    assert sshd_of(tree).problem == "there is no sshd_config"


def test_an_empty_tree_and_junk_are_read_without_an_error() -> None:
    assert sshd_of(Tree({}, {})).problem
    junk = bytes(range(256)) * 100 + b"\n" + b"x" * (1 << 20) + b' "' * 1000
    assert isinstance(sshd_of(changed(NOTHING, files={MAIN: junk, "/etc/default/ssh": junk}).tree), Sshd)


def test_a_file_whose_content_is_not_known_is_said_so() -> None:
    tree = changed(NOTHING, files={MAIN: "Include more"}, entries={"/etc/ssh/more": Entry("f", size=1 << 30)}).tree
    with pytest.raises(NotTaken):
        sshd_of(tree)


UNIT = "/usr/lib/systemd/system/sshd.service"
LINES = {
    "in-its-order": (f"-D -o {ALIVE}=1 -o{ALIVE}=2", "", "1"),
    "of-several-letters": (f"-46Do {ALIVE}=1", "", "1"),
    "behind-a-value": (f"-u 0 -E /var/log/x -o {ALIVE}=1", "", "1"),
    "a-value-that-looks-like-one": (f"-E -o{ALIVE}=1", "", "180"),
    "behind-the-end": (f"-D -- -o {ALIVE}=1", "", "180"),
    "a-variable": ("-D $MORE", f"MORE='-4 -o {ALIVE}=1'", "1"),
    "a-part-of-a-word": (f"-D -o{ALIVE}=${{MORE}}", "MORE=1", "1"),
    "a-variable-that-is-not-set": ("-D $OTHER", f"MORE=-o{ALIVE}=1", "180"),
}


@pytest.mark.parametrize(("options", "variables", "value"), LINES.values(), ids=LINES)
def test_the_unit_s_command_line_is_read_as_sshd_gets_it(options: str, variables: str, value: str) -> None:
    unit = f"[Service]\nEnvironmentFile=-/etc/mine\nExecStart=-/usr/sbin/sshd {options}\n"
    assert of({MAIN: f"{ALIVE} 180", UNIT: unit, "/etc/mine": variables}).effective(ALIVE)[0] == value


def test_variables_that_blow_up_come_to_an_end() -> None:
    unit = "[Service]\nEnvironmentFile=/etc/mine\nExecStart=/usr/sbin/sshd " + "$A " * 9000 + "${A}" * 9000
    assert of({MAIN: f"{ALIVE} 180", UNIT: unit, "/etc/mine": f"A='{'-4 ' * 20_000}'"}).seconds(ALIVE) == 180
    with pytest.raises(NotTaken):
        of({MAIN: "", UNIT: unit, "/etc/mine": "A=1\n" * 600_000})
