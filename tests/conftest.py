"""For every test: golden files, no deadlines, a note of each error that is made, and a small image that was built once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import error_recorder
import hypothesis
import pytest
from home import TOP, Home

LOOKS_BACK = "test_every_error.py"
"""Runs last: it asks which errors the others made."""

hypothesis.settings.register_profile("house", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    """Let errors be noted, here and in the programs that tests start (`tests/errors`).

    A file that the environment names already is added to and kept, so that one run can look back on several.
    """
    if error_recorder.FILE not in os.environ:
        noted = tempfile.TemporaryDirectory(prefix="flight-errors-")
        config.add_cleanup(noted.cleanup)
        os.environ[error_recorder.FILE] = os.path.join(noted.name, "heard")
    ours = Path(error_recorder.__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(ours), str(ours / "in_programs"), os.environ.get("PYTHONPATH")))
    )
    error_recorder.listen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == LOOKS_BACK)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        error_recorder.passed.add(report.nodeid)


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
