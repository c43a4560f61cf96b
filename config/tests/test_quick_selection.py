"""A quick run leaves out whole files whose every test asks for the database, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from config.pytest_quick import pytest_ignore_collect


class Quick:
    """A run's configuration, as far as the selection asks."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick

    def getoption(self, name: str) -> Any:
        return self.quick and name == "quick"


def is_left_out(path: Path, text: str, *, quick: bool = True) -> bool:
    path.write_text(text, encoding="utf-8")
    return pytest_ignore_collect(path, cast(pytest.Config, Quick(quick=quick))) is True


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("pytestmark = pytest.mark.django_db\n", True),
        ("import pytest\n\npytestmark = pytest.mark.django_db(transaction=True)\n", True),
        ("pytestmark = [pytest.mark.slow, pytest.mark.django_db]\n", True),
        ("pytestmark = [\n    pytest.mark.django_db,\n]\n", True),
        ("pytestmark = pytest.mark.slow\n", False),
        ("pytestmark = [pytest.mark.slow]\n\n@pytest.mark.django_db\ndef test_it(): ...\n", False),
        ("@pytest.mark.django_db\ndef test_it(): ...\n\ndef test_that(): ...\n", False),
        ("class TestIt:\n    pytestmark = pytest.mark.django_db\n", False),
        ("# pytestmark = pytest.mark.django_db\n", False),
    ],
)
def test_a_file_is_left_out_when_all_of_it_asks_for_the_database(tmp_path: Path, text: str, left_out: bool) -> None:
    assert is_left_out(tmp_path / "test_it.py", text) is left_out
    assert not is_left_out(tmp_path / "test_it.py", text, quick=False)
    assert not is_left_out(tmp_path / "helpers.py", text)
