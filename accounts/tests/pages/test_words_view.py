"""How values look."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.http import QueryDict
from django.template import Context, Template

from accounts.templatetags import ui

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [("10", "10"), ("10.00", "10"), ("1234567.50", "1,234,567.5"), ("0.25", "0.25")],
)
def test_quantities_have_no_trailing_zeros(value: str, text: str) -> None:
    assert ui.quantity(Decimal(value)) == text


@pytest.mark.parametrize(("value", "text"), [("187", "187.00"), ("1.08125", "1.08125"), ("21000.250", "21,000.25")])
def test_prices_have_two_decimals_or_more(value: str, text: str) -> None:
    assert ui.price(Decimal(value)) == text


def test_money_carries_its_currency_and_profit_its_sign() -> None:
    assert ui.money(Decimal("-12345.675"), "USD") == "\N{MINUS SIGN}12,345.68 USD"
    assert ui.signed_money(Decimal(5)) == "+5.00"
    assert ui.signed_money(Decimal(-5)) == "\N{MINUS SIGN}5.00"
    assert ui.signed_money(Decimal(0)) == "0.00"
    assert ui.money(None) == ui.DASH


@pytest.mark.parametrize("kind", sorted(ui.BADGES))
def test_no_colour_without_an_icon_and_a_word(kind: str) -> None:
    for word in ui.BADGES[kind]:
        html = ui.badge(kind, word)
        assert "<svg" in html
        assert html.rpartition("</svg>")[2].startswith(ui.LABELS.get(word, ui.words(word)))


def test_a_moment_is_a_time_element_with_utc_on_hover() -> None:
    html = Template("{% moment at %}").render(Context({"at": AT}))
    assert html == (
        '<time datetime="2026-11-20T15:00:00+00:00" data-style="time" title="2026-11-20 15:00:00 UTC">15:00:00</time>'
    )


def test_a_link_keeps_the_other_filters() -> None:
    request = SimpleNamespace(GET=QueryDict("ticker=SPY&before=x"))
    assert ui.query(Context({"request": request}), before="y") == "?ticker=SPY&before=y"
    assert ui.query(Context({"request": request}), before="") == "?ticker=SPY"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("187.33333333", "187.3333"),
        ("1.08345333", "1.083453"),
        ("0.45673333", "0.4567333"),
        ("98765.43219876", "98,765.43"),
        ("187", "187.00"),
        ("-12.34567891", "-12.34568"),
    ],
)
def test_an_average_has_the_digits_that_say_something(value: str, text: str) -> None:
    assert ui.average(Decimal(value)) == text
