"""A split in words, as pages and the API show it: what happened to a holding, or what is asked about it."""

from __future__ import annotations

from brokers.book.options.delivered import shares_of
from brokers.domain.actions import words
from brokers.domain.actions.reading import Ratio, State, reading_of
from brokers.models import CorporateAction


def sentence(row: CorporateAction) -> str:
    """What happened to a holding, or what is asked about it."""
    ratio = row.ratio
    if ratio is not None:
        said = words.happened(row.ticker, ratio, row.before, row.after, row.seen_at, row.ticker_before)
        return said + _delivers(row, ratio) + words.in_lieu(row.fraction)
    if row.state == State.ASKED:
        likely = reading_of(row.quantity_before, row.quantity)
        return words.asked(row.ticker, row.before, row.after, likely, row.ticker_before)
    return words.no_split(row.ticker, row.before, row.after, row.ticker_before)


def _delivers(row: CorporateAction, ratio: Ratio) -> str:
    """What a contract delivers since whose terms the split has changed; "" of others."""
    if not row.ticker_before or not ratio.is_one:
        return ""
    return f" It is {words.delivers(shares_of(row.account, row.conid))}."
