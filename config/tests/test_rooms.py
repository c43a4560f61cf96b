"""The tree as a whole: no folder grows past what somebody can look through."""

from __future__ import annotations

from collections import Counter

from django.conf import settings

MOST_MODULES = 20
APPS = ("accounts", "benchmarks", "brokers", "config", "strategies")


def test_no_folder_holds_more_than_twenty_modules() -> None:
    modules = [path for app in APPS for path in (settings.BASE_DIR / app).rglob("*.py")]
    folders = Counter(str(path.parent) for path in modules if path.name != "__init__.py")
    assert len(folders) > 50, "the rooms are where this test looks for them"
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES} == {}
