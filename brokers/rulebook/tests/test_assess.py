"""The whole gate in one call: verdict, fee and margin."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Fee
from brokers.rulebook.answers import Accepted, Denied
from brokers.rulebook.assess import Assessment, Rates, assess
from brokers.rulebook.calendars import calendar
from brokers.rulebook.errors import BadInput
from brokers.rulebook.margin import buying_power, order_margin
from brokers.rulebook.margin.futures import MarginRow
from brokers.rulebook.values import Account, Instrument, OpenOrder, Order, Position, Quote

D = Decimal
NOON = datetime(2025, 7, 15, 16, tzinfo=UTC)
STOCK = Instrument(asset_class="equity", symbol="SPY")
EURUSD = Instrument(asset_class="forex", symbol="EURUSD", base_currency="EUR")
PUT = Instrument(asset_class="option", multiplier=D(100), right="put", strike=D(192))
ES = Instrument(asset_class="future", product="ES", multiplier=D(50))
QUOTE = Quote(price=D(250), bid=D("249.9"), ask=D("250.1"))
MARGIN = Account(total_value=D(25_000))


def market(quantity: Any) -> Order:
    return Order(type="market", quantity=D(quantity))


def asked(quantity: Any, account: Account = MARGIN, **rest: Any) -> Assessment:
    return assess(STOCK, market(quantity), QUOTE, account, NOON, calendar=calendar("us_equity"), **rest)


def why(assessment: Assessment) -> str | None:
    return assessment.verdict.reason if isinstance(assessment.verdict, Denied) else None


def test_it_tells_fee_and_margin_of_an_accepted_order() -> None:
    assessment = asked(100)
    assert assessment.allowed
    assert assessment.fee == Fee(D(1), "USD")
    assert assessment.power is not None
    assert (assessment.power.required, assessment.power.available) == (D(12_501), D(25_000))
    assert assessment.power.sentence == ""
    assert assessment.power.provenance.ruleset == "seed"


def test_it_denies_what_the_account_cannot_carry_and_says_by_how_much() -> None:
    assessment = asked(200)
    assert why(assessment) == "insufficient_buying_power"
    assert isinstance(assessment.verdict, Denied)
    assert assessment.verdict.sentence == (
        "The order needs 25001 USD of margin and 25000 is available. Order less, or add funds."
    )
    assert assessment.power is not None
    assert assessment.power.sentence == assessment.verdict.sentence


def test_it_stops_at_the_first_denial() -> None:
    assert asked(0) == Assessment(asked(0).verdict)
    assert why(asked(0)) == "quantity_zero"


def test_it_takes_the_brokers_own_figure_of_what_is_available() -> None:
    assert why(asked(100, Account(available=D(12_501)))) is None
    assert why(asked(100, Account(available=D(12_500)))) == "insufficient_buying_power"


def test_it_counts_the_room_to_turn_a_position_around() -> None:
    long = Position(quantity=D(100), average_price=D(250))
    poor = Account(available=D(0))
    assert why(asked(-100, poor, position=long)) is None
    assert why(asked(-199, poor, position=long)) is None
    assert why(asked(-201, poor, position=long)) == "insufficient_buying_power"


def test_it_counts_the_fee_in_account_currency() -> None:
    assessment = asked(100, Account(available=D(12_502)), rates=Rates(fee=D(2)))
    assert assessment.allowed
    assert why(asked(100, Account(available=D("12501.99")), rates=Rates(fee=D(2)))) == "insufficient_buying_power"


def test_it_denies_a_short_sale_in_a_cash_account_except_where_the_rules_allow_it() -> None:
    cash = Account(type="cash", total_value=D(100_000))
    held = Position(quantity=D(10), average_price=D(1))
    assessment = asked(-11, cash, position=held)
    assert why(assessment) == "short_sale_not_allowed_in_cash_account"
    assert isinstance(assessment.verdict, Denied)
    assert assessment.verdict.sentence == "A cash account cannot sell short. Sell at most the 10 you hold."
    assert why(asked(-10, cash, position=held)) is None
    assert why(asked(-11, cash, position=held, rules=rulesets.load("lean"))) is None


def test_it_pays_for_currencies_with_what_is_not_set_aside() -> None:
    account = Account(type="cash", balances={"USD": D(30_000), "EUR": D(25_000)})
    quote = Quote(price=D("1.10"), bid=D("1.10"), ask=D("1.10"))
    limit = Order(type="limit", quantity=D(20_000), limit_price=D("1.10"))
    working = [OpenOrder(base="EUR", quote="USD", order=limit)]
    alone = buying_power(EURUSD, limit, quote, account, fee=D(2))
    assert (alone.required, alone.available, alone.currency) == (D(22_002), D(30_000), "USD")
    assert alone.sufficient
    beside = buying_power(EURUSD, limit, quote, account, fee=D(2), open_orders=working)
    assert (beside.available, beside.reason) == (D(8_000), "insufficient_cash")
    assert beside.sentence == "The order needs 22002 USD and 8000 is free. Order less, or add funds."
    sale = buying_power(EURUSD, market(-25_000), quote, account)
    assert (sale.sufficient, sale.currency) == (True, "EUR")
    bought = buying_power(EURUSD, market(27_270), quote, account, fee=D(2), base_rate=D("1.1"))
    assert bought.sufficient
    assert not buying_power(EURUSD, market(27_272), quote, account, fee=D(2), base_rate=D("1.1")).sufficient


def test_it_margins_written_options_by_their_underlying() -> None:
    premium = Quote(price=D(14))
    margin = order_margin(PUT, D(-2), premium, MARGIN, underlying_price=D(182))
    assert margin == D(-10_080)
    assert order_margin(PUT, D(2), premium, MARGIN) == D(2_800)
    with pytest.raises(BadInput, match="underlying_price"):
        order_margin(PUT, D(-2), premium, MARGIN)


def test_it_margins_futures_by_date_or_by_rows_of_the_caller() -> None:
    price = Quote(price=D(5_000))
    assert order_margin(ES, D(2), price, MARGIN, today=date(2025, 7, 15)) == D(23_760)
    assert order_margin(ES, D(2), price, MARGIN, today=date(2020, 3, 18)) == D(23_320)
    rows = [MarginRow(date(2025, 1, 1), D(20_000), D(18_000))]
    assert order_margin(ES, D(-1), price, MARGIN, today=date(2025, 7, 15), future_rows=rows) == D(-20_000)
    with pytest.raises(BadInput, match="today"):
        order_margin(ES, D(1), price, MARGIN)


@pytest.mark.parametrize(
    ("product", "since"), [("ES", "2022-01-21"), ("MES", "2022-01-21"), ("M2K", "2022-01-07"), ("MCL", "2022-02-07")]
)
def test_a_margin_of_years_ago_is_shown_with_its_date_and_denies_nothing(product: str, since: str) -> None:
    instrument, poor = Instrument(asset_class="future", product=product, market="cme"), Account(available=D(1))
    assessment = assess(instrument, market(1), QUOTE, poor, NOON)
    assert isinstance(assessment.verdict, Accepted)
    assert [caution.sentence for caution in assessment.verdict.cautions] == [
        f"The margin of {product} is the exchange's figure of {since}, too old to refuse by: "
        "IBKR decides when the order arrives."
    ]
    assert assessment.power is not None
    assert assessment.power.required > 1


def test_a_margin_of_its_own_day_denies_what_the_account_cannot_carry() -> None:
    day = datetime(2022, 2, 8, 16, tzinfo=UTC)
    for quantity, allowed in ((D(1), True), (D(-1), True), (D(2), False), (D(-2), False)):
        assessment = assess(ES, market(quantity), QUOTE, Account(available=D(12_000)), day)
        assert assessment.allowed is allowed
    rows = [MarginRow(date(2019, 1, 1), D(20_000), D(18_000))]
    asked = assess(ES, market(1), QUOTE, Account(available=D(12_000)), NOON, future_rows=rows)
    assert why(asked) == "insufficient_buying_power"


def test_it_margins_future_options_on_the_curve_of_their_future() -> None:
    call = Instrument(asset_class="future_option", product="ES", multiplier=D(50), right="call", strike=D(5_000))
    day = date(2025, 7, 15)
    long = order_margin(call, D(1), Quote(price=D(40)), MARGIN, today=day, underlying_price=D(5_000))
    short = order_margin(call, D(-2), Quote(price=D(40)), MARGIN, today=day, underlying_price=D(5_000))
    assert long == D(7_128)
    assert short == D(-18_802)


def test_it_uses_the_leverage_of_the_account() -> None:
    quote = Quote(price=D("1.1"))
    assert order_margin(EURUSD, D(100_000), quote, MARGIN) == D(2_200)
    assert order_margin(EURUSD, D(100_000), quote, Account(leverage=D(20))) == D(5_500)
    assert order_margin(STOCK, D(-100), QUOTE, Account(type="cash")) == D(-25_000)


def test_it_counts_only_the_unfilled_part() -> None:
    half = Order(type="market", quantity=D(200), filled_quantity=D(100))
    assert buying_power(STOCK, half, QUOTE, MARGIN).required == D(12_500)
