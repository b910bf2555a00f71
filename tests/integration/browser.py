"""A real browser, headless: Debian's Chromium, driven as a person would drive it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

Seen = TypeVar("Seen")
WIDE, NARROW = (1400, 900), (400, 800)
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # the tests run as root
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
)


@contextlib.contextmanager
def browser(folder: Path, *, size: tuple[int, int] = WIDE) -> Iterator[Chrome]:
    """A browser with a fresh profile in `folder`; gone, with its driver, when the block ends."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(argument)
    page = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield page
    finally:
        page.quit()


def seen(look: Callable[[], Seen], *, within_s: float = 30) -> Seen:
    """What `look` finds, as soon as it finds something; pages fill themselves after they are loaded."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it never showed on the page"
        time.sleep(0.2)
    return found
