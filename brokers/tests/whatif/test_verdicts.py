"""Whether an entry may leave by what IBKR's preview says of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from brokers.domain.whatif.figures import Figure, OrderPreview
from brokers.domain.whatif.verdict import why_not


def figures(worth: str | None, initial: str | None, maintenance: str | None = None) -> OrderPreview:
    def after(value: str | None) -> Figure:
        return Figure() if value is None else Figure(after=Decimal(value))

    return OrderPreview(equity=after(worth), initial=after(initial), maintenance=after(maintenance))


@pytest.mark.parametrize(
    ("preview", "code"),
    [
        (figures("1000", "1000", "900"), ""),
        (figures("1000", "1000.01"), "preview-short"),
        (figures("1000", "900", "1000.01"), "preview-short"),
        (figures("-1", "0"), "preview-short"),
        (figures("1000", "-1"), "preview-short"),
        (figures(None, "1000"), ""),
        (figures("1000", None), "preview-without-figures"),
        (OrderPreview(), "preview-without-figures"),
        (OrderPreview(warning="Careful."), "preview-without-figures"),
        (OrderPreview(refusal="No trading permissions."), "preview-refused"),
    ],
)
def test_a_refusal_or_too_little_or_silence_keeps_it(preview: OrderPreview, code: str) -> None:
    why = why_not(preview, "EUR")
    assert (why.code if why else "") == code
    if why:
        assert why.reason.startswith("Not sent: ")
        assert len(why.reason) <= 400


def test_words_of_ibkr_without_end_are_cut() -> None:
    why = why_not(OrderPreview(refusal="No. " * 2000), "USD")
    assert why is not None
    assert len(why.reason) <= 400
