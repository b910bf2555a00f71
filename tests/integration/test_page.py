"""The scheduler's page as people see it, in a real browser: names, status, progress, and nothing that runs by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import browser, seen
from home import Home
from kills import forget
from luigi.rpc import RemoteScheduler
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from flight.workflows import telling


@pytest.fixture(scope="module")
def home(tiny: Home) -> Iterator[Home]:
    assert tiny.flight("scheduler", "start").code == 0
    yield tiny
    assert tiny.flight("scheduler", "stop").code == 0


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Chrome]:
    with browser(tmp_path) as page:
        yield page


def address(home: Home) -> str:
    return f"http://127.0.0.1:{home.scheduler_port}/static/visualiser/index.html"


def rows(page: Chrome) -> list[str]:
    return [row.text for row in page.find_elements(By.CSS_SELECTOR, "#taskTable tbody tr")]


def message(page: Chrome) -> str:
    return page.find_element(By.CSS_SELECTOR, "#statusMessageModal pre").text


def test_a_walk_that_is_done_is_on_the_page_by_its_stages_names(home: Home, page: Chrome) -> None:
    forget(home, "ConvertImage")
    assert home.luigi("ConvertImage").code == 0
    page.get(address(home))
    shown = seen(lambda: [row for row in rows(page) if "ConvertImage" in row])
    assert "DONE" in shown[0]
    assert "recipe=tiny" in shown[0]
    page.save_screenshot(str(home.folder / "page-done.png"))


def test_a_stage_that_runs_says_what_it_is_doing(home: Home, page: Chrome) -> None:
    forget(home, "PrepareImage")
    run = home.start(*home.argv("PrepareImage"))
    try:
        page.get(address(home))
        button = "#taskTable .statusMessage[data-display-name^=PrepareImage]"
        seen(lambda: page.find_elements(By.CSS_SELECTOR, button) or page.refresh())
        page.find_element(By.CSS_SELECTOR, button).click()
        assert seen(lambda: "disk" in message(page) or "sysprep" in message(page))
        page.save_screenshot(str(home.folder / "page-running.png"))
    finally:
        os.kill(run.pid, signal.SIGTERM)
        run.communicate(timeout=60)


def test_what_a_program_said_is_shown_and_never_obeyed(home: Home, page: Chrome) -> None:
    scheduler = RemoteScheduler(f"http://127.0.0.1:{home.scheduler_port}")
    scheduler.add_task(worker="w", task_id="Spiteful", status="PENDING", runnable=True, family="Spiteful")
    scheduler.get_work(worker="w")
    said = "<img src=x onerror=\"document.title='hacked'\">"
    telling.say_status(lambda text: scheduler.set_task_status_message("Spiteful", text), said)
    page.get(address(home))
    button = "#taskTable .statusMessage[data-task-id=Spiteful]"
    seen(lambda: page.find_elements(By.CSS_SELECTOR, button) or page.refresh())
    page.find_element(By.CSS_SELECTOR, button).click()
    assert seen(lambda: message(page)) == said
    assert page.title == "Luigi Task Visualiser"
