"""The options on futures that are listed today, by the gateway's own catalogue, and what Halyard calls them."""

from __future__ import annotations

from django.utils import timezone

from brokers.rulebook.products import futures as products
from brokers.simulator.catalogue import futures, options
from brokers.simulator.catalogue.instrument import Instrument


def months_of(root: str) -> list[Instrument]:
    number = futures.number_of(root)
    assert number is not None
    product = futures.underlying(root)
    assert product is not None
    return futures.months_behind(product, timezone.now().date())


def chain_of(root: str, right: str = "C") -> list[Instrument]:
    """The options on a root that are listed, by the gateway's own catalogue."""
    today, product = timezone.now().date(), futures.underlying(root)
    assert product is not None
    listed = [
        each
        for month in options.months(product.conid, today)
        for each in options.chain(product.conid, month, product.base_price, today)
    ]
    return [each for each in listed if each.right == right and each.expiry is not None and each.expiry > today]


def future_of(option: Instrument) -> Instrument:
    found = futures.find(option.underlying_conid)
    assert found is not None
    return found


def code_of(option: Instrument) -> str:
    month = future_of(option).month
    assert month is not None
    return products.code_of(option.symbol, month)


def name_of(option: Instrument) -> str:
    assert option.expiry is not None
    return f"{code_of(option)} {option.expiry:%y%m%d}{option.right}{option.strike.normalize():f}"
