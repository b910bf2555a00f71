"""For every test: golden files, no deadlines, and a small image that was built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from home import TOP, Home

hypothesis.settings.register_profile("house", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Iterator[object]:
    """`golden("name.xml", text)` compares with tests/golden/name.xml; a missing file fails, --regenerate writes it."""
    folder = Path(__file__).parent / "golden"

    def compare(name: str, text: str) -> None:
        path = folder / name
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"no golden file {path}: run pytest --regenerate, then read what it wrote"
        assert text == path.read_text(), f"differs from {path}: run pytest --regenerate if the change is meant"

    yield compare


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose small image was built, uploaded and registered once; what is made anew there replaces what was sent."""
    home = Home(tmp_path_factory.mktemp("tiny"), recipe="tiny", recipes=TOP / "tests" / "recipes")
    home.configure("upload.replace=true")
    ran = home.luigi("UploadImage", "--local-scheduler")
    assert ran.code == 0, ran.said
    yield home
    home.stop_servers()
