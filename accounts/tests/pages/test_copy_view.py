"""How pages speak."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGES = [path for path in sorted((ROOT / "templates").rglob("*")) if path.suffix in {".html", ".txt"}]
# A mail has no policy and can fetch no styles: what it needs stands in it.
MAILS = {ROOT / "templates/accounts/letter.html"}
SOURCES = sorted(path for app in ("accounts", "brokers", "strategies") for path in (ROOT / app / "pages").rglob("*.py"))


@pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_it_neither_boasts_nor_shrugs(path: Path) -> None:
    text = path.read_text().lower()
    for phrase in ("successfully", "something went wrong", "oops", "please try again later"):
        assert phrase not in text


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.suffix == ".html" and path not in MAILS], ids=lambda path: path.name
)
def test_it_has_nothing_inline_that_the_policy_would_stop(path: Path) -> None:
    text = path.read_text()
    assert "<style" not in text
    assert not re.search(r"\sstyle=", text)
    assert not re.search(r"\son[a-z]+=", text)
    # Blocks of data never run, and no policy stops them.
    assert not re.search(r"<script(?![^>]*\ssrc=)(?![^>]*\stype=\"application/json\")", text)
    assert not re.search(r"(src|href)=\"https?://", text)
