"""apt's sources in both forms, dnf's repositories."""

from __future__ import annotations

import pytest
from trees import changed

from flight.workflows.certify.effective.repositories import apt_sources, dnf_repositories
from flight.workflows.certify.facts import Container, PartitionTable, Snapshot

NOTHING = Snapshot(Container("x", 0, "raw", ""), PartitionTable("none"))
URI = "https://archive.example/debian"
STANZA = f"# words\nTypes: deb deb-src\nURIs: {URI}\nSuites: trixie trixie-updates\nComponents: main\nSigned-By:\n a\n .\n b\n"
APT = {
    "one-line": ("x.list", f"deb {URI} trixie main\n", ["trixie"]),
    "options": (
        "x.list",
        f"deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] {URI} trixie main # why\n",
        ["trixie"],
    ),
    "a-comment": ("x.list", f"# deb {URI} trixie main\n", []),
    "only-sources": ("x.list", f"deb-src {URI} trixie main\n", []),
    "stanza": ("x.sources", STANZA, ["trixie", "trixie-updates"]),
    "two-stanzas": (
        "x.sources",
        f"{STANZA}\n  \nTypes: deb\nURIs: {URI}\nSuites: other\n",
        ["trixie", "trixie-updates", "other"],
    ),
    "not-enabled": ("x.sources", f"Enabled: no\n{STANZA}", []),
    "continued": ("x.sources", f"Types: deb\nURIs:\n {URI}\nSuites: a\n b\n", ["a", "b"]),
    "in-capitals": (
        "x.sources",
        STANZA.replace("URIs", "URIS").replace("Types", "TYPES"),
        ["trixie", "trixie-updates"],
    ),
    "another-ending": ("x.list.save", f"deb {URI} trixie main\n", []),
    "another-sign": ("x y.list", f"deb {URI} trixie main\n", []),
    "garbage": ("x.sources", "Types\nURIs: \n:\n  x\n\n\nTypes: deb\n", []),
}


@pytest.mark.parametrize(("name", "text", "suites"), APT.values(), ids=APT)
def test_apt_s_sources_are_read(name: str, text: str, suites: list[str]) -> None:
    sources = apt_sources(changed(NOTHING, files={f"/etc/apt/sources.list.d/{name}": text}).tree)
    assert [each.suite for each in sources] == suites
    assert {each.uri for each in sources} <= {URI}


@pytest.mark.parametrize(
    "uri", ["mirror+file:/etc/apt/mirrors/debian.list", "mirror+file:///etc/apt/mirrors/debian.list"]
)
def test_a_list_of_mirrors_stands_for_what_it_names(uri: str) -> None:
    files = {
        "/etc/apt/sources.list": f"deb {uri} trixie main\n",
        "/etc/apt/mirrors/debian.list": f"# first\n{URI} priority:1\n\nhttps://other.example/debian\n",
    }
    sources = apt_sources(changed(NOTHING, files=files).tree)
    assert [(each.uri, each.at) for each in sources] == [
        (URI, "/etc/apt/sources.list:1"),
        ("https://other.example/debian", "/etc/apt/sources.list:1"),
    ]


def test_a_list_of_mirrors_that_is_missing_names_none() -> None:
    files = {"/etc/apt/sources.list": "deb mirror+file:/etc/apt/mirrors/none.list trixie main\n"}
    assert apt_sources(changed(NOTHING, files=files).tree) == ()


def test_dnf_s_repositories_are_read() -> None:
    text = (
        "[main]\nx=1\n[baseos]\nname=B\nmirrorlist=https://list.example/\n[debug]\nenabled=0\nbaseurl=https://a.example/\n"
        "[off]\nenabled=False\n"
    )
    files = {"/etc/yum.repos.d/x.repo": text, "/etc/yum.repos.d/x.repo.rpmsave": "[saved]\n"}
    found = [(each.id, each.is_enabled, each.uri) for each in dnf_repositories(changed(NOTHING, files=files).tree)]
    assert found == [
        ("baseos", True, "https://list.example/"),
        ("debug", False, "https://a.example/"),
        ("off", False, ""),
    ]
