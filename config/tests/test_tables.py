"""The file of a migrated database's tables: another one as soon as a migration would make others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from config import embedded
from config.tests import tables


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One app: a migration that imports a module, which imports another; and one that no migration imports."""
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    for name, text in {
        "accounts/migrations/0001_initial.py": "import accounts.words\n",
        "accounts/words.py": "from accounts.letters import A\n",
        "accounts/letters/__init__.py": "A = 1\n",
        "accounts/views.py": "B = 1\n",
        "requirements-dev.lock": "django==5.2\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "is_another"),
    [
        ("accounts/migrations/0001_initial.py", True),
        ("accounts/migrations/0002_more.py", True),
        ("accounts/words.py", True),
        ("accounts/letters/__init__.py", True),
        ("requirements-dev.lock", True),
        ("accounts/views.py", False),
    ],
)
def test_it_is_another_file_when_a_migration_would_make_other_tables(
    project: Path, name: str, is_another: bool
) -> None:
    before = tables.file()
    assert tables.file() == before
    with (project / name).open("a") as changed:
        changed.write("# changed\n")
    assert (tables.file() != before) is is_another


@pytest.mark.usefixtures("servers")
def test_a_folder_is_filled_whole_or_not_at_all(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.sql", tmp_path / "broken.sql"
    whole.write_text("CREATE TABLE words (word text); INSERT INTO words VALUES ('hull');")
    broken.write_text("CREATE TABLE letters (letter text); INSERT INTO nowhere VALUES (1);")
    folder = tmp_path / "data"
    tables.fill(folder, whole)
    with embedded.start(folder, redis=False), psycopg.connect(embedded.urls(folder).database) as session:
        assert session.execute("SELECT word FROM words").fetchall() == [("hull",)]
        with pytest.raises(subprocess.CalledProcessError):
            tables.read(embedded.urls(folder).database, broken)
        assert session.execute("SELECT to_regclass('letters')").fetchall() == [(None,)]
