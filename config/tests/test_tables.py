"""The file of a migrated database's tables: another one as soon as a migration would make others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
import pytest

from config import embedded
from config.supervisor import prepare
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
def test_each_folder_has_all_tables_and_what_one_of_them_writes_is_in_no_other(tmp_path: Path) -> None:
    whole = tmp_path / "whole.sql"
    whole.write_text("CREATE TABLE words (word text); INSERT INTO words VALUES ('hull');")
    whole.with_suffix(".json").write_text("up to date")
    folders = [tmp_path / "there", tmp_path / "not" / "there"]
    folders[0].mkdir()
    for folder in folders:
        tables.fill(folder, whole)
        assert (folder / prepare.NOTE).read_text() == "up to date"
        with embedded.start(folder, redis=False), psycopg.connect(embedded.urls(folder).database) as session:
            assert session.execute("SELECT word FROM words").fetchall() == [("hull",)]
            session.execute("INSERT INTO words VALUES ('mast')")


@pytest.mark.usefixtures("servers")
def test_a_folder_is_filled_whole_or_not_at_all(tmp_path: Path) -> None:
    broken, folder = tmp_path / "broken.sql", tmp_path / "data"
    broken.write_text("CREATE TABLE letters (letter text); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(subprocess.CalledProcessError):
        tables.fill(folder, broken)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.sql"]
    with embedded.start(folder, redis=False), psycopg.connect(embedded.urls(folder).database) as session:
        with pytest.raises(subprocess.CalledProcessError):
            tables.read(embedded.urls(folder).database, broken)
        assert session.execute("SELECT to_regclass('letters')").fetchall() == [(None,)]
