"""What is read of sshd's configuration is what the real sshd says of it (`sshd -T`), file by file and line by line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flight.workflows.certify.effective.sshd import Sshd, sshd_of
from flight.workflows.certify.tree import Entry, Tree

IN_ITS_PLACE = """
mount -t tmpfs none /run && mkdir /run/sshd && mount --bind "$1" /etc/ssh && exec /usr/sbin/sshd -T
"""
ASKED = ("ClientAliveInterval", "PasswordAuthentication", "KbdInteractiveAuthentication")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sshd") / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def ask_sshd(folder: Path, files: Mapping[str, str], key: Path) -> dict[str, str] | None:
    """What the real one would do with these files in /etc/ssh; None where it refuses them."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    shutil.copy(key, folder)
    argv = ["unshare", "--mount", "sh", "-c", IN_ITS_PLACE, "-", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True)
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return None if done.returncode else {name: value for name, _, value in pairs}


def read_ours(files: Mapping[str, str]) -> Sshd:
    contents = {f"/etc/ssh/{name}": text.encode() for name, text in files.items()}
    folders = {path[:at] for path in contents for at in range(1, len(path)) if path[at] == "/"}
    entries = {path: Entry("d") for path in folders}
    entries |= {path: Entry("f", size=len(content)) for path, content in contents.items()}
    return sshd_of(Tree(entries, contents))


def compare(folder: Path, files: Mapping[str, str], key: Path) -> None:
    real, ours = ask_sshd(folder, files, key), read_ours(files)
    if real is None:
        assert ours.problem, files
        return
    assert not ours.problem, files
    assert str(ours.seconds("ClientAliveInterval")) == real["clientaliveinterval"], files
    for keyword in ASKED[1:]:
        assert ours.effective(keyword)[0] == real[keyword.lower()], files


ALIVE = "ClientAliveInterval"
LINES = {
    "equals": f"{ALIVE}=90",
    "equals-and-blanks": f"{ALIVE} = 90",
    "two-equals": f"{ALIVE}==90",
    "quoted-keyword": f'"{ALIVE}" 90',
    "quoted-value": f'{ALIVE} "90"',
    "a-value-of-blanks": f"{ALIVE} ' 90'",
    "quotes-without-a-blank": f'{ALIVE}"90"',
    "open-quotes": f'{ALIVE} 90 "',
    "lower-case": f"{ALIVE.lower()} 90",
    "minutes": f"{ALIVE} 3m",
    "hours-and-minutes": f"{ALIVE} 1H30m",
    "a-sum-of-words": f'{ALIVE} "1h +3"',
    "many-zeros": f"{ALIVE} {'0' * 40}7",
    "too-many": f"{ALIVE} 99999999999",
    "hexadecimal": f"{ALIVE} 0x10",
    "negative": f"{ALIVE} -1",
    "none": f"{ALIVE} none",
    "nothing": ALIVE,
    "empty-quotes": f'{ALIVE} ""',
    "two-values": f"{ALIVE} 90 91",
    "a-comment-behind": f"{ALIVE} 90 # c",
    "a-comment-for-a-value": f"{ALIVE} #90",
    "a-backslash": f"{ALIVE} 3\\m",
    "form-feed-behind": f"{ALIVE} 90\f",
    "carriage-returns": f"{ALIVE} 90\r\n{ALIVE} 91\r",
    "a-vertical-tab": f"{ALIVE} 90\v",
    "a-line-separator-is-no-line": f"# \u2028{ALIVE} 90\n{ALIVE} 91",
    "next-line-is-no-line": f"# \x85{ALIVE} 90\n{ALIVE} 91",
    "a-zero-byte": f"#\0\n{ALIVE} 90\n{ALIVE} 91",
    "the-first-wins": f"{ALIVE} 90\n{ALIVE} 91",
    "match-user": f"Match User x\n{ALIVE} 90",
    "match-all-behind": f"{ALIVE} 90\nMatch all\n{ALIVE} 91\n{ALIVE} 92",
    "match-all": f"Match all\n{ALIVE} 90",
    "match-all-in-quotes": f'Match "All" # c\n{ALIVE} 90',
    "match-equals-all": f"Match=all\n{ALIVE} 90",
    "match-all-and-more": "Match all User x",
    "match-all-after-user": f"Match User x\n{ALIVE} 90\nMatch all\n{ALIVE} 91",
    "alias": "ChallengeResponseAuthentication no",
    "nothing-to-include": f"Include nothing*.conf nowhere.conf\n{ALIVE} 90",
    "itself": f"{ALIVE} 90\nInclude sshd_config",
    "itself-in-a-match": f"Match User x\nInclude sshd_config\n{ALIVE} 90",
    "wrong-in-a-match": f"Match User x\n{ALIVE} soon",
    "no-break-space": f"{ALIVE}\u00a090",
    "an-unknown-word": f"{ALIVE} 90\nNotAKeyword yes",
    "an-unknown-word-in-a-match": f"{ALIVE} 90\nMatch User x\nNotAKeyword yes",
    "a-word-of-the-client-s": "IgnoreUnknown NotAKeyword\nNotAKeyword yes",
    "words-that-are-no-more": "RSAAuthentication yes\nServerKeyBits 1024\nUseLogin no",
    "home": f"Include ~/x\n{ALIVE} 9",
}


@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
def test_a_strange_line_is_read_as_sshd_reads_it(text: str, key: Path, tmp_path: Path) -> None:
    compare(tmp_path / "ssh", {"sshd_config": f"{text}\n"}, key)


FILES = {
    "a-drop-in-before": {"sshd_config": f"Include d/*.conf\n{ALIVE} 90", "d/a.conf": f"{ALIVE} 5"},
    "a-drop-in-behind": {"sshd_config": f"{ALIVE} 90\nInclude d/*.conf", "d/a.conf": f"{ALIVE} 5"},
    "drop-ins-by-bytes": {"sshd_config": "Include d/*", "d/a": f"{ALIVE} 1", "d/B": f"{ALIVE} 2", "d/10": f"{ALIVE} 3"},
    "hidden-files": {"sshd_config": "Include d/*", "d/.a": f"{ALIVE} 1", "d/b": f"{ALIVE} 2"},
    "hidden-files-asked-for": {"sshd_config": "Include d/.*f", "d/.af": f"{ALIVE} 1", "d/b": f"{ALIVE} 2"},
    "an-absolute-path": {"sshd_config": "Include /etc/ssh/d/?.conf", "d/a.conf": f"{ALIVE} 5"},
    "a-folder": {"sshd_config": f"Include d*\n{ALIVE} 3", "d.conf/a.conf": f"{ALIVE} 5"},
    "an-include-in-a-match": {"sshd_config": f"Match User x\nInclude a\n{ALIVE} 9", "a": f"Match all\n{ALIVE} 5"},
    "an-include-in-match-all": {"sshd_config": f"Match all\nInclude a\n{ALIVE} 9", "a": f"{ALIVE} 5\nMatch User y"},
    "a-match-ends-with-its-file": {"sshd_config": f"Include a\n{ALIVE} 9", "a": f"Match User y\n{ALIVE} 5"},
    "a-match-in-a-match-all": {
        "sshd_config": f"Include a b\n{ALIVE} 9",
        "a": "Match all",
        "b": f"Match all\n{ALIVE} 7",
    },
    "seventeen-deep": {"sshd_config": "Include 1", **{f"{n}": f"Include {n + 1}" for n in range(1, 17)}, "17": "# end"},
    "sixteen-deep": {
        "sshd_config": "Include 1",
        **{f"{n}": f"Include {n + 1}" for n in range(1, 16)},
        "16": f"{ALIVE} 4",
    },
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_files_are_read_in_sshds_order(files: dict[str, str], key: Path, tmp_path: Path) -> None:
    compare(tmp_path / "ssh", files, key)


NAMES = st.sampled_from(
    ["sshd_config.d/10-a.conf", "sshd_config.d/9-B.conf", "sshd_config.d/.x.conf", "more", "sub/more"]
)
SETTINGS = st.builds(
    "{}{}{}".format,
    st.sampled_from(
        [ALIVE, ALIVE.lower(), "PasswordAuthentication", f'"{ALIVE}"', "# no", "ChallengeResponseAuthentication"]
    ),
    st.sampled_from([" ", "=", " = ", "\t ", "  "]),
    st.sampled_from(["no", "yes", "3m", "180", "'90'", '"5" # five', "1h30m", "yes"]),
).filter(lambda line: ("Alive" in line or "alive" in line) != line.endswith(("yes", "no")) or line.startswith("#"))
OTHERS = st.sampled_from(
    ["", "# a word", "Match all", "Match User x", "Match Address 10.0.0.0/8", "Include sshd_config.d/*.conf",
     "Include more sub/m*", "  Include /etc/ssh/sub/*", "X11Forwarding yes", "PermitRootLogin no # quite"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(SETTINGS, SETTINGS, OTHERS), max_size=8).map("\n".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(main=TEXTS, others=st.dictionaries(NAMES, TEXTS, max_size=4))
def test_any_configuration_is_read_as_sshd_reads_it(
    main: str, others: dict[str, str], key: Path, tmp_path: Path
) -> None:
    compare(tmp_path / "ssh", {"sshd_config": main, **others}, key)
