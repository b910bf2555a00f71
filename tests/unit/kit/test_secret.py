import pickle

import pytest

from flight.workflows.kit.secret import MASK, Secret


@pytest.mark.parametrize(
    "shown",
    [
        str,
        repr,
        "{}".format,
        "{!r}".format,
        lambda s: f"{s}",
    ],
    ids=range(5),
)
def test_a_secret_never_prints(shown: object) -> None:
    assert shown(Secret("hunter2")) == MASK  # type: ignore[operator]


def test_a_secret_is_given_back_only_when_asked() -> None:
    assert Secret("hunter2").reveal() == "hunter2"


def test_a_secret_does_not_leave_the_process() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hunter2"))
