"""The product shows the trading rules of the document, and no decision names a rule that is not among them."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from strategies.display import rules
from strategies.models import Decision

IDS = re.compile(r'"([DGHPRSTBXA]\d\d)s?"')


def named_in_code() -> set[str]:
    """Rule ids as the code of decisions writes them, tests apart."""
    folders = [settings.BASE_DIR / "strategies", settings.BASE_DIR / "brokers" / "rulebook"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    files = [path for path in files if "tests" not in path.relative_to(settings.BASE_DIR).parts]
    return {name for path in files for name in IDS.findall(path.read_text(encoding="utf-8"))}


def test_every_rule_that_code_names_has_its_row() -> None:
    assert len(named_in_code()) > 70
    assert named_in_code() - set(rules.table()) == set()


def test_every_row_of_the_document_is_read() -> None:
    text = (settings.BASE_DIR / "docs" / "trading-rules.md").read_text(encoding="utf-8")
    assert list(rules.table()) == re.findall(r"^\| ([A-Z]\d\d) ", text, re.MULTILINE)


def test_a_row_says_when_and_what_with_its_codes_marked() -> None:
    row = rules.rule("D03")
    assert row is not None
    assert (row.id, row.section, row.mirrored) == ("D03", "Buys and sells", False)
    assert (row.when, row.what) == ("buy, sentiment flat, flat", "rejected <code>no-entry-sentiment</code>")


def test_the_mirror_of_a_row_is_the_row_read_the_other_way() -> None:
    row, mirror = rules.rule("D09"), rules.rule("D09s")
    assert row is not None
    assert mirror is not None
    assert (mirror.id, mirror.what, mirror.mirrored) == ("D09s", row.what, True)


@pytest.mark.parametrize("name", ["", "R9", "D99", "s"])
def test_a_rule_that_is_no_row_is_none(name: str) -> None:
    assert rules.rule(name) is None


def test_what_the_document_says_cannot_become_markup() -> None:
    assert rules._html("a < b, `x<y`, *no*") == "a &lt; b, <code>x&lt;y</code>, <em>no</em>"


def test_a_rule_fits_its_column() -> None:
    longest = Decision._meta.get_field("rule").max_length
    assert longest is not None
    assert max(map(len, rules.table())) + 1 <= longest
