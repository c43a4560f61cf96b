"""Operations about fills: one order step by step, combos, price selection and trailing arithmetic."""

from dataclasses import replace

from brokers.rulebook.fills import fill as look
from brokers.rulebook.fills.combos import Combo, Leg, combo_fill
from brokers.rulebook.fills.market import Market, Outcome, Scan
from brokers.rulebook.fills.prices import select_prices as select
from brokers.rulebook.fills.trailing import initial_stop, moved_stop
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Order
from brokers.rulebook.vectors.reading import (
    Fields,
    instant,
    maybe,
    maybe_part,
    number,
    part,
    parts,
    read_calendar,
    read_feed,
    read_market,
    read_order,
    read_settings,
    text,
)
from brokers.rulebook.vectors.writing import Answer, plain


def fill(case: Fields, _rules: Ruleset) -> Answer:
    """Each step replaces the market; what the order remembers carries over; the filling step is the last."""
    order, calendar = read_order(part(case, "order")), read_calendar(case)
    ordered_at = instant(part(case, "order"), "time_utc")
    feed, settings = read_feed(maybe_part(case, "data")), read_settings(maybe_part(case, "settings"))
    steps = []
    for step in parts(case, "steps"):
        scan = Scan(
            order=order,
            ordered_at=ordered_at,
            market=read_market(part(step, "market")),
            now=instant(step, "now_utc"),
            calendar=calendar,
            feed=feed,
            settings=settings,
        )
        outcome = look(text(case, "asset_class"), scan)
        order = outcome.order
        steps.append(_step(outcome))
        if outcome.fill is not None:
            break
    return {"steps": steps}


def _step(outcome: Outcome) -> Answer:
    answer: Answer = {"filled": outcome.fill is not None, "order_after": _memory(outcome.order)}
    if outcome.fill is not None:
        answer |= {"fill_price": plain(outcome.fill.price), "fill_quantity": plain(outcome.fill.quantity)}
        if outcome.fill.caution is not None:
            answer["caution"] = outcome.fill.caution.code
    return answer


def _memory(order: Order) -> Answer:
    memory: Answer = {"stop_triggered": order.stop_triggered, "trigger_touched": order.trigger_touched}
    if order.stop_price is not None:
        memory["stop_price"] = plain(order.stop_price)
    return memory


def select_prices(case: Fields, _rules: Ruleset) -> Answer:
    market = read_market(part(case, "market"))
    feed = read_feed({"subscriptions": case.get("subscriptions")}, market)
    prices = select(buy=text(case, "side") == "buy", subscriptions=feed.subscriptions, market=market)
    if prices is None:
        return {"open": None, "high": None, "low": None, "close": None}
    return {name: plain(getattr(prices, name)) for name in ("open", "high", "low", "close")}


def combo(case: Fields, rules: Ruleset) -> Answer:
    group = number(case, "group_quantity")
    legs = tuple(
        Leg(
            symbol=text(leg, "symbol"),
            asset_class=text(leg, "asset_class"),
            quantity=number(leg, "quantity"),
            ratio=number(leg, "ratio", number(leg, "quantity") / group if group else None),
            market=read_market(leg),
            limit_price=maybe(leg, "limit_price"),
        )
        for leg in parts(case, "legs")
    )
    feed = read_feed(maybe_part(case, "data"), _all_data(legs))
    if case.get("extended_hours"):
        feed = replace(feed, extended_hours=True)
    outcome = combo_fill(
        Combo(
            type=text(case, "type"),
            quantity=group,
            legs=legs,
            ordered_at=instant(case, "order_time_utc"),
            now=instant(case, "now_utc"),
            calendar=read_calendar(case),
            limit_price=maybe(case, "group_limit_price"),
            feed=feed,
            settings=read_settings(maybe_part(case, "settings")),
            needs_session=rules.policy.combo_limit_needs_session,
        )
    )
    answer: Answer = {
        "filled": outcome.filled,
        "fills": [{"symbol": f.symbol, "quantity": plain(f.quantity), "price": plain(f.price)} for f in outcome.fills],
    }
    if outcome.net_price is not None:
        answer["net_price"] = plain(outcome.net_price)
    return answer


def _all_data(legs: tuple[Leg, ...]) -> Market:
    """Every kind of data that some leg has."""
    return Market(
        trade_bar=next((leg.market.trade_bar for leg in legs if leg.market.trade_bar), None),
        quote_bar=next((leg.market.quote_bar for leg in legs if leg.market.quote_bar), None),
        ticks=next((leg.market.ticks for leg in legs if leg.market.ticks), ()),
    )


def trailing_stop_price(case: Fields, _rules: Ruleset) -> Answer:
    stop = initial_stop(
        number(case, "market_price"),
        number(case, "trailing_amount"),
        as_percentage=bool(case.get("trailing_as_percentage")),
        buy=text(case, "side") == "buy",
    )
    return {"stop_price": plain(stop)}


def trailing_stop_update(case: Fields, _rules: Ruleset) -> Answer:
    moved = moved_stop(
        number(case, "stop_price"),
        number(case, "market_price"),
        number(case, "trailing_amount"),
        as_percentage=bool(case.get("trailing_as_percentage")),
        buy=text(case, "side") == "buy",
    )
    return {"stop_price": None if moved is None else plain(moved)}


OPERATIONS = {
    "fill": fill,
    "select_prices": select_prices,
    "combo_fill": combo,
    "trailing_stop_price": trailing_stop_price,
    "trailing_stop_update": trailing_stop_update,
}
