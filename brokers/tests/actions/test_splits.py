"""A split seen in IBKR's list of positions: what changes here, once, and what a person is asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from accounts.feed.needs import needs_of
from accounts.models import AuditEntry, Team, User
from brokers.book import day_ledger, holdings
from brokers.book.actions import answering
from brokers.domain.actions.reading import Ratio
from brokers.domain.brokerage import OrderFacts, PositionFacts
from brokers.domain.orders import OrderStatus
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    CorporateAction,
    Lapse,
    NetFill,
    OpeningPosition,
    Order,
    Position,
    UnexplainedChange,
)
from brokers.orders import reconciliation
from brokers.protection import mending, scenes
from brokers.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
AAPL, RENUMBERED = 265598, 930000001


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """A hundred AAPL at 200, read at `now`."""
    made = rows.account(team, book_as_of=now, opened_at=now)
    rows.position(made, quantity=D(100), average_cost=D(200), as_of=now)
    return made


def read(account: BrokerageAccount, at: datetime, quantity: object, average: object, conid: int = AAPL) -> None:
    fact = PositionFacts(
        account_id=account.account_id,
        conid=conid,
        ticker="AAPL",
        asset_class="stock",
        quantity=D(str(quantity)),
        average_cost=None if average is None else D(str(average)),
    )
    holdings.refresh(account, positions=[fact], summary=None, as_of=at)


def later(now: datetime, seconds: float = 5) -> datetime:
    return now + timedelta(seconds=seconds)


def protected(account: BrokerageAccount, now: datetime, **stop: Any) -> tuple[Order, Order]:
    """A hundred bought at 200 by an entry that came with a stop at 190, which works."""
    entry = rows.order(account, quantity=D(100), created_at=now - timedelta(hours=1))
    rows.filled(entry, at=now - timedelta(hours=1), price=D(200))
    entry.executions.update(seen_at=now - timedelta(hours=1))
    values = {"role": "stop_loss", "side": "sell", "type": "stop", "stop_price": D(190), "quantity": D(100)}
    leg = rows.order(
        entry.ticket, **values, release="with_parent", parent=entry, created_at=now - timedelta(hours=1), **stop
    )
    for status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
        assert Order.objects.move(leg, status, now=now - timedelta(hours=1), submitted_at=now - timedelta(hours=1))
    Order.objects.filter(pk=leg.pk).update(broker_order_id="77", time_in_force="gtc")
    leg.refresh_from_db()
    return entry, leg


def waiting(account: BrokerageAccount, now: datetime, **values: Any) -> Order:
    """An order of a hundred that was there before, and has not left."""
    columns = {"role": "exit", "side": "sell", "quantity": D(100), "created_at": now - timedelta(minutes=1), **values}
    return rows.order(account, **columns)


def shown(order: Order) -> tuple[Decimal, Decimal | None, Decimal | None]:
    order.refresh_from_db()
    return order.quantity, order.limit_price, order.stop_price


def test_a_split_is_one_event_that_says_what_became_of_what(account: BrokerageAccount, now: datetime) -> None:
    read(account, later(now), 400, 50)
    (action,) = CorporateAction.objects.all()
    assert (action.new, action.old, action.state) == (4, 1, "known")
    assert not UnexplainedChange.objects.exists()
    (need,) = [each for each in needs_of(account.team, later(now)).rows if each.key.startswith("split-")]
    day = f"{now.day} {now:%B %Y}"
    assert need.text == f"IBKR split AAPL 4 for 1 on {day}: 100 at 200 became 400 at 50."
    assert AuditEntry.objects.filter(team=account.team, action="position.split").count() == 1


def test_the_cfd_on_a_share_is_split_with_it_and_never_taken_for_it(team: Team, now: datetime) -> None:
    account = rows.account(team, book_as_of=now, opened_at=now)
    cfd = 700_000_000
    rows.position(account, conid=cfd, asset_class="cfd", quantity=D(-100), average_cost=D(200), as_of=now)
    order = waiting(account, now, conid=cfd, asset_class="cfd", side="buy", type="limit", limit_price=D(160))

    def shows(at: datetime, asset_class: str, conid: int, quantity: int, average: int) -> None:
        fact = PositionFacts(
            account_id=account.account_id,
            conid=conid,
            ticker="AAPL",
            asset_class=asset_class,
            quantity=D(quantity),
            average_cost=D(average),
        )
        holdings.refresh(account, positions=[fact], summary=None, as_of=at)

    shows(later(now), "cfd", cfd, -400, 50)
    (action,) = CorporateAction.objects.all()
    assert (action.ratio, action.conid, action.state) == (Ratio(new=4, old=1), cfd, "known")
    assert shown(order) == (D(400), D(40), None)
    # Pairs and indices are never split.
    for number, name in enumerate(("EURUSD", "XAUUSD", "IBUS500"), 1):
        before = rows.account(team, account_id=f"U{number}", book_as_of=now, opened_at=now)
        rows.position(
            before, conid=number, ticker=name, asset_class="cfd", quantity=D(100), average_cost=D(200), as_of=now
        )
        halved = PositionFacts(
            account_id=before.account_id,
            conid=number,
            ticker=name,
            asset_class="cfd",
            quantity=D(200),
            average_cost=D(100),
        )
        holdings.refresh(before, positions=[halved], summary=None, as_of=later(now, 60))
    # The share of that name, in another size, is none of it.
    shows(later(now, 60), "stock", AAPL, -100, 200)
    shows(later(now, 120), "stock", AAPL, -100, 200)
    assert CorporateAction.objects.count() == 1


def test_it_is_taken_once_however_often_it_is_read(account: BrokerageAccount, now: datetime) -> None:
    order = waiting(account, now, type="limit", limit_price=D(240))
    for seconds in (5, 10, 15):
        read(account, later(now, seconds), 400, 50)
    # A reading that began before the split was known, and comes home behind it.
    read(account, later(now, 3), 100, 200)
    assert shown(order) == (D(400), D(60), None)
    assert CorporateAction.objects.count() == 1


def test_it_is_seen_where_the_average_comes_behind_the_size(account: BrokerageAccount, now: datetime) -> None:
    read(account, later(now, 5), 400, 200)
    assert not CorporateAction.objects.exists()
    read(account, later(now, 10), 400, 50)
    assert CorporateAction.objects.get().ratio == Ratio(new=4, old=1)


@pytest.mark.parametrize(
    ("kind", "prices", "after"),
    [
        ("limit", {"limit_price": D(240)}, (D(400), D(60), None)),
        ("stop", {"stop_price": D("190.01")}, (D(400), None, D("47.5"))),
        ("stop_limit", {"stop_price": D(190), "limit_price": D(188)}, (D(400), D(47), D("47.5"))),
        ("limit_if_touched", {"stop_price": D(180), "limit_price": D(181)}, (D(400), D("45.25"), D(45))),
        ("market_if_touched", {"stop_price": D(180)}, (D(400), None, D(45))),
    ],
)
def test_what_waits_here_gets_size_and_prices_by_the_rulebook(
    account: BrokerageAccount, now: datetime, kind: str, prices: dict[str, Decimal], after: tuple[Decimal, ...]
) -> None:
    order = waiting(account, now, type=kind, **prices)
    read(account, later(now), 400, 50)
    assert shown(order) == after
    (mark,) = order.rescalings.all()
    assert (mark.quantity_before, mark.ratio) == (D(100), Ratio(new=4, old=1))


def test_what_nothing_is_left_of_is_not_sent(account: BrokerageAccount, now: datetime) -> None:
    order = waiting(account, now, quantity=D(9))
    read(account, later(now), 10, 2000)
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("canceled", "split_quantity_zero")


def test_closings_the_days_opening_and_the_sum_of_our_fills_change_with_it(
    account: BrokerageAccount, now: datetime
) -> None:
    entry, _ = protected(account, now)
    closing = Closing.objects.create(
        team=account.team,
        account=account,
        conid=AAPL,
        ticker="AAPL",
        asset_class="stock",
        quantity=D(40),
        reason="x",
        average_cost=D(200),
        asked_at=now,
    )
    day = day_ledger.day_start(later(now)).date()
    opening = OpeningPosition.objects.create(
        account=account, day=day, conid=AAPL, ticker="AAPL", quantity=D(100), price=D(196)
    )
    read(account, later(now), 400, 50)
    for row in (closing, opening):
        row.refresh_from_db()
    assert (closing.quantity, closing.average_cost) == (D(160), D(50))
    assert (opening.quantity, opening.price) == (D(400), D(49))
    assert sum(NetFill.objects.filter(account=account, conid=AAPL).values_list("quantity", flat=True)) == D(400)
    # What has filled stays as it was.
    assert shown(entry)[0] == D(100)


def test_a_reverse_split_under_another_number_is_followed_there(account: BrokerageAccount, now: datetime) -> None:
    ContractLookup.objects.create(
        connection=account.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=AAPL,
        last=D(200),
        increments=[],
        answered_at=now,
    )
    order = waiting(account, now, type="stop", stop_price=D(190))
    read(account, later(now), 10, 2000, RENUMBERED)
    action = CorporateAction.objects.get()
    assert (action.conid_before, action.conid, action.ratio) == (AAPL, RENUMBERED, Ratio(new=1, old=10))
    assert shown(order) == (D(10), None, D(1900))
    assert order.conid == RENUMBERED
    lookup = ContractLookup.objects.get(connection=account.connection, ticker="AAPL")
    assert (lookup.conid, lookup.replaced_conid, lookup.status, lookup.last) == (RENUMBERED, AAPL, "wanted", None)


@pytest.mark.parametrize("order_first", [True, False])
def test_what_ibkr_has_changed_is_written_as_it_shows_it_whichever_comes_first(
    account: BrokerageAccount, now: datetime, *, order_first: bool
) -> None:
    _, stop = protected(account, now)
    report = OrderFacts(
        account_id=account.account_id,
        broker_order_id="77",
        status=OrderStatus.ACCEPTED,
        quantity=D(400),
        stop_price=D("47.50"),
    )
    if order_first:
        reconciliation.apply(account.connection, orders=[report], now=later(now, 5))
    read(account, later(now, 10), 400, 50)
    reconciliation.apply(account.connection, orders=[report], now=later(now, 15))
    # The list repeats what the stream has said.
    reconciliation.apply(account.connection, orders=[report], now=later(now, 20))
    assert shown(stop) == (D(400), None, D("47.5"))
    assert [mark.action_id for mark in stop.rescalings.all()] == [CorporateAction.objects.get().pk]
    assert not mending.look_at([(account.pk, AAPL)], later(now, 30)).changed


def test_a_stop_that_ibkr_takes_back_is_placed_anew_at_the_price_of_after(
    account: BrokerageAccount, now: datetime
) -> None:
    entry, _ = protected(account, now)
    type(entry.ticket).objects.filter(pk=entry.ticket_id).update(missing_stop="place_stop")
    read(account, later(now), 400, 50)
    report = OrderFacts(
        account_id=account.account_id,
        broker_order_id="77",
        status=OrderStatus.CANCELED,
        code="corporate-action",
        text="A corporate action ended the order, such as a split.",
    )
    reconciliation.apply(account.connection, orders=[report], now=later(now, 6))
    read(account, later(now, 9), 400, 50)
    mending.look_at([(account.pk, AAPL)], later(now, 10))
    placed = Order.objects.filter(role="stop_loss", release="at_once").get()
    assert shown(placed) == (D(400), None, D("47.5"))
    mending.look_at([(account.pk, AAPL)], later(now, 11))
    assert Order.objects.filter(role="stop_loss", release="at_once").count() == 1


def test_it_is_placed_anew_under_the_new_number(account: BrokerageAccount, now: datetime) -> None:
    entry, _ = protected(account, now)
    type(entry.ticket).objects.filter(pk=entry.ticket_id).update(missing_stop="place_stop")
    read(account, later(now), 10, 2000, RENUMBERED)
    report = OrderFacts(account_id=account.account_id, broker_order_id="77", status=OrderStatus.CANCELED)
    reconciliation.apply(account.connection, orders=[report], now=later(now, 6))
    read(account, later(now, 9), 10, 2000, RENUMBERED)
    mending.look_at([(account.pk, RENUMBERED)], later(now, 10))
    placed = Order.objects.filter(role="stop_loss", release="at_once").get()
    assert (*shown(placed), placed.conid) == (D(10), None, D(1900), RENUMBERED)


def test_a_part_that_was_sold_on_the_day_does_not_hide_it(account: BrokerageAccount, now: datetime) -> None:
    protected(account, now)
    sold = rows.order(account, side="sell", role="exit", quantity=D(60))
    rows.execution(sold, price=D(51), executed_at=later(now, 3), seen_at=later(now, 3))
    Order.objects.filter(pk=sold.pk).update(status="filled", filled_quantity=D(60))
    read(account, later(now), 340, 50)
    assert not CorporateAction.objects.exists(), "another fill may be on its way"
    read(account, later(now, 40), 340, 50)
    assert CorporateAction.objects.get().ratio == Ratio(new=4, old=1)
    assert not UnexplainedChange.objects.exclude(quantity=0).exists()


def test_a_stop_that_waited_and_leaves_after_it_is_counted_once(account: BrokerageAccount, now: datetime) -> None:
    entry, stop = protected(account, now)
    Order.objects.filter(pk=stop.pk).update(status="created", submitted_at=None, broker_order_id="")
    read(account, later(now), 400, 50)
    assert shown(stop) == (D(400), None, D("47.5"))
    for status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
        assert Order.objects.move(stop, status, now=later(now, 9), submitted_at=later(now, 9))
    sighting = scenes.load(account.pk, AAPL, later(now, 60))
    assert sighting is not None
    assert ([each.quantity for each in sighting.scene.stops], sighting.scene.due) == ([D(400)], D(400))
    assert shown(entry)[0] == D(100)


def test_what_was_dealt_after_it_and_before_it_was_seen_counts_as_it_is(
    account: BrokerageAccount, now: datetime
) -> None:
    """A gateway that was down over the night: split at midnight, 60 sold in the morning, read after that."""
    protected(account, now)
    sold = rows.order(account, side="sell", role="exit", quantity=D(60), created_at=later(now, 30))
    rows.execution(sold, price=D(51), executed_at=later(now, 31), seen_at=later(now, 31))
    Order.objects.filter(pk=sold.pk).update(status="filled", filled_quantity=D(60), submitted_at=later(now, 30))
    for seconds in (60, 95):
        read(account, later(now, seconds), 340, 50)
    sighting = scenes.load(account.pk, AAPL, later(now, 150))
    assert sighting is not None
    assert (sighting.scene.held, sighting.scene.most) == (D(340), D(340))
    assert sum(NetFill.objects.filter(account=account, conid=AAPL).values_list("quantity", flat=True)) == D(340)


def test_a_sale_whose_fill_is_told_late_asks_nobody(account: BrokerageAccount, now: datetime) -> None:
    read(account, later(now), 99, 200)
    assert not CorporateAction.objects.exists()


def test_fills_that_explain_it_later_withdraw_the_question(account: BrokerageAccount, now: datetime) -> None:
    read(account, later(now), 373, "53.6193")
    bought = rows.order(account, quantity=D(273), created_at=now)
    rows.execution(bought, price=D("0.01"), executed_at=later(now, 3), seen_at=later(now, 8))
    read(account, later(now, 60), 373, "53.6193")
    assert CorporateAction.objects.get().state == "none"


def test_two_listings_of_one_name_are_two_holdings(account: BrokerageAccount, now: datetime) -> None:
    """Sold here and bought in Toronto, neither told yet."""
    Position.objects.filter(account=account).update(currency="USD")
    fact = PositionFacts(
        account_id=account.account_id,
        conid=7,
        ticker="AAPL",
        asset_class="stock",
        quantity=D(100),
        average_cost=D(200),
        currency="CAD",
    )
    for seconds in (5, 60):
        holdings.refresh(account, positions=[fact], summary=None, as_of=later(now, seconds))
    assert not CorporateAction.objects.exists()


def test_another_number_without_averages_is_asked_about_once_fills_would_have_been_told(
    account: BrokerageAccount, now: datetime
) -> None:
    ContractLookup.objects.create(
        connection=account.connection,
        ticker="AAPL",
        asset_class="stock",
        status="found",
        conid=AAPL,
        increments=[],
        answered_at=now,
    )
    read(account, later(now), 10, None, RENUMBERED)
    assert not CorporateAction.objects.exists()
    read(account, later(now, 40), 10, None, RENUMBERED)
    assert CorporateAction.objects.get().state == "asked"
    # Another doubt about what is held now keeps no book from being read.
    read(account, later(now, 400), 10, 100, RENUMBERED)
    read(account, later(now, 405), 33, "30.31", RENUMBERED)
    assert Position.objects.get(account=account).quantity == D(33)
    assert CorporateAction.objects.filter(state="asked").count() == 1


def test_what_was_planned_while_it_was_split_does_not_leave(account: BrokerageAccount, now: datetime) -> None:
    """All is sold by our copy, which shows a hundred still: after a reverse split that would be ninety too many."""
    order = waiting(account, now, created_at=later(now, 3))
    closing = Closing.objects.create(
        team=account.team,
        account=account,
        conid=AAPL,
        ticker="AAPL",
        asset_class="stock",
        quantity=D(40),
        reason="x",
        asked_at=later(now, 3),
    )
    read(account, later(now, 5), 10, 2000)
    order.refresh_from_db()
    closing.refresh_from_db()
    assert (order.status, order.reason_code, closing.quantity) == ("canceled", "split-meanwhile", D(4))


def test_a_stop_that_was_sent_meanwhile_is_neither_canceled_nor_doubled(
    account: BrokerageAccount, now: datetime
) -> None:
    _, stop = protected(account, now)
    Order.objects.filter(pk=stop.pk).update(submitted_at=later(now, 3))
    for seconds in (5, 40):
        read(account, later(now, seconds), 10, 2000)
    assert CorporateAction.objects.get().state == "known"
    mending.look_at([(account.pk, AAPL)], later(now, 65))
    stop.refresh_from_db()
    assert (stop.status, Order.objects.filter(role="stop_loss").count()) == ("accepted", 1)


def test_a_partly_filled_order_keeps_its_numbers(account: BrokerageAccount, now: datetime) -> None:
    _, stop = protected(account, now)
    Order.objects.filter(pk=stop.pk).update(status="partially_filled", filled_quantity=D(60))
    report = OrderFacts(
        account_id=account.account_id,
        broker_order_id="77",
        status=OrderStatus.ACCEPTED,
        quantity=D(10),
        stop_price=D(1900),
    )
    reconciliation.apply(account.connection, orders=[report], now=later(now, 5))
    assert shown(stop) == (D(100), None, D(190))


def test_a_fill_that_is_told_after_minutes_still_withdraws_the_question(
    account: BrokerageAccount, now: datetime
) -> None:
    read(account, later(now), 373, "53.6193")
    read(account, later(now, 400), 373, "53.6193")
    bought = rows.order(account, quantity=D(273), created_at=now)
    rows.execution(bought, price=D("0.01"), executed_at=later(now, 3), seen_at=later(now, 410))
    read(account, later(now, 500), 373, "53.6193")
    assert CorporateAction.objects.get().state == "none"


# Left and entered again for the same money ------------------------------------------------------------------------------


def again(account: BrokerageAccount, now: datetime, sold: Decimal, bought: Decimal) -> tuple[Order, Order]:
    """An exit and a new entry, both sent after the last reading."""
    out = rows.order(account, side="sell", role="exit", quantity=sold, created_at=later(now, 1))
    back = rows.order(account, quantity=bought, created_at=later(now, 2))
    for order in (out, back):
        assert Order.objects.move(order, OrderStatus.SUBMITTED, now=later(now, 2), submitted_at=later(now, 2))
    return out, back


def tell(order: Order, price: Decimal, at: datetime) -> None:
    rows.execution(order, price=price, executed_at=at, seen_at=at)
    assert Order.objects.move(order, OrderStatus.FILLED, now=at, filled_at=at, filled_quantity=order.quantity)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    quantity=st.integers(1, 2_000), cents=st.integers(200, 50_000), moved=st.integers(50, 200), told=st.integers(0, 2)
)
@example(quantity=100, cents=10_000, moved=120, told=1)
@example(quantity=100, cents=10_000, moved=125, told=0)
def test_who_leaves_and_enters_again_for_the_same_money_has_met_no_split(
    account: BrokerageAccount, now: datetime, quantity: int, cents: int, moved: int, told: int
) -> None:
    """None, the first or both of the fills are told when the list shows both; later all are."""
    average, price = D(cents) / 100, D(cents) * moved / 10_000
    bought = (quantity * average / price).to_integral_value(ROUND_DOWN)
    assume(bought >= 1)
    with transaction.atomic():
        Position.objects.filter(account=account).update(quantity=D(quantity), average_cost=average)
        orders = again(account, now, D(quantity), bought)
        for order in orders[:told]:
            tell(order, price, later(now, 4))
        read(account, later(now, 5), bought, price)
        assert not CorporateAction.objects.exists()
        for order in orders[told:]:
            tell(order, price, later(now, 7))
        for seconds in (10, 50, 400):
            read(account, later(now, seconds), bought, price)
        assert not CorporateAction.objects.exists()
        assert not UnexplainedChange.objects.exists()
        transaction.set_rollback(True)


@pytest.mark.parametrize("told", [0, 1])
def test_where_the_rest_is_never_told_a_person_is_asked_until_it_is(
    account: BrokerageAccount, now: datetime, told: int
) -> None:
    orders = again(account, now, D(100), D(160))
    for order in orders[:told]:
        tell(order, D(125), later(now, 4))
    for seconds in (5, 40, 50):
        read(account, later(now, seconds), 160, 125)
    assert CorporateAction.objects.get().state == "asked"
    for order in orders[told:]:
        tell(order, D(125), later(now, 55))
    read(account, later(now, 100), 160, 125)
    assert CorporateAction.objects.get().state == "none"


@pytest.mark.parametrize("reader", ["watch", "lane"])
def test_a_renumbered_share_abroad_is_paired_whoever_reads_it(
    account: BrokerageAccount, now: datetime, reader: str
) -> None:
    """The one names it with its exchange, the other as IBKR does."""
    before, after = ("LSE:VOD", "VOD") if reader == "watch" else ("VOD", "LSE:VOD")
    Position.objects.filter(account=account).update(ticker=before, currency="GBP")
    ContractLookup.objects.create(
        connection=account.connection,
        ticker="LSE:VOD",
        asset_class="stock",
        status="found",
        conid=AAPL,
        increments=[],
        answered_at=now,
    )
    fact = PositionFacts(
        account_id=account.account_id,
        conid=RENUMBERED,
        ticker=after,
        asset_class="stock",
        quantity=D(10),
        average_cost=D(2000),
        currency="GBP",
    )
    holdings.refresh(account, positions=[fact], summary=None, as_of=later(now))
    action = CorporateAction.objects.get()
    assert (action.state, action.ratio, action.ticker) == ("known", Ratio(new=1, old=10), "LSE:VOD")
    assert ContractLookup.objects.get(ticker="LSE:VOD").conid == RENUMBERED


# Not plain ------------------------------------------------------------------------------------------------------------


def test_where_the_ratio_is_not_plain_a_person_is_asked_and_nothing_leaves(
    account: BrokerageAccount, now: datetime
) -> None:
    _, stop = protected(account, now)
    target = waiting(account, now, role="take_profit", type="limit", limit_price=D(240))
    read(account, later(now), 373, "53.6193")
    read(account, later(now, 10), 373, "53.6193")
    action = CorporateAction.objects.get()
    target.refresh_from_db()
    assert (action.state, target.status, target.reason_code) == ("asked", "canceled", "split-undecided")
    (need,) = [each for each in needs_of(account.team, later(now)).rows if each.key.startswith("split-")]
    assert need.alarm
    assert "Either it was a split by a ratio that Halyard cannot tell" in need.text
    Order.objects.move(stop, OrderStatus.CANCELED, now=later(now, 11))
    mending.look_at([(account.pk, AAPL)], later(now, 20))
    assert Lapse.objects.get().verdict == "split-undecided"
    assert not Order.objects.filter(role="stop_loss", release="at_once").exists()


def test_a_person_names_the_ratio_once(account: BrokerageAccount, alice: User, now: datetime) -> None:
    read(account, later(now), 373, "53.6193")
    action = CorporateAction.objects.get()
    order = waiting(account, now, type="limit", limit_price=D("373"))
    pressed = rows.order(account, role="exit", side="sell", quantity=D(373), created_at=later(now, 10))
    for wrong in (Ratio(new=1, old=1), Ratio(new=100, old=373)):
        with pytest.raises(answering.AnswerRefused):
            answering.say(action=action, ratio=wrong, actor=alice, now=later(now, 20))
    answering.say(action=action, ratio=Ratio(new=373, old=100), actor=alice, now=later(now, 20))
    assert shown(order) == (D(373), D(100), None)
    assert shown(pressed)[0] == D(373), "what was pressed since is of the shares of now"
    with pytest.raises(answering.AnswerRefused) as refused:
        answering.say(action=action, ratio=None, actor=alice, now=later(now, 21))
    assert refused.value.code == "split-answered"
    assert AuditEntry.objects.get(action="position.split").actor == alice


def test_no_split_changes_nothing_and_is_not_asked_again(account: BrokerageAccount, alice: User, now: datetime) -> None:
    read(account, later(now), 373, "53.6193")
    answering.say(action=CorporateAction.objects.get(), ratio=None, actor=alice, now=later(now, 6))
    read(account, later(now, 10), 373, "53.6193")
    assert CorporateAction.objects.get().state == "none"


def test_who_dies_in_the_middle_has_written_nothing(account: BrokerageAccount, now: datetime) -> None:
    order = waiting(account, now, type="limit", limit_price=D(240))

    @transaction.atomic
    def read_and_die() -> None:
        read(account, later(now), 400, 50)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        read_and_die()
    assert (shown(order), CorporateAction.objects.count()) == ((D(100), D(240), None), 0)
    account.refresh_from_db()
    read(account, later(now, 10), 400, 50)
    assert (shown(order), CorporateAction.objects.count()) == ((D(400), D(60), None), 1)
