"""The certificate as a page; what a browser makes of it is tests/integration/certify/test_report_page.py's."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from certificates import HOSTILE

from flight.workflows.certify.certificate import Certificate
from flight.workflows.certify.report.html import render_html, sections_of

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """What stands in a page: its tags, their attributes, its words; and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words, self._open = "", list[str]()
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words += data


def test_a_refused_image_is_told_as_it_was(refused: Certificate, golden: Callable[[str, str], None]) -> None:
    golden("certify/refused.html", render_html(refused))


def test_every_rule_stands_in_one_section(refused: Certificate, certified: Certificate, unusable: Certificate) -> None:
    for certificate in (refused, certified, unusable):
        shown = [each.rule.id for section in sections_of(certificate) for each in section.judged]
        assert sorted(shown) == sorted(each.rule.id for each in certificate.judged)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("blocking", ["cmdline-console", "history-absent", "no-private-keys", "initrd-hv-full"]),
        ("mending", ["cmdline-no-quiet", "azure-vm-utils"]),
        ("undecided", ["dns-works"]),
        ("overridden", ["first-mib-free"]),
    ],
)
def test_what_stands_in_the_way_stands_by_itself(name: str, rules: list[str], refused: Certificate) -> None:
    (section,) = [section for section in sections_of(refused) if section.name == name]
    assert [each.rule.id for each in section.judged] == rules


def test_words_of_a_disk_are_words_on_the_page(with_words: Callable[[str], Certificate]) -> None:
    calm, hostile = Page(render_html(with_words("calm"))), Page(render_html(with_words(HOSTILE)))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in calm.tags]
    assert [sorted(attributes) for _, attributes in hostile.tags] == [sorted(each) for _, each in calm.tags]
    assert "<script>alert('1')</script>" in hostile.words
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\udc80-\udcff]", hostile.words)


def test_the_page_asks_for_nothing_and_runs_nothing(refused: Certificate) -> None:
    page = Page(render_html(refused))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form", "base"}
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "style", "action")}
        assert (attributes.get("href") or "#").startswith("#")


def test_its_own_style_is_the_only_thing_that_its_policy_lets_in(refused: Certificate) -> None:
    text = render_html(refused)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\"" in text


def test_commands_in_a_fix_are_set_as_code(refused: Certificate) -> None:
    text = render_html(refused)
    assert "put <code>console=ttyS0</code> into GRUB_CMDLINE_LINUX" in text


def test_a_text_without_end_is_cut(with_words: Callable[[str], Certificate]) -> None:
    assert len(render_html(with_words("never " * 1_000_000))) < 1_000_000
