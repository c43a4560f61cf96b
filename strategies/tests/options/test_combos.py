"""Two options as one order: from the signal with legs to the fill of both, and out again, at the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from brokers import live
from brokers.domain.contracts.combos import combo_named, legs_of
from brokers.models import Closing, ContractLookup, Execution, NetFill, Order, Position, UnexplainedChange
from brokers.orders import closing
from brokers.orders.modifications import asking
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.exchange.combos import SPREAD
from brokers.tests import lab
from strategies.models import Decision
from strategies.tests.options.conftest import Trader, listed_options, name_of, worked

pytestmark = pytest.mark.django_db(transaction=True)
D = Decimal


def run(story: Any) -> None:
    async def watched() -> None:
        async with lab.watching():
            await story

    asyncio.run(watched())


def vertical(right: str = "C") -> tuple[Instrument, Instrument]:
    """Two options on AAPL of one day: the dear one near the money, and one some strikes further."""
    chain = listed_options("AAPL", right)
    first = min(each.expiry for each in chain if each.expiry is not None)
    of_day = sorted((each for each in chain if each.expiry == first), key=lambda each: each.strike)
    at = min(range(len(of_day)), key=lambda number: abs(float(of_day[number].strike) - 231))
    return of_day[at], of_day[at + 4 if right == "C" else at - 4]


@pytest.fixture
def priced(trader: Trader) -> Iterator[tuple[Trader, Instrument, Instrument]]:
    """A vertical of calls that costs 3.20 and is sold at 2.80."""
    long, short = vertical()
    trader.bench.gateway.quote(long.conid, bid="8.00", ask="8.20", last="8.10", ttl_s=900)
    trader.bench.gateway.quote(short.conid, bid="5.00", ask="5.20", last="5.10", ttl_s=900)
    yield trader, long, short
    trader.bench.gateway.clear_quotes()


def legs(bought: Instrument, sold: Instrument) -> list[dict[str, str]]:
    return [{"ticker": name_of(bought), "side": "buy"}, {"ticker": name_of(sold), "side": "sell"}]


def holds(*held: tuple[Instrument, int]) -> Callable[[], bool]:
    wanted = {(option.conid, D(quantity)) for option, quantity in held}
    return lambda: set(Position.objects.values_list("conid", "quantity")) == wanted


def sent(trader: Trader) -> list[dict[str, Any]]:
    return [json.loads(entry["body"])["orders"][0] for entry in trader.bench.posts()]


async def asked(question: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(lab.asked, question)


def test_a_debit_spread_is_bought_and_closed_as_one_order(priced: tuple[Trader, Instrument, Instrument]) -> None:
    trader, long, short = priced

    async def story() -> None:
        bought = await trader.told(ticker="AAPL", action="buy", quantity=2, legs=legs(long, short))
        assert bought.status == "accepted", bought.reason
        assert "call spread, debit" in bought.reason
        assert "at risk each" in bought.reason
        await worked(holds((long, 2), (short, -2)), "both legs are home")
        await worked(lambda: Order.objects.get().status == "filled", "it is filled")
        closed = await trader.told(ticker="AAPL", action="exit", legs=legs(long, short))
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exists(), "both legs are closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    assert legs_of(first.conid) == (long.conid, short.conid)
    assert (first.ticker, first.side, first.type, first.status) == (
        f"{name_of(long)}/{short.strike.normalize():f}", "buy", "market", "filled",
    )  # fmt: skip
    assert (first.filled_quantity, first.average_price, first.multiplier) == (D(2), D("3.20"), D(100))
    assert (second.side, second.quantity, second.average_price, second.status) == ("sell", D(2), D("2.80"), "filled")
    for order in sent(trader):
        assert order["conidex"] == f"{SPREAD};;;{long.conid}/1,{short.conid}/-1"
        assert "conid" not in order
    # What our orders hold of each leg explains what is held of it; the fills are named by their legs.
    assert sum(each.quantity for each in NetFill.objects.filter(conid=long.conid)) == 0
    fills = Execution.objects.filter(order=first).values_list("ticker", "side", "quantity")
    assert set(fills) == {(name_of(long), "buy", D(2)), (name_of(short), "sell", D(2))}
    assert not UnexplainedChange.objects.exclude(quantity=0).exists()
    assert ContractLookup.objects.get(conid=first.conid).multiplier == D(100)


def test_a_credit_spread_waits_for_its_credit(priced: tuple[Trader, Instrument, Instrument]) -> None:
    trader, long, short = priced

    async def story() -> None:
        order = {"orderType": "limit", "limitPrice": -3, "timeInForce": "gtc"}
        sold = await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(short, long), **order)
        assert sold.status == "accepted", sold.reason
        assert "call spread, credit 3" in sold.reason
        await worked(lambda: Order.objects.get().status == "accepted", "it works")
        await asyncio.to_thread(trader.bench.gateway.quote, long.conid, bid="8.30", ask="8.40", last="8.35", ttl_s=900)
        await worked(holds((long, -1), (short, 1)), "both legs are home")
        # Bought back by the same legs.
        closed = await trader.told(ticker="AAPL", action="exit", legs=legs(short, long))
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exists(), "it is closed")

    run(story())
    first, second = Order.objects.order_by("pk")
    assert (first.side, first.limit_price, first.average_price) == ("sell", D(3), D("3.10"))
    assert second.side == "buy"
    assert [(each["side"], each.get("price"), each["tif"]) for each in sent(trader)] == [
        ("SELL", sent(trader)[0]["price"], "GTC"),
        ("BUY", None, "DAY"),
    ]


def test_a_leg_is_not_traded_by_itself(priced: tuple[Trader, Instrument, Instrument]) -> None:
    trader, long, short = priced

    async def story() -> None:
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        await worked(holds((long, 1), (short, -1)), "both legs are home")
        for leg in (long, short):
            refused = await trader.told(ticker=name_of(leg), action="exit")
            assert (refused.status, refused.reason_code) == ("rejected", "leg-of-a-combo"), refused.reason
            assert '"legs": [' in refused.reason

    run(story())
    assert len(sent(trader)) == 1


def test_a_person_who_closes_a_leg_closes_both_as_one_order(priced: tuple[Trader, Instrument, Instrument]) -> None:
    trader, long, short = priced

    def close() -> str:
        row = Position.objects.get(conid=short.conid)
        made = closing.close(
            account=trader.bench.account,
            conid=row.conid,
            ticker=row.ticker,
            asset_class=row.asset_class,
            reason="a person asked",
            actor=None,
            now=timezone.now(),
        )
        return made.ticker

    async def story() -> None:
        bought = await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        await worked(holds((long, 1), (short, -1)), "both legs are home")
        rows = await asked(lambda: live.with_shares_of_others(list(Position.objects.all())))
        assert [row.elsewhere for row in rows] == [0, 0]
        ticker = await asked(close)
        assert ticker.endswith(f"/{short.strike.normalize():f}"), bought

        def ended() -> bool:
            closing.work(timezone.now())
            return not Position.objects.exists()

        await worked(ended, "both are closed")

    run(story())
    assert [order["conidex"] for order in sent(trader)] == [f"{SPREAD};;;{long.conid}/1,{short.conid}/-1"] * 2


def test_what_is_no_combo_of_ours_is_refused_and_nothing_is_sent(
    priced: tuple[Trader, Instrument, Instrument],
) -> None:
    trader, long, short = priced
    far = {"ticker": f"AAPL 281229C{long.strike.normalize():f}", "side": "buy"}

    async def story() -> None:
        unknown = await trader.told(
            ticker="AAPL",
            action="buy",
            quantity=1,
            legs=[far, legs(long, short)[1] | {"ticker": f"AAPL 281229C{short.strike.normalize():f}"}],
        )
        assert (unknown.status, unknown.reason_code) == ("rejected", "unknown-symbol"), unknown.reason
        flat = await trader.told(ticker="AAPL", action="exit", legs=legs(long, short))
        assert (flat.status, flat.reason_code) == ("rejected", "nothing-to-exit"), flat.reason

    run(story())
    assert sent(trader) == []


PLACE = {"method": "POST", "path": "/iserver/account/*/orders"}
# What became of the one request, and how many there are in the end: what provably did not leave leaves again.
FAULTS: dict[str, tuple[dict[str, Any], str, int]] = {
    "the line was cut before it left": ({"drop_connection": True}, "before", 2),
    "its answer never came": ({"hang": True, "hang_s": 0.5}, "after", 1),
    "its answer broke off": ({"truncate_body": True}, "after", 1),
    "its answer says nothing": ({"status": 503, "body": ""}, "after", 1),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("fills", [False, True])
def test_a_combo_whose_answer_is_lost_is_found_and_never_sent_twice(
    priced: tuple[Trader, Instrument, Instrument], name: str, fills: bool
) -> None:
    trader, long, short = priced
    action, phase, posts = FAULTS[name]
    trader.bench.gateway.fault(action=action, phase=phase, match={**PLACE, "user": trader.bench.user})
    order = {} if fills else {"orderType": "limit", "limitPrice": 1}

    async def story() -> None:
        bought = await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short), **order)
        assert bought.status == "accepted", bought.reason
        status = "filled" if fills else "accepted"
        await worked(lambda: Order.objects.get().status == status, f"it is {status}")
        if fills:
            await worked(holds((long, 1), (short, -1)), "both legs are home")
            await worked(lambda: Execution.objects.exclude(order=None).count() == 2, "both fills are its own")

    run(story())
    made = Order.objects.get()
    ours = [row for row in trader.bench.at_broker() if row.get("order_ref") == made.reference]
    assert len(ours) == 1
    assert len(trader.bench.posts()) == posts
    assert made.filled_quantity == (1 if fills else 0)
    assert made.average_price == (D("3.20") if fills else None)


def test_the_limit_of_a_combo_is_moved_where_it_works(priced: tuple[Trader, Instrument, Instrument]) -> None:
    trader, long, short = priced

    def move() -> None:
        asking.change(order=Order.objects.get(), values={"limit_price": D(2)}, actor=None, now=timezone.now())

    async def story() -> None:
        order = {"orderType": "limit", "limitPrice": 1}
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short), **order)
        await worked(lambda: Order.objects.get().status == "accepted", "it works")
        await asyncio.to_thread(lab.asked, move)
        await worked(lambda: Order.objects.get().limit_price == D(2), "it is moved")

    run(story())
    (row,) = trader.bench.at_broker()
    assert (row["price"], row["status"], row["order_ref"]) == ("2.00", "Submitted", Order.objects.get().reference)


def test_one_that_is_good_till_a_date_is_canceled_by_halyard_then(
    priced: tuple[Trader, Instrument, Instrument],
) -> None:
    trader, long, short = priced

    async def story() -> None:
        end = timezone.now() + timedelta(seconds=5)
        order = {"orderType": "limit", "limitPrice": 1, "goodTillDate": end.isoformat()}
        made = await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short), **order)
        assert made.status == "accepted", made.reason
        assert "is canceled by Halyard at " in made.reason
        await worked(lambda: Order.objects.get().status == "accepted", "it works")
        await worked(lambda: Order.objects.get().status == "canceled", "it is canceled at its time")

    run(story())
    made = Order.objects.get()
    assert made.good_till is not None
    assert made.reason.startswith("Canceled by Halyard at its time: it was good till ")
    assert made.events.get(new="pending_cancel").at >= made.good_till
    (ticket,) = sent(trader)
    assert (ticket["tif"], ticket["orderType"], "conidex" in ticket) == ("GTC", "LMT", True)
    (row,) = trader.bench.at_broker()
    assert row["status"] == "Cancelled"


def test_its_pages_name_it_as_people_do(
    priced: tuple[Trader, Instrument, Instrument], client: Client, alice: User
) -> None:
    trader, long, short = priced

    async def story() -> None:
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        await worked(holds((long, 1), (short, -1)), "both legs are home")

    run(story())
    client.force_login(alice)
    made, decision = Order.objects.get(), Decision.objects.get()
    team, account = trader.strategy.team, trader.bench.account
    name = combo_named(made.ticker)
    assert name is not None
    page = client.get(reverse("order", args=[team.code, made.code]))
    assert page.status_code == 200
    assert f"{name.spoken}: buys {name.long.spoken} and sells {name.short.spoken}" in page.content.decode()
    page = client.get(reverse("decision", args=[team.code, decision.code]))
    assert page.status_code == 200
    assert "named to IBKR by its legs" in page.content.decode()
    page = client.get(reverse("signal", args=[team.code, decision.signal.code]))
    assert name.spoken in page.content.decode()
    page = client.get(reverse("positions", args=[team.code]))
    assert name.short.spoken in page.content.decode()
    address = reverse("position_close", args=[team.code, account.code, short.conid])
    page = client.get(address)
    assert f"It is a leg of <strong>{name.spoken}</strong>" in page.content.decode()
    page = client.post(address, {"quantity": ""})
    assert page.status_code == 302
    (wish,) = Closing.objects.all()
    assert (wish.ticker, wish.quantity) == (made.ticker, None)


def test_what_is_held_of_a_leg_beside_a_combo_is_closed_beside_it(
    priced: tuple[Trader, Instrument, Instrument],
) -> None:
    trader, long, short = priced

    def close(quantity: Decimal | None) -> Closing:
        row = Position.objects.get(conid=long.conid)
        return closing.close(
            account=trader.bench.account, conid=row.conid, ticker=row.ticker, asset_class=row.asset_class,
            quantity=quantity, reason="a person asked", actor=None, now=timezone.now(),
        )  # fmt: skip

    def ended() -> bool:
        closing.work(timezone.now())
        return not Position.objects.exists()

    async def story() -> None:
        await trader.told(ticker=name_of(long), action="buy", quantity=3)
        await worked(holds((long, 3)), "the option is home")
        bought = await trader.told(ticker="AAPL", action="buy", quantity=2, legs=legs(long, short))
        assert bought.status == "accepted", bought.reason
        await worked(holds((long, 5), (short, -2)), "both legs are home")
        # More than is held beside the combos would leave a leg alone.
        with pytest.raises(closing.NotClosable, match="whose other leg would be left alone"):
            await asyncio.to_thread(lab.asked, lambda: close(D(4)))
        await asyncio.to_thread(lab.asked, lambda: close(None))
        await worked(ended, "all of it is closed")

    run(story())
    sold = Order.objects.filter(role="exit").values_list("ticker", "quantity")
    assert sorted(sold) == sorted([(name_of(long), D(3)), (Order.objects.get(conid__lt=0, role="entry").ticker, D(2))])


def test_an_exit_signal_of_an_option_beside_a_combo_sells_what_is_beside_it(
    priced: tuple[Trader, Instrument, Instrument],
) -> None:
    trader, long, short = priced

    async def story() -> None:
        await trader.told(ticker=name_of(long), action="buy", quantity=3)
        await worked(holds((long, 3)), "the option is home")
        bought = await trader.told(ticker="AAPL", action="buy", quantity=2, legs=legs(long, short))
        assert bought.status == "accepted", bought.reason
        await worked(holds((long, 5), (short, -2)), "both legs are home")
        more = await trader.told(ticker=name_of(long), action="add", quantity=1)
        assert more.reason_code == "leg-of-a-combo", more.reason
        closed = await trader.told(ticker=name_of(long), action="exit")
        assert closed.status == "accepted", closed.reason
        await worked(holds((long, 2), (short, -2)), "the combo is left")
        closed = await trader.told(ticker="AAPL", action="exit", legs=legs(long, short))
        assert closed.status == "accepted", closed.reason
        await worked(lambda: not Position.objects.exists(), "it is closed")

    run(story())
    sold = Order.objects.filter(role="exit").order_by("pk").values_list("ticker", "quantity")
    assert list(sold) == [(name_of(long), D(3)), (Order.objects.filter(conid__lt=0)[0].ticker, D(2))]


def test_a_leg_that_becomes_one_while_its_close_waits_is_closed_with_the_other(
    priced: tuple[Trader, Instrument, Instrument],
) -> None:
    trader, long, short = priced
    account = trader.bench.account

    def wish() -> None:
        row = Position.objects.get(conid=long.conid)
        Closing.objects.create(
            team_id=account.team_id, account=account, conid=row.conid, ticker=row.ticker, asset_class="option",
            reason="asked before", asked_at=timezone.now(),
        )  # fmt: skip

    def ended() -> bool:
        closing.work(timezone.now())
        return not Position.objects.exists()

    async def story() -> None:
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        await worked(holds((long, 1), (short, -1)), "both legs are home")
        await asyncio.to_thread(lab.asked, wish)
        await worked(ended, "both are closed")

    run(story())
    (sold,) = Order.objects.filter(role="exit")
    assert sold.conid < 0


def test_a_leg_and_another_combo_with_it_are_not_ordered_beside_one_that_works(
    priced: tuple[Trader, Instrument, Instrument],
) -> None:
    trader, long, short = priced
    other = next(each for each in listed_options("AAPL") if each.expiry == short.expiry and each.strike > short.strike)

    async def story() -> None:
        order = {"orderType": "limit", "limitPrice": 1}
        await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short), **order)
        await worked(lambda: Order.objects.get().status == "accepted", "it works")
        alone = await trader.told(ticker=name_of(short), action="buy", quantity=1)
        assert alone.reason_code == "leg-of-a-combo", alone.reason
        assert '"action": "cancel"' in alone.reason
        beside = await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(short, other))
        assert beside.reason_code == "leg-of-a-combo", beside.reason
        canceled = await trader.told(ticker="AAPL", action="cancel", legs=legs(long, short))
        assert canceled.status == "accepted", canceled.reason
        await worked(lambda: Order.objects.get().status == "canceled", "it is canceled")
        alone = await trader.told(ticker=name_of(short), action="buy", quantity=1, orderType="limit", limitPrice=1)
        await worked(lambda: Order.objects.filter(status="accepted").exists(), "the option's order works")
        whole = await trader.told(ticker="AAPL", action="buy", quantity=1, legs=legs(long, short))
        assert (alone.status, whole.reason_code) == ("accepted", "order-in-a-leg"), whole.reason

    run(story())
