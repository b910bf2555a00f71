"""The certificate's page in a real browser: nothing in it runs, nothing is asked for, and it fits a telephone."""

from __future__ import annotations

from collections.abc import Iterator

import certificates
import pytest
from browser import browser, seen
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from flight.workflows.certify.report import render_html


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "refused.html").write_text(render_html(certificates.refused()))
    with browser(folder) as page:
        page.get((folder / "refused.html").as_uri())
        yield page


def resized(page: Chrome, width: int) -> Chrome:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return page


def is_shown(page: Chrome, words: str) -> bool:
    found = page.find_elements(By.XPATH, f"//td[text()='{words}']")
    return bool(found) and found[0].is_displayed()


def test_the_verdict_is_the_first_thing_that_is_seen(page: Chrome) -> None:
    header = page.find_element(By.TAG_NAME, "header").text.splitlines()
    assert header[1:3] == ["disk.vhd", "not certified"]


def test_words_of_a_disk_are_shown_and_never_obeyed(page: Chrome) -> None:
    shown = [each.text for each in page.find_elements(By.CSS_SELECTOR, ".rule .seen")]
    assert any("<script>alert('1')</script>" in text for text in shown)
    assert page.find_elements(By.TAG_NAME, "script") == []


def test_its_policy_lets_its_own_style_in_and_no_other(page: Chrome) -> None:
    assert page.get_log("browser") == []  # a refused style would be an error here
    verdict = page.find_element(By.CSS_SELECTOR, ".verdict strong")
    assert float(verdict.value_of_css_property("font-size").removesuffix("px")) > 30
    page.execute_script("document.body.insertAdjacentHTML('beforeend', '<style>header { display: none }</style>')")
    assert page.find_element(By.TAG_NAME, "header").is_displayed()


@pytest.mark.parametrize("width", [320, 400, 800, 1280])
def test_nothing_stands_beside_the_page(width: int, page: Chrome) -> None:
    page.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide = resized(page, width).execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


def test_what_is_folded_unfolds_when_it_is_asked_for(page: Chrome) -> None:
    resized(page, 1280).refresh()
    assert not is_shown(page, "2.15.0.1")
    page.find_element(By.CSS_SELECTOR, "nav .passed").click()
    assert seen(lambda: is_shown(page, "2.15.0.1"))


def test_on_paper_everything_is_unfolded(page: Chrome) -> None:
    page.refresh()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert is_shown(page, "2.15.0.1")
        assert not page.find_element(By.TAG_NAME, "nav").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
