"""The tree as a whole: no folder grows past what somebody can look through, and each says what happens in it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
APPS = ("accounts", "benchmarks", "brokers", "config", "strategies")
MOST_MODULES = 20
# Folders that Django or pytest name, and tables of data: their name says what they are.
NAMED_BY_OTHERS = {"commands", "management", "migrations", "tables", "templatetags", "tests"}


def rooms() -> list[Path]:
    """The packages of the three apps below their top, without tests."""
    packages = [
        path.parent for app in ("accounts", "brokers", "strategies") for path in (ROOT / app).rglob("__init__.py")
    ]
    inside = [
        path for path in packages if path.parent != ROOT and not NAMED_BY_OTHERS & set(path.relative_to(ROOT).parts)
    ]
    return sorted(inside)


def test_no_folder_holds_more_than_twenty_modules() -> None:
    modules = [path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts]
    folders = Counter(str(path.parent) for path in modules if path.name != "__init__.py")
    assert len(folders) > 50, "the rooms are not where this test looks for them"
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("room", [str(path.relative_to(ROOT)) for path in rooms()])
def test_a_room_says_in_one_line_what_happens_in_it(room: str) -> None:
    line = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text())) or ""
    assert re.fullmatch(r"[A-Z`].{20,140}\.", line.partition("\n")[0]), f"{room}/__init__.py does not say it"


def test_the_architecture_page_names_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text() + (ROOT / "docs" / "simulator.md").read_text()
    unnamed = [str(path.relative_to(ROOT)) for path in rooms() if f"{path.name}/`" not in page]
    assert unnamed == []


def test_the_index_of_decisions_has_one_line_for_each_record() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[\d{4}\. .+?\]\((.+?)\) \| .+\. \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def pages() -> list[Path]:
    return sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))])


@pytest.mark.parametrize("page", [str(path.relative_to(ROOT)) for path in pages()])
def test_the_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(
        re.findall(r"`((?:accounts|benchmarks|bin|brokers|config|docs|static|strategies|templates)/[\w/.-]+)`", text)
    )
    missing = [name for name in named if not any((folder / name).exists() for folder in (ROOT, ROOT / "templates"))]
    assert missing == []
