"""What must hold for any order at all."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brokers.rulebook import rulesets
from brokers.rulebook.accounting import Book, Execution, apply_fill
from brokers.rulebook.allocation import Member, allocate, allocate_equalizing, allocate_percent
from brokers.rulebook.calendars import calendar, calendar_names
from brokers.rulebook.fees import Volume, estimate_fee
from brokers.rulebook.fills import fill
from brokers.rulebook.fills.market import Candle, Feed, Market, QuoteBar, Scan, TradeBar
from brokers.rulebook.gate.tif import expires_at
from brokers.rulebook.margin import order_margin
from brokers.rulebook.margin.cash import max_quantity_for_value
from brokers.rulebook.margin.futures import future_option_margin
from brokers.rulebook.margin.options import option_maintenance_margin
from brokers.rulebook.settlement import FutureLedger
from brokers.rulebook.splits import split_holding, split_option, split_order
from brokers.rulebook.values import Account, Instrument, Order, Position, Quote
from brokers.rulebook.vectors.ledgers import CashLedger
from brokers.rulebook.vectors.rounding import round_price, round_quantity
from brokers.rulebook.vectors.sizing import Budget, amount_to_order, quantity_for_target

D = Decimal
QUICK = settings(max_examples=150, deadline=None)
prices = st.decimals(min_value="0.01", max_value="10000", places=2)
sizes = st.integers(min_value=1, max_value=100_000).map(Decimal)
signed = st.builds(lambda size, sell: -size if sell else size, sizes, st.booleans())
instants = st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2027, 12, 31), timezones=st.just(UTC))
factors = st.sampled_from([D("0.5"), D("0.1"), D("0.05"), D("0.25"), D(2), D(10), D("1.5")])
INSTRUMENTS = (
    Instrument(asset_class="equity"),
    Instrument(asset_class="option", multiplier=D(100), right="call", strike=D(100)),
    Instrument(asset_class="index_option", multiplier=D(100), right="put", strike=D(100)),
    Instrument(asset_class="forex", symbol="EURUSD", base_currency="EUR"),
    Instrument(asset_class="cfd", currency="EUR", multiplier=D(10)),
    Instrument(asset_class="future", product="ES", multiplier=D(50)),
    Instrument(asset_class="future_option", product="ES", multiplier=D(50), right="put", strike=D(100)),
    Instrument(asset_class="future", market="krx", currency="KRW", multiplier=D(250_000)),
)
ORDER_TYPES = ("market", "limit", "stop_market", "stop_limit", "limit_if_touched", "trailing_stop")


def an_order(kind: str, quantity: Decimal, price: Decimal, other: Decimal) -> Order:
    return Order(
        type=kind,
        quantity=quantity,
        limit_price=price,
        stop_price=other,
        trigger_price=other,
        trailing_amount=D("0.5"),
    )


@QUICK
@given(
    st.sampled_from(INSTRUMENTS),
    st.sampled_from(ORDER_TYPES),
    signed,
    prices,
    prices,
    prices,
    st.sampled_from(["seed", "lean", "ibkr_current"]),
    st.integers(min_value=0, max_value=10**10).map(Decimal),
)
def test_a_fee_is_never_negative(
    instrument: Instrument,
    kind: str,
    quantity: Decimal,
    limit: Decimal,
    stop: Decimal,
    price: Decimal,
    ruleset: str,
    traded: Decimal,
) -> None:
    volume = Volume(shares=traded, option_contracts=traded, forex_usd=traded)
    fee = estimate_fee(
        instrument,
        an_order(kind, quantity, limit, stop),
        Quote(price=price, bid=price, ask=price),
        rules=rulesets.load(ruleset),
        volume=volume,
    )
    assert fee.amount >= 0
    assert fee.currency


@QUICK
@given(st.sampled_from(INSTRUMENTS), signed, prices)
def test_a_fee_does_not_shrink_with_a_bigger_order(instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    # The published cap may cut below the minimum, so shares are compared where the cap does not bind.
    assume(instrument.asset_class != "equity" or price >= 2)
    quote = Quote(price=price, bid=price, ask=price)
    small = estimate_fee(instrument, Order(type="market", quantity=quantity), quote)
    large = estimate_fee(instrument, Order(type="market", quantity=quantity * 2), quote)
    assert large.amount >= small.amount


members = st.lists(
    st.builds(
        Member,
        id=st.uuids().map(str),
        net_liquidation=st.integers(min_value=-1000, max_value=10**7).map(Decimal),
        available_equity=st.integers(min_value=0, max_value=10**7).map(Decimal),
        position=st.integers(min_value=-1000, max_value=1000).map(Decimal),
        affordable=st.none() | st.integers(min_value=-5, max_value=2000).map(Decimal),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda member: member.id,
)
amounts = st.integers(min_value=-5000, max_value=5000).map(Decimal)


@QUICK
@given(st.sampled_from(["EqualQuantity", "Equal", "NetLiq", "AvailableEquity"]), amounts, members)
def test_an_allocation_sums_to_the_order(method: str, quantity: Decimal, group: list[Member]) -> None:
    allocation = allocate(method, quantity, group)
    nobody_counts = (method == "NetLiq" and all(m.net_liquidation <= 0 for m in group)) or (
        method == "AvailableEquity" and all(m.available_equity <= 0 for m in group)
    )
    assert allocation.filled + allocation.canceled == (0 if nobody_counts else quantity)
    assert all(share * quantity >= 0 for share in allocation.shares.values())
    assert list(allocation.shares) == [member.id for member in group]


@QUICK
@given(amounts, members)
def test_nobody_is_more_than_one_unit_away_from_an_equal_share(quantity: Decimal, group: list[Member]) -> None:
    able = [Member(id=member.id) for member in group]
    shares = allocate("EqualQuantity", quantity, able).shares.values()
    assert max(shares) - min(shares) <= 1
    assert all(abs(Fraction(s) - Fraction(quantity) / len(able)) < 1 for s in shares)


@QUICK
@given(st.sampled_from(["buy", "sell"]), st.integers(min_value=0, max_value=5000).map(Decimal), members)
def test_equalizing_sums_to_the_order_and_never_trades_the_wrong_way(
    side: str, quantity: Decimal, group: list[Member]
) -> None:
    allocation = allocate_equalizing(side, quantity, group)
    assert allocation.filled + allocation.canceled == quantity
    assert all(share >= 0 for share in allocation.shares.values())


@QUICK
@given(st.sampled_from(["buy", "sell"]), st.integers(min_value=-100, max_value=100).map(Decimal), members)
def test_a_percent_change_never_turns_a_position_around(side: str, percentage: Decimal, group: list[Member]) -> None:
    allocation = allocate_percent(side, percentage, group)
    assert all(allocation.shares[m.id] <= abs(m.position) for m in group)


candles = st.lists(prices, min_size=4, max_size=4).map(lambda p: Candle(open=p[1], high=max(p), low=min(p), close=p[2]))


def look(asset_class: str, order: Order, bar: Candle) -> Scan:
    start = datetime(2025, 7, 15, 15, tzinfo=UTC)
    end = start + timedelta(minutes=1)
    return Scan(
        order=order,
        ordered_at=start - timedelta(minutes=5),
        market=Market(
            trade_bar=TradeBar(start=start, end=end, candle=bar),
            quote_bar=QuoteBar(start=start, end=end, bid=bar, ask=bar),
        ),
        now=end,
        calendar=calendar("us_equity"),
        feed=Feed(),
    )


classes = st.sampled_from(["equity", "option", "forex", "future", "future_option", "index_option", "cfd"])


@QUICK
@given(classes, st.sampled_from(["limit", "stop_limit", "limit_if_touched"]), signed, prices, prices, candles)
def test_a_limit_fill_is_never_worse_than_its_limit_nor_outside_the_bar(
    asset_class: str, kind: str, quantity: Decimal, limit: Decimal, other: Decimal, bar: Candle
) -> None:
    outcome = fill(asset_class, look(asset_class, an_order(kind, quantity, limit, other), bar))
    if outcome.fill is None:
        return
    assert outcome.fill.quantity == quantity
    at = outcome.fill.price
    assert at <= limit if quantity > 0 else at >= limit
    if kind != "limit_if_touched":
        assert bar.low <= at <= bar.high


@QUICK
@given(classes, signed, prices, candles)
def test_a_limit_fill_is_never_better_than_the_rule_allows(
    asset_class: str, quantity: Decimal, limit: Decimal, bar: Candle
) -> None:
    outcome = fill(asset_class, look(asset_class, an_order("limit", quantity, limit, limit), bar))
    gone_through = bar.low < limit if quantity > 0 else bar.high > limit
    assert (outcome.fill is not None) == gone_through
    if outcome.fill is not None:
        best = min(bar.open, limit) if quantity > 0 else max(bar.open, limit)
        assert outcome.fill.price >= best if quantity > 0 else outcome.fill.price <= best


@QUICK
@given(classes, st.sampled_from(["stop_market", "trailing_stop"]), signed, prices, candles)
def test_a_stop_fill_is_never_better_than_its_stop(
    asset_class: str, kind: str, quantity: Decimal, stop: Decimal, bar: Candle
) -> None:
    outcome = fill(asset_class, look(asset_class, an_order(kind, quantity, stop, stop), bar))
    if outcome.fill is not None:
        assert outcome.fill.price >= stop if quantity > 0 else outcome.fill.price <= stop
    elif kind == "trailing_stop":
        moved = outcome.order.stop_price
        assert moved is not None
        assert moved <= stop if quantity > 0 else moved >= stop


@QUICK
@given(signed, prices, factors)
def test_a_split_keeps_the_value_of_a_holding_within_rounding(
    quantity: Decimal, price: Decimal, factor: Decimal
) -> None:
    before = Position(quantity=quantity, average_price=price)
    after = split_holding("equity", before, factor, price)
    value = after.position.quantity * price * factor + after.cash_in_lieu
    assert abs(value - quantity * price) < D("0.000001")
    assert abs(after.position.quantity) * factor <= abs(quantity)


shares = st.integers(min_value=1, max_value=25)


@QUICK
@given(st.decimals(min_value="0.5", max_value="10000", places=2), shares, shares, prices, st.booleans())
def test_a_split_keeps_what_an_option_brings_once_it_is_exercised(
    strike: Decimal, new: int, old: int, price: Decimal, call: bool
) -> None:
    after = split_option(strike, D(100), new=new, old=old)
    assert (after.contracts, after.strike) == (1, strike) if after.adjusted else after.contracts * old == new
    assert abs(after.contracts * after.delivers * old - 100 * new) < D("0.000001")
    sign = 1 if call else -1
    before = max(sign * (price - strike), D(0)) * 100
    split = price * old / new
    brings = max(sign * (split * after.delivers - after.strike * 100), D(0)) * after.contracts
    # A strike that is no whole number of cents is rounded: half a cent a share at most.
    assert abs(brings - before) <= D("0.005") * 100 * after.contracts + D("0.0001")


@QUICK
@given(shares, shares, shares, shares)
def test_splits_in_a_row_of_what_an_option_delivers_are_one(new: int, old: int, again: int, of: int) -> None:
    once = split_option(D(50), D(100), new=new, old=old)
    twice = split_option(once.strike, once.delivers, new=again, old=of)
    assert abs(twice.delivers * once.contracts * twice.contracts - D(100) * new * again / (old * of)) < D("0.000001")


@QUICK
@given(st.sampled_from(ORDER_TYPES), signed, prices, prices, factors)
def test_a_split_never_makes_an_order_worth_more(
    kind: str, quantity: Decimal, limit: Decimal, stop: Decimal, factor: Decimal
) -> None:
    after = split_order(an_order(kind, quantity, limit, stop), factor)
    assert abs(after.order.quantity * factor) <= abs(quantity)
    assert abs(quantity) - abs(after.order.quantity * factor) < factor
    assert (after.canceled is not None) == (after.order.quantity == 0)


@QUICK
@given(st.sampled_from(INSTRUMENTS[:-1]), signed, sizes, prices)
def test_margin_grows_with_quantity(instrument: Instrument, quantity: Decimal, more: Decimal, price: Decimal) -> None:
    def margin(size: Decimal) -> Decimal:
        return abs(
            order_margin(
                instrument,
                size,
                Quote(price=price),
                Account(),
                today=datetime(2025, 7, 15).date(),
                underlying_price=D(100),
            )
        )

    assert margin(quantity) <= margin(quantity + more if quantity > 0 else quantity - more)


@QUICK
@given(prices, prices, prices, st.sampled_from(["call", "put"]), sizes)
def test_a_written_option_never_needs_less_than_its_premium(
    strike: Decimal, underlying: Decimal, premium: Decimal, right: str, contracts: Decimal
) -> None:
    option = Instrument(asset_class="option", multiplier=D(100), right=right, strike=strike)
    margin = option_maintenance_margin(option, -contracts, underlying, premium)
    assert margin >= premium * contracts * 100
    assert option_maintenance_margin(option, contracts, underlying, premium) == 0


@QUICK
@given(st.sampled_from(["long", "short"]), st.sampled_from(["call", "put"]), prices, prices, sizes)
def test_a_future_option_never_needs_more_than_its_scaled_future(
    side: str, right: str, strike: Decimal, underlying: Decimal, requirement: Decimal
) -> None:
    margin = future_option_margin(
        side=side, right=right, strike=strike, underlying_price=underlying, underlying_requirement=requirement
    )
    assert 0 <= margin <= requirement * D("1.25")


@QUICK
@given(signed, prices, st.integers(-50_000, 50_000).map(Decimal))
def test_a_sized_order_never_overshoots_its_target(target: Decimal, unit: Decimal, holding: Decimal) -> None:
    quantity = amount_to_order(target, unit, holding, D(1))
    final = (holding + quantity) * unit
    assert abs(final) <= abs(target)
    assert abs(target) - abs(final) < unit


@QUICK
@given(st.decimals("-1", "1", places=2), prices, st.decimals("0", "100", places=2))
def test_a_sized_order_leaves_room_for_its_fee(target: Decimal, unit: Decimal, fee: Decimal) -> None:
    total = D(100_000)
    quantity = quantity_for_target(target, Budget(total_value=total, margin_per_unit=unit, fee=fee))
    assert abs(quantity * unit) <= abs(target * (total - fee))


@QUICK
@given(sizes, prices, st.decimals("0", "0.05", places=4), st.decimals("0", "500", places=2))
def test_a_cash_purchase_never_costs_more_than_there_is(
    target: Decimal, price: Decimal, rate: Decimal, flat: Decimal
) -> None:
    def fee(quantity: Decimal) -> Decimal:
        return flat + quantity * price * rate

    quantity = max_quantity_for_value(target, D(0), unit_price=price, lot_size=D(1), fee_of=fee)
    assert quantity >= 0
    assert quantity == 0 or quantity * price + fee(quantity) <= target


@QUICK
@given(st.lists(st.tuples(signed, prices), min_size=1, max_size=8))
def test_the_books_add_up_after_any_fills(fills: list[tuple[Decimal, Decimal]]) -> None:
    book = Book(currency="USD", cash={"USD": D(0)})
    stock = Instrument(asset_class="equity")
    for quantity, price in fills:
        book = apply_fill(book, stock, Execution(quantity=quantity, price=price))
    cost = book.position.quantity * book.position.average_price
    assert abs(book.cash["USD"] + cost - book.realised_profit) < D("0.01")


@QUICK
@given(st.lists(st.tuples(st.sampled_from(["price", "settle", "fill"]), signed, prices), min_size=1, max_size=10))
def test_daily_settlement_never_makes_or_loses_money(events: list[tuple[str, Decimal, Decimal]]) -> None:
    ledger = FutureLedger(cash=D(0), multiplier=D(50))
    plain = Book(currency="USD", cash={"USD": D(0)})
    future = Instrument(asset_class="future", multiplier=D(50))
    for kind, quantity, price in events:
        if kind == "fill":
            ledger = ledger.fill(quantity, price)
            plain = apply_fill(plain, future, Execution(quantity=quantity, price=price))
        else:
            ledger = ledger.mark(price) if kind == "price" else ledger.settle(price)
    assert abs(ledger.cash - ledger.settled_profit - plain.cash["USD"]) < D("0.01")


@QUICK
@given(st.lists(st.tuples(st.integers(-100, 100), st.integers(0, 5)), max_size=10), st.integers(0, 10))
def test_a_cash_ledger_loses_nothing_and_releases_once(bookings: list[tuple[int, int]], later: int) -> None:
    start = datetime(2025, 7, 15, tzinfo=UTC)
    ledger = CashLedger(settled=D(0), currency="USD")
    for amount, days in bookings:
        ledger = ledger.book(D(amount), start + timedelta(days=days))
    scanned = ledger.scan(start + timedelta(days=later))
    assert scanned.settled + scanned.unsettled == sum(amount for amount, _ in bookings)
    assert scanned.scan(start + timedelta(days=later)) == scanned


@QUICK
@given(prices, st.sampled_from([D("0.01"), D("0.05"), D("0.25")]))
def test_a_rounded_price_is_on_the_tick_and_within_half_of_it(price: Decimal, tick: Decimal) -> None:
    rounded = round_price(price, tick)
    assert rounded % tick == 0
    assert abs(rounded - price) <= tick / 2


@QUICK
@given(st.decimals("-1000", "1000", places=3), st.sampled_from([D(1), D(100), D("0.1")]))
def test_a_rounded_quantity_never_grows(quantity: Decimal, lot: Decimal) -> None:
    rounded = round_quantity(quantity, lot)
    assert abs(rounded) <= abs(quantity)
    assert abs(quantity - rounded) < lot


@QUICK
@given(st.sampled_from([name for name in calendar_names() if name != "always"]), instants)
def test_a_day_order_expires_after_it_was_placed_at_the_end_of_a_session(name: str, at: datetime) -> None:
    hours = calendar(name)
    expiry = expires_at("option", "day", at, hours)
    assert expiry is not None
    assert at < expiry <= at + timedelta(days=5)
    assert hours.is_open(expiry - timedelta(seconds=1))


@QUICK
@given(st.sampled_from(["forex", "cfd"]), instants)
def test_a_currency_day_order_lasts_at_most_a_day(asset_class: str, at: datetime) -> None:
    expiry = expires_at(asset_class, "day", at, calendar("forex"))
    assert expiry is not None
    assert at <= expiry <= at + timedelta(hours=25)
