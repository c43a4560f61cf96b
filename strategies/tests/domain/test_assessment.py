"""What the rulebook says of each order before it is sent: the verdict, the fee, the margin, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.capabilities import Capabilities
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderIntent, OrderType, Role, Side
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import MarginPreview, Snapshot
from strategies.domain.plan.assessment import assess
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.plan import Rejection
from strategies.domain.plan.question import price_of
from strategies.domain.plan.translation import product_of

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SATURDAY = NOW + timedelta(days=1)
AAPL = Contract(instrument=Instrument(ticker="AAPL"), conid=265598, exchange="NASDAQ")


def contract(ticker: str, asset_class: AssetClass, **values: Any) -> Contract:
    return Contract(instrument=Instrument(ticker=ticker, asset_class=asset_class), conid=1, **values)


ES = contract("ESZ2026", AssetClass.FUTURE, exchange="CME", multiplier=Decimal(50))
MES = contract("MESZ2026", AssetClass.FUTURE, exchange="CME", multiplier=Decimal(5))
SIL = contract("SILZ2026", AssetClass.FUTURE, exchange="COMEX", multiplier=Decimal(1000))
MNQ = contract("MNQZ2026", AssetClass.FUTURE, exchange="CME", multiplier=Decimal(2))
EURUSD = contract("EURUSD", AssetClass.FOREX, exchange="IDEALPRO")
USDJPY = contract("USDJPY", AssetClass.FOREX, exchange="IDEALPRO", currency="JPY")
EURGBP = contract("EURGBP", AssetClass.FOREX, exchange="IDEALPRO", currency="GBP")


def snapshot(of: Contract = AAPL, available: str | None = "25000", **values: Any) -> Snapshot:
    return Snapshot(
        account_id="SIM1",
        contract=of,
        average_cost=None,
        working=(),
        equity=None,
        currency="USD",
        as_of=NOW,
        available_funds=None if available is None else Decimal(available),
        **{"position": Decimal(0), "quote": None, "buying_power": None, **values},
    )


def ask(
    seen: Snapshot, quantity: str, price: str | None = None, *, now: datetime = NOW, **values: Any
) -> Estimate | Rejection:
    fields = {"role": Role.ENTRY, "side": Side.BUY, "type": OrderType.MARKET, **values}
    intent = OrderIntent(instrument=seen.contract.instrument, quantity=Decimal(quantity), **fields)
    return assess(intent, seen, now, signal_price=None if price is None else Decimal(price))


def line(answer: Estimate | Rejection) -> str:
    assert isinstance(answer, Estimate), answer
    return answer.sentence


def refusal(answer: Estimate | Rejection) -> tuple[str, str, str]:
    assert isinstance(answer, Rejection), answer
    return answer.rule, answer.code, answer.reason


def test_an_entry_is_told_its_fee_and_its_margin() -> None:
    answer = ask(snapshot(), "10", "231")
    assert line(answer) == "Estimated fee 1.00 USD; margin needed 1,156.00 USD of 25,000.00 available."


@pytest.mark.parametrize(
    ("ticker", "what"), [("AAPL", "a share"), ("XAUUSD", "a metal"), ("IBUS500", ""), ("EURUSD", "")]
)
def test_a_fee_that_no_table_has_is_said_to_be_assumed(ticker: str, what: str) -> None:
    cfd = contract(ticker, AssetClass.CFD)
    said = line(ask(snapshot(cfd, mark=Decimal(100), buying_power=Decimal(1_000_000)), "1", "100"))
    assumed = f"What IBKR charges for a CFD on {what} is in no table here: the rate of CFDs in general is assumed."
    assert (assumed in said) is bool(what)
    assert ("in no table" in said) is bool(what)


def test_an_entry_beyond_the_funds_is_denied_with_the_figures() -> None:
    assert refusal(ask(snapshot(available="900"), "10", "231")) == (
        "R04",
        "insufficient_buying_power",
        "Margin needed 1,156.00 USD of 900.00 available. That is a buying power of 1,800.00 USD for shares. "
        "Order less, or add funds.",
    )


def test_the_last_cent_of_the_funds_is_enough() -> None:
    assert isinstance(ask(snapshot(available="1156"), "10", "231"), Estimate)
    assert isinstance(ask(snapshot(available="1155.99"), "10", "231"), Rejection)


def test_an_exit_is_never_denied_for_want_of_funds() -> None:
    seen = snapshot(available="0", position=Decimal(10), environment=Environment.LIVE)
    answer = ask(seen, "10", "231", role=Role.EXIT, side=Side.SELL)
    assert line(answer) == "Estimated fee 1.00 USD; no margin needed, since it only closes."


@pytest.mark.parametrize("role", [Role.EXIT, Role.TAKE_PROFIT, Role.STOP_LOSS])
def test_a_way_out_is_never_denied_for_its_size_or_a_missing_table(role: Role) -> None:
    for of, held in ((EURUSD, "2000"), (EURUSD, "9000000"), (MNQ, "1"), (AAPL, "0.5")):
        seen = snapshot(of, available="0", position=Decimal(held), environment=Environment.LIVE)
        assert isinstance(ask(seen, held, role=role, side=Side.SELL), Estimate)


def test_funds_that_are_not_known_deny_nothing() -> None:
    answer = ask(snapshot(available=None), "10", "231")
    assert line(answer) == "Estimated fee 1.00 USD; margin needed 1,156.00 USD; what is available is not known yet."


def test_without_a_price_it_says_so_and_denies_nothing() -> None:
    assert line(ask(snapshot(), "100000")) == "No fee estimated; margin unknown. No price is known."


def test_a_future_needs_no_price() -> None:
    answer = ask(snapshot(ES), "1", now=datetime(2022, 2, 8, 15, 0, tzinfo=UTC))
    assert line(answer) == "Estimated fee 2.15 USD; margin needed 11,882.15 USD of 25,000.00 available."


def test_a_published_margin_refuses_while_it_is_of_today_and_informs_when_it_is_old() -> None:
    then = datetime(2022, 2, 8, 15, 0, tzinfo=UTC)
    assert refusal(ask(snapshot(ES, "900"), "1", now=then)) == (
        "R04",
        "insufficient_buying_power",
        "Margin needed 11,882.15 USD of 900.00 available. Order less, or add funds.",
    )
    for of, figure in ((ES, "11,882.15"), (MES, "1,188.57")):
        name = of.instrument.ticker[:-5]
        assert line(ask(snapshot(of, "900"), "1")).endswith(
            f"margin needed {figure} USD of 900.00 available. The margin of {name} is the exchange's figure of "
            "2022-01-21, too old to refuse by, so IBKR decides when the order arrives."
        )


def previewed(initial: str | None, age: timedelta = timedelta(0), **values: Any) -> MarginPreview:
    figure = None if initial is None else Decimal(initial)
    columns = {"side": Side.BUY, "quantity": Decimal(1), **values}
    return MarginPreview(initial=figure, as_of=NOW - age, **columns)


@pytest.mark.parametrize("environment", list(Environment))
@pytest.mark.parametrize("of", ["MES", "MNQ", "M2K", "MGC", "SIL", "FDXS"])
def test_ibkrs_preview_decides_about_a_future(of: str, environment: Environment) -> None:
    future = contract(f"{of}Z2026", AssetClass.FUTURE, exchange="CME", multiplier=Decimal(5))
    shown = {"previews": (previewed("2400"),), "environment": environment, "permitted": True}
    assert "margin needed by IBKR's preview 7,20" in line(ask(snapshot(future, "8000", **shown), "3"))
    rule, code, reason = refusal(ask(snapshot(future, "7000", **shown), "3"))
    assert (rule, code) == ("R04", "insufficient_buying_power")
    assert reason.startswith("Margin needed by IBKR's preview 7,20")
    assert reason.endswith(" USD of 7,000.00 available. Order less, or add funds.")
    # It was asked about purchases.
    assert isinstance(ask(snapshot(future, "7000", **shown), "3", side=Side.SELL), Estimate)
    leaving = snapshot(future, "0", position=Decimal(3), **shown)
    assert isinstance(ask(leaving, "3", role=Role.EXIT, side=Side.SELL), Estimate)


def test_a_preview_of_another_day_informs_with_its_date() -> None:
    for age, words in (
        (timedelta(minutes=6), "The margin is IBKR's of 2026-11-20 14:54 UTC, so IBKR decides when the order arrives."),
        (timedelta(days=8), "the exchange's figure of 2022-01-21"),
    ):
        assert words in line(ask(snapshot(MNQ, "900", previews=(previewed("2400", age),)), "1"))
    fresh = snapshot(MNQ, "900", previews=(previewed("2400", timedelta(minutes=5)),))
    assert isinstance(ask(fresh, "1"), Rejection)


def test_a_refused_preview_counts_for_orders_of_its_size_and_for_ten_seconds() -> None:
    short = {"quantity": Decimal(2), "refusal": "YOUR EQUITY MUST EXCEED THE INITIAL MARGIN", "short": True}
    for age, quantity, refused in ((0, "2", True), (10, "3", True), (0, "1", False), (11, "2", False)):
        shown = (previewed(None, timedelta(seconds=age), **short),)
        answer = ask(snapshot(MNQ, "100000", previews=shown), quantity)
        assert isinstance(answer, Rejection) is refused, (age, quantity)
        if isinstance(answer, Rejection):
            assert answer.reason == (
                "IBKR's preview does not take it: the account has too little money for its margin. "
                "Order less, or add funds."
            )


@pytest.mark.parametrize("environment", list(Environment))
def test_a_future_without_margin_data_is_sent_and_ibkr_decides(environment: Environment) -> None:
    note = "No margin of SIL is on record here, so IBKR decides when the order arrives."
    answer = ask(snapshot(SIL, environment=environment), "1")
    assert "; margin unknown." in line(answer)
    assert note in line(answer)


@pytest.mark.parametrize(("ticker", "exchange"), [("SILZ2026", "COMEX"), ("QMF2027", "NYMEX"), ("VXMZ2026", "CFE")])
def test_no_future_is_refused_for_want_of_a_table(ticker: str, exchange: str) -> None:
    contract = replace(MNQ, instrument=replace(MNQ.instrument, ticker=ticker), exchange=exchange)
    answer = ask(snapshot(contract, environment=Environment.LIVE), "1")
    assert isinstance(answer, Estimate), answer
    assert "is on record here, so IBKR decides when the order arrives." in line(answer)


def test_a_currency_order_outside_ibkrs_sizes_is_denied() -> None:
    rule, code, reason = refusal(ask(snapshot(EURUSD), "2000", "1.08"))
    assert (rule, code) == ("R01", "forex_order_size")
    assert reason.startswith("A EUR order must be between 20000 and 6000000; 2000 is not.")


def test_a_rate_that_the_order_itself_tells_is_used() -> None:
    expected = "Estimated fee 2.00 USD; margin needed 602.00 USD of 25,000.00 available."
    assert line(ask(snapshot(USDJPY), "30000", "154")) == expected


def test_a_rate_that_nobody_told_is_not_guessed() -> None:
    answer = ask(snapshot(EURGBP), "30000", "0.85")
    assert line(answer) == "No fee estimated; margin unknown. There is no exchange rate from GBP to USD."


def test_a_market_order_out_of_hours_is_told_that_it_waits_and_is_not_denied() -> None:
    for environment, waits in ((Environment.PAPER, True), (Environment.LIVE, True), (Environment.SIMULATED, False)):
        answer = ask(snapshot(environment=environment), "10", "231", now=SATURDAY)
        assert ("this market order waits for the next open" in line(answer)) is waits


def test_a_cash_account_cannot_sell_short() -> None:
    answer = ask(snapshot(account_type="cash"), "10", "231", side=Side.SELL)
    assert refusal(answer)[:2] == ("R04", "short_sale_not_allowed_in_cash_account")


def test_a_cash_account_pays_in_full() -> None:
    answer = ask(snapshot(account_type="cash"), "10", "231")
    assert line(answer) == "Estimated fee 1.00 USD; margin needed 2,311.00 USD of 25,000.00 available."


MAY_NOT = [
    (AAPL, {"capabilities": Capabilities(lite=True)}, "lite_account", "IBKR Lite account"),
    (AAPL, {"capabilities": Capabilities(clearing="closed")}, "account_not_open", "lists this account as closed"),
    (AAPL, {"capabilities": Capabilities(client_trades=False)}, "client_trading_disabled", "switched off"),
    (EURUSD, {"capabilities": Capabilities(asset_types="STK, FUT")}, "asset_class_not_permitted", "trade currencies"),
    (ES, {"capabilities": Capabilities(asset_types="STK,CASH")}, "asset_class_not_permitted", "trade futures"),
    (
        contract("ESZ2026 261211C6400", AssetClass.FUTURE_OPTION, multiplier=Decimal(50), exchange="CME"),
        {"capabilities": Capabilities(asset_types="STK,FUT,OPT")},
        "asset_class_not_permitted",
        "trade options on futures",
    ),
    (AAPL, {"permitted": False}, "no_trading_permission", "no permission to trade AAPL"),
]


@pytest.mark.parametrize(
    ("of", "facts", "code", "words"), MAY_NOT, ids=[f"{row[2]}-{row[0].instrument}" for row in MAY_NOT]
)
def test_an_account_trades_only_what_ibkr_permits_and_always_finds_its_way_out(
    of: Contract, facts: dict[str, Any], code: str, words: str
) -> None:
    for environment in Environment:
        seen = snapshot(of, position=Decimal(30_000), environment=environment, **facts)
        rule, denial, reason = refusal(ask(seen, "30000", "1"))
        assert (rule, denial) == ("R05", code)
        assert words in reason
        # The way out is tried, and told what IBKR may say to it.
        assert words in line(ask(seen, "30000", "1", role=Role.EXIT, side=Side.SELL))


def test_what_ibkr_permits_is_taken() -> None:
    capabilities = Capabilities(lite=False, clearing="open", client_trades=True, asset_types="STK,CFD,OPT")
    answer = ask(snapshot(environment=Environment.LIVE, capabilities=capabilities, permitted=True), "10", "231")
    assert line(answer) == "Estimated fee 1.00 USD; margin needed 1,156.00 USD of 25,000.00 available."


def test_permissions_that_are_not_known_are_said_and_refuse_nothing() -> None:
    answer = line(ask(snapshot(environment=Environment.LIVE), "10", "231"))
    assert answer.endswith(" available. IBKR has not said what this account may trade.")
    assert "not said" not in line(ask(snapshot(environment=Environment.SIMULATED), "10", "231"))


def test_an_account_that_is_still_being_opened_is_warned() -> None:
    answer = ask(snapshot(capabilities=Capabilities(clearing="pending")), "10", "231")
    assert "IBKR lists this account as pending" in line(answer)


def test_the_price_is_the_freshest_there_is() -> None:
    def quote(age: timedelta) -> Quote:
        return Quote(bid=Decimal(230), ask=Decimal(232), last=None, as_of=NOW - age)

    fresh, old = quote(timedelta(seconds=5)), quote(timedelta(hours=1))
    intent = OrderIntent(
        role=Role.ENTRY,
        instrument=AAPL.instrument,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal(1),
        limit_price=Decimal(233),
    )
    market = replace(intent, type=OrderType.MARKET, limit_price=None)

    def source(asked: OrderIntent, signal_price: Decimal | None = None, **values: Any) -> str:
        price = price_of(asked, snapshot(**values), NOW, signal_price)
        return price.source if price else ""

    assert source(intent, Decimal(234), quote=fresh, mark=Decimal(235)) == "quote"
    assert source(intent, Decimal(234), quote=old, mark=Decimal(235)) == "position"
    assert source(intent, Decimal(234), quote=old) == "signal"
    assert source(intent, quote=old) == "limit"
    assert source(market, quote=old) == "old quote"
    assert source(market, Decimal(0)) == ""


@pytest.mark.parametrize(
    ("flags", "source"),
    [("DpB", "delayed quote"), ("Z", "frozen quote"), ("Y", "frozen and delayed quote"), ("", "not proven live quote")],
)
def test_a_young_quote_that_is_not_live_estimates_by_its_name_and_denies_nothing(flags: str, source: str) -> None:
    seen = Quote(bid=Decimal(230), ask=Decimal(232), last=None, as_of=NOW, flags=flags)
    answer = ask(snapshot(quote=seen), "10000")
    assert isinstance(answer, Estimate)
    assert (answer.price, answer.price_from) == (Decimal(231), source)
    assert line(answer).endswith(seen.caution("AAPL"))
    # The signal's own price is better, and needs no word about the quote.
    priced = ask(snapshot(quote=seen), "10", "234")
    assert isinstance(priced, Estimate)
    assert (priced.price_from, priced.notes) == ("signal", ())


def test_a_quote_that_is_not_shown_is_said() -> None:
    none = Quote(bid=None, ask=None, last=None, as_of=NOW, flags="N")
    assert "IBKR shows this user no prices of AAPL" in line(ask(snapshot(quote=none), "10"))


def test_an_old_quote_is_enough_to_estimate_and_too_little_to_deny() -> None:
    old = Quote(bid=Decimal(230), ask=Decimal(232), last=None, as_of=NOW - timedelta(hours=1))
    answer = ask(snapshot(quote=old), "10000")
    assert line(answer) == "Estimated fee 50.00 USD; margin needed 1,155,050.00 USD of 25,000.00 available."


@pytest.mark.parametrize(
    ("ticker", "product"), [("MNQZ2026", "MNQ"), ("ESZ6", "ES"), ("ES2!", "ES"), ("M2KH2027", "M2K"), ("6E", "6E")]
)
def test_the_product_of_a_future_is_read_from_its_ticker(ticker: str, product: str) -> None:
    assert product_of(ticker) == product


@given(
    of=st.sampled_from([AAPL, ES, MNQ, EURUSD, USDJPY, EURGBP]),
    role=st.sampled_from(list(Role)),
    side=st.sampled_from(list(Side)),
    environment=st.sampled_from(list(Environment)),
    kind=st.sampled_from(["margin", "cash"]),
    quantity=st.decimals("0.000001", "999999999999999", places=6),
    price=st.none() | st.decimals("0.0000000001", "999999999999999", places=10),
    funds=st.none() | st.decimals(-1000, 1_000_000, places=2),
    can=st.builds(
        Capabilities,
        lite=st.none() | st.booleans(),
        clearing=st.sampled_from(["", "open", "new", "closed", "?"]),
        client_trades=st.none() | st.booleans(),
        asset_types=st.sampled_from(["", "STK", "FUT,CASH", ",,", "stk"]),
    ),
    permitted=st.none() | st.booleans(),
    previews=st.lists(
        st.builds(
            MarginPreview,
            side=st.sampled_from(list(Side)),
            quantity=st.decimals("0.001", 1000, places=3),
            initial=st.none() | st.decimals(-1_000_000, 1_000_000, places=2),
            as_of=st.sampled_from([NOW, NOW - timedelta(minutes=1), NOW - timedelta(days=30)]),
            refusal=st.sampled_from(["", "No trading permissions."]),
            short=st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)
def test_every_order_has_an_answer_and_a_way_out_is_always_open(
    of: Contract,
    role: Role,
    side: Side,
    environment: Environment,
    kind: str,
    quantity: Decimal,
    price: Decimal | None,
    funds: Decimal | None,
    can: Capabilities,
    permitted: bool | None,
    previews: tuple[MarginPreview, ...],
) -> None:
    seen = snapshot(
        of,
        available=None if funds is None else str(funds),
        environment=environment,
        account_type=kind,
        cash=funds,
        capabilities=can,
        permitted=permitted,
        previews=previews,
    )
    asked = OrderIntent(role=role, instrument=of.instrument, side=side, type=OrderType.MARKET, quantity=quantity)
    answer = assess(asked, seen, NOW, signal_price=price)
    if isinstance(answer, Rejection):
        assert role is Role.ENTRY
        assert answer.reason.endswith(".")
    else:
        assert answer.sentence.endswith(".")
        assert answer.fee is None or answer.fee >= 0
        assert answer.to_json()["role"] == str(role)


# Money that is not settled -------------------------------------------------------------------------------------------


def cash_account(**values: Any) -> Snapshot:
    """A cash account with 5,000 of which 1,000 are settled, whose funds IBKR counts as all there."""
    usual = {
        "account_type": "cash",
        "cash": Decimal(5000),
        "settled_cash": Decimal(1000),
        "available_funds": Decimal(5000),
    }
    return replace(snapshot(), **{**usual, **values})


def order(role: Role, side: Side, quantity: int = 10) -> OrderIntent:
    return OrderIntent(
        role=role, instrument=AAPL.instrument, side=side, type=OrderType.MARKET, quantity=Decimal(quantity)
    )


def notes(intent: OrderIntent, seen: Snapshot) -> str:
    estimate = assess(intent, seen, NOW, signal_price=Decimal(200))
    assert isinstance(estimate, Estimate), estimate
    return " ".join(estimate.notes)


BUY, SELL = order(Role.ENTRY, Side.BUY), order(Role.EXIT, Side.SELL)


def test_a_purchase_with_money_that_is_not_settled_is_sent_with_a_note() -> None:
    assert "Only 1,000.00 USD of the cash are settled" in notes(BUY, cash_account())


@pytest.mark.parametrize(
    "seen",
    [
        cash_account(settled_cash=Decimal(5000)),
        cash_account(settled_cash=Decimal(4000)),
        cash_account(settled_cash=None),
        cash_account(account_type="margin"),
    ],
)
def test_nothing_is_said_where_settled_money_pays_or_nobody_knows(seen: Snapshot) -> None:
    assert "settled" not in notes(BUY, seen)


def test_a_sale_of_what_was_bought_of_late_is_told_and_sent() -> None:
    held = cash_account(position=Decimal(10), opened_at=NOW - timedelta(hours=2))
    assert "this sale is a good-faith violation" in notes(SELL, held)
    assert "good-faith" not in notes(SELL, replace(held, opened_at=NOW - timedelta(days=9)))
    assert "good-faith" not in notes(SELL, replace(held, settled_cash=Decimal(5000)))


def test_a_refusal_for_want_of_money_says_how_much_of_it_waits() -> None:
    refused = assess(BUY, cash_account(available_funds=Decimal(1000)), NOW, signal_price=Decimal(200))
    assert isinstance(refused, Rejection)
    assert refused.rule == "R04"
    assert "4,000.00 USD of the cash are of sales and not settled yet." in refused.reason
