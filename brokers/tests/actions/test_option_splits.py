"""Options whose share is split, seen in IBKR's list of positions: what changes here, once, and what a person is asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.feed.needs import needs_of
from accounts.models import AuditEntry, Team, User
from brokers.book import holdings
from brokers.book.actions import answering, told
from brokers.book.options import renamed
from brokers.book.options.delivered import shares_of
from brokers.domain.actions.reading import ONE_FOR_ONE, Ratio
from brokers.domain.brokerage import OrderFacts, PositionFacts
from brokers.domain.contracts.combos import number_of
from brokers.domain.orders import OrderStatus
from brokers.models import (
    BrokerageAccount,
    Closing,
    ContractLookup,
    CorporateAction,
    NetFill,
    Order,
    UnexplainedChange,
)
from brokers.orders import orphans, reconciliation
from brokers.protection import mending, rescaled
from brokers.templatetags import trading
from brokers.tests import rows

pytestmark = pytest.mark.django_db
D = Decimal
OLD, NEW = "AAPL 261218C640", "AAPL 261218C160"
ADJUSTED = "AAPL1 261218C640"
FOUR = Ratio(new=4, old=1)
SHARE = (265598, "AAPL", 100, "200")


@pytest.fixture
def account(team: Team, now: datetime) -> BrokerageAccount:
    """Two calls at 12, read at `now`."""
    made = rows.account(team, book_as_of=now, opened_at=now)
    rows.position(
        made, conid=10, ticker=OLD, asset_class="option", quantity=D(2), average_cost=D(12), as_of=now, currency="USD"
    )
    return made


def shows(account: BrokerageAccount, at: datetime, *held: tuple[int, str, int, str | None]) -> None:
    facts = [
        PositionFacts(
            account_id=account.account_id,
            conid=conid,
            ticker=ticker,
            asset_class="option" if " " in ticker else "stock",
            quantity=D(quantity),
            average_cost=None if average is None else D(average),
        )
        for conid, ticker, quantity, average in held
    ]
    holdings.refresh(account, positions=facts, summary=None, as_of=at)


def later(now: datetime, seconds: float = 5) -> datetime:
    return now + timedelta(seconds=seconds)


def waiting(account: BrokerageAccount, now: datetime, **values: Any) -> Order:
    """An order for both calls that was there before, and has not left."""
    columns = {
        "conid": 10,
        "ticker": OLD,
        "asset_class": "option",
        "multiplier": D(100),
        "role": "exit",
        "side": "sell",
        "quantity": D(2),
        "created_at": now - timedelta(minutes=1),
        **values,
    }
    return rows.order(account, **columns)


def needed(account: BrokerageAccount, at: datetime) -> list[str]:
    return [each.text for each in needs_of(account.team, at).rows if each.key.startswith("split-")]


def lookup(account: BrokerageAccount, ticker: str, conid: int) -> ContractLookup:
    return ContractLookup.objects.create(
        connection=account.connection,
        ticker=ticker,
        asset_class="option",
        status="found",
        conid=conid,
        increments=[],
        bid=D(11),
        ask=D(12),
        last=D(12),
        multiplier=D(100),
    )


def numbers(account: BrokerageAccount) -> set[tuple[int, Decimal]]:
    """What our orders hold by number."""
    found: dict[int, Decimal] = {}
    for conid, quantity in NetFill.objects.filter(account=account).values_list("conid", "quantity"):
        found[conid] = found.get(conid, D(0)) + quantity
    return {(conid, quantity) for conid, quantity in found.items() if quantity}


def test_a_whole_split_makes_four_calls_of_one_and_what_waits_goes_with_it(
    account: BrokerageAccount, now: datetime
) -> None:
    old = lookup(account, OLD, 10)
    exit_order = waiting(account, now, type="limit", limit_price=D(20))
    closing = Closing.objects.create(
        team=account.team,
        account=account,
        conid=10,
        ticker=OLD,
        asset_class="option",
        quantity=D(1),
        average_cost=D(12),
        asked_at=now,
        reason="by hand",
    )
    shows(account, later(now), (11, NEW, 8, "3"))
    (action,) = CorporateAction.objects.all()
    assert (action.ratio, action.state, action.ticker_before, action.ticker) == (FOUR, "known", OLD, NEW)
    assert (action.conid_before, action.conid) == (10, 11)
    exit_order.refresh_from_db()
    assert (exit_order.ticker, exit_order.conid, exit_order.quantity, exit_order.limit_price) == (NEW, 11, D(8), D(5))
    closing.refresh_from_db()
    assert (closing.ticker, closing.conid, closing.quantity, closing.average_cost) == (NEW, 11, D(4), D(3))
    old.refresh_from_db()
    assert (old.status, old.conid, old.replaced_conid, old.last) == ("wanted", None, 10, None)
    assert ContractLookup.objects.get(ticker=NEW).status == "wanted"
    day = f"{now.day} {now:%B %Y}"
    said = f"A split of 4 for 1 on {day} made 8 at 3 AAPL 18 Dec 2026 160 C of 2 at 12 AAPL 18 Dec 2026 640 C."
    assert needed(account, later(now)) == [said]
    assert not UnexplainedChange.objects.exists()
    assert AuditEntry.objects.filter(action="position.split", after__name=[OLD, NEW]).count() == 1
    # Told twice it is one.
    shows(account, later(now, 9), (11, NEW, 8, "3"))
    assert CorporateAction.objects.count() == 1
    exit_order.refresh_from_db()
    assert exit_order.quantity == D(8)


def test_another_split_leaves_the_number_in_a_class_of_its_own_and_says_what_it_delivers(
    account: BrokerageAccount, now: datetime
) -> None:
    rows.position(account, conid=SHARE[0], quantity=D(100), average_cost=D(300), as_of=now)
    exit_order = waiting(account, now, type="limit", limit_price=D(20))
    entry = waiting(account, now, role="entry", side="buy")
    shows(account, later(now), (11, ADJUSTED, 2, "12"), (SHARE[0], "AAPL", 150, "200"))
    by_ticker = {each.ticker: each for each in CorporateAction.objects.all()}
    assert (by_ticker[ADJUSTED].ratio, by_ticker["AAPL"].ratio) == (ONE_FOR_ONE, Ratio(new=3, old=2))
    exit_order.refresh_from_db()
    assert (exit_order.ticker, exit_order.conid, exit_order.quantity, exit_order.limit_price) == (
        ADJUSTED,
        11,
        D(2),
        D(20),
    )
    entry.refresh_from_db()
    assert (entry.status, entry.reason_code) == ("canceled", "split-meanwhile")
    assert "only closes such a contract" in entry.reason
    assert shares_of(account, 11) == D(150)
    position = account.positions.get(conid=11)
    assert trading.held_as(position).startswith("AAPL1 18 Dec 2026 640 C, adjusted: delivers 150 shares, ")
    assert told.sentence(by_ticker[ADJUSTED]).endswith(
        "the 2 at 12 are AAPL1 18 Dec 2026 640 C since, and can be closed. It is adjusted: delivers 150 shares."
    )


def test_what_it_delivers_is_not_guessed_where_the_split_of_the_share_was_not_seen(
    account: BrokerageAccount, now: datetime
) -> None:
    shows(account, later(now), (11, ADJUSTED, 2, "12"))
    assert shares_of(account, 11) is None
    assert "IBKR does not tell Halyard how many shares it delivers" in trading.held_as(account.positions.get(conid=11))


def test_a_gateway_that_keeps_the_number_is_followed_by_the_name(account: BrokerageAccount, now: datetime) -> None:
    order = waiting(account, now)
    shows(account, later(now), (10, NEW, 8, "3"))
    shows(account, later(now, 9), (10, "AAPL1 261218C160", 8, "3"))
    ratios = [(each.ratio, each.conid_before, each.conid) for each in CorporateAction.objects.order_by("pk")]
    assert ratios == [(FOUR, 10, 10), (ONE_FOR_ONE, 10, 10)]
    order.refresh_from_db()
    assert (order.ticker, order.quantity) == ("AAPL1 261218C160", D(8))
    assert renamed.load([account.pk]).now(account.pk, OLD) == "AAPL1 261218C160"


@pytest.mark.parametrize("first", ["new", "gone"])
def test_a_list_that_shows_the_new_one_before_the_old_one_is_gone_is_one_split(
    account: BrokerageAccount, now: datetime, first: str
) -> None:
    lookup(account, OLD, 10)
    both = ((10, OLD, 2, "12"), (11, NEW, 8, "3"))
    shows(account, later(now), *(both if first == "new" else ()))
    assert not CorporateAction.objects.exists()
    shows(account, later(now, 8), (11, NEW, 8, "3"))
    (action,) = CorporateAction.objects.all()
    assert (action.ratio, action.state) == (FOUR, "known")
    assert not UnexplainedChange.objects.exists()


@pytest.mark.parametrize(
    ("ticker", "quantity", "average"),
    [
        # The strike is a quarter, and the size is not four times as much.
        (NEW, 9, "3"),
        (NEW, 8, "4"),
        (NEW, 8, None),
        (ADJUSTED, 3, "12"),
    ],
)
def test_what_does_not_fit_is_asked_and_nothing_is_sent_meanwhile(
    account: BrokerageAccount, now: datetime, alice: User, ticker: str, quantity: int, average: str | None
) -> None:
    order = waiting(account, now, role="entry", side="buy")
    for seconds in (5, 40):
        shows(account, later(now, seconds), (11, ticker, quantity, average))
    (action,) = CorporateAction.objects.all()
    assert (action.state, action.ticker_before) == ("asked", OLD)
    order.refresh_from_db()
    assert (order.status, order.reason_code) == ("canceled", "split-undecided")
    (said,) = needed(account, later(now, 41))
    assert said.startswith("IBKR shows ")
    assert "no more the 2 at 12 AAPL 18 Dec 2026 640 C" in said
    answering.say(action=action, ratio=None, actor=alice, now=later(now, 60))
    action.refresh_from_db()
    assert action.state == "none"
    assert "nothing was changed here" in told.sentence(action)
    assert renamed.load([account.pk]) is renamed.NONE


def test_a_person_says_that_it_was_the_split(account: BrokerageAccount, now: datetime, alice: User) -> None:
    for seconds in (5, 40):
        shows(account, later(now, seconds), (11, NEW, 8, None))
    answering.say(action=CorporateAction.objects.get(), ratio=FOUR, actor=alice, now=later(now, 60))
    assert renamed.load([account.pk]).now(account.pk, OLD) == NEW


@pytest.mark.parametrize(
    "shown",
    [
        # Another day, right or share; more expensive; a plain roll with its fills is told elsewhere.
        [(11, "AAPL 261224C160", 8, "3")],
        [(11, "AAPL 261218P160", 8, "3")],
        [(11, "MSFT 261218C160", 8, "3")],
        [(11, "AAPL 261218C650", 2, "12")],
        [(11, NEW, -8, "3")],
        [],
    ],
)
def test_what_is_no_split_by_its_name_is_none(
    account: BrokerageAccount, now: datetime, shown: Iterable[tuple[int, str, int, str | None]]
) -> None:
    for seconds in (5, 40):
        shows(account, later(now, seconds), *shown)
    assert not CorporateAction.objects.exists()


def test_what_our_orders_hold_counts_on_under_the_new_number(account: BrokerageAccount, now: datetime) -> None:
    entry = waiting(account, now, role="entry", side="buy", created_at=now - timedelta(hours=1))
    rows.filled(entry, at=now - timedelta(hours=1), price=D(12))
    entry.executions.update(seen_at=now - timedelta(hours=1), conid=10, ticker=OLD)
    assert numbers(account) == {(10, D(2))}
    shows(account, later(now), (11, NEW, 8, "3"))
    assert numbers(account) == {(11, D(8))}


def test_a_name_that_the_split_gave_to_another_is_no_second_step(account: BrokerageAccount, now: datetime) -> None:
    rows.position(
        account,
        conid=20,
        ticker=NEW,
        asset_class="option",
        quantity=D(1),
        average_cost=D(40),
        as_of=now,
        currency="USD",
    )
    shows(account, later(now), (11, NEW, 8, "3"), (21, "AAPL 261218C40", 4, "10"))
    names = renamed.load([account.pk])
    assert (names.now(account.pk, OLD), names.now(account.pk, NEW)) == (NEW, "AAPL 261218C40")
    assert (names.before(account.pk, NEW), names.before(account.pk, "AAPL 261218C40")) == ((OLD,), (NEW,))


def test_many_options_of_one_account_hide_no_split_of_another(account: BrokerageAccount, now: datetime) -> None:
    shows(account, later(now), (11, NEW, 8, "3"))
    first = CorporateAction.objects.get()
    for number in range(30):
        first.pk, first.code, first.conid_before, first.conid = None, uuid.uuid4(), 1_000 + number, 2_000 + number
        first.save(force_insert=True)
    assert rescaled.of(account.pk, 11).conids == {10, 11}


def test_renamings_of_one_account_hide_none_of_another(
    account: BrokerageAccount, team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many of them all were read, whosever they were."""
    monkeypatch.setattr(renamed, "MOST", 3)
    shows(account, later(now), (11, NEW, 8, "3"))
    other = rows.account(team, account_id="U9999999")
    first = CorporateAction.objects.get()
    for number in range(5):
        first.pk, first.code, first.account = None, uuid.uuid4(), other
        first.conid_before, first.conid = 1_000 + number, 2_000 + number
        first.save(force_insert=True)
    with CaptureQueriesContext(connection) as asked:
        names = renamed.load([account.pk, other.pk])
    assert names.now(account.pk, OLD) == NEW
    assert len(asked) == 3


@pytest.mark.parametrize("number", [2**53, 10**15])
def test_numbers_that_fit_nowhere_keep_no_book_from_being_read(
    account: BrokerageAccount, now: datetime, number: int
) -> None:
    rows.position(
        account, conid=20, ticker="AAPL 261218C660", asset_class="option", quantity=D(-2), average_cost=D(9), as_of=now
    )
    order = waiting(account, now, role="entry", side="buy", conid=number_of(10, 20), ticker="AAPL 261218C640/660")
    rows.filled(order, at=now, price=D(3))
    shows(account, later(now), (11, NEW, 8, "3"), (number, "AAPL 261218C165", -8, "2.25"))
    account.refresh_from_db()
    assert account.book_as_of == later(now)


def test_an_order_that_ibkr_has_is_not_left_behind(account: BrokerageAccount, now: datetime) -> None:
    stop = waiting(account, now, role="stop_loss", type="stop", stop_price=D(6), time_in_force="gtc")
    for status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
        assert Order.objects.move(stop, status, now=now, submitted_at=now)
    Order.objects.filter(pk=stop.pk).update(broker_order_id="77")
    shows(account, later(now, 40), (11, NEW, 8, "3"))
    assert not orphans.left_behind(later(now, 80)).exists()
    shows(account, later(now, 90))
    assert orphans.left_behind(later(now, 130)).exists(), "nothing of it is held any more"


def test_an_order_that_ibkr_has_is_marked_and_waits_for_its_word(account: BrokerageAccount, now: datetime) -> None:
    stop = waiting(account, now, type="stop", stop_price=D(6), time_in_force="gtc")
    for status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
        assert Order.objects.move(stop, status, now=now, submitted_at=now - timedelta(minutes=1))
    shows(account, later(now), (11, NEW, 8, "3"))
    stop.refresh_from_db()
    assert (stop.conid, stop.ticker, stop.quantity, stop.status) == (10, OLD, D(2), "accepted")
    assert "IBKR cancels such an order" in stop.events.latest("pk").cause


@pytest.mark.parametrize(
    ("now_called", "size", "average", "placed_at"),
    [(NEW, 8, "3", (D(8), D("1.3"))), (ADJUSTED, 2, "12", (D(2), D("5.25")))],
)
def test_a_stop_that_ibkr_takes_back_is_placed_anew_in_the_contract_of_now(
    account: BrokerageAccount,
    now: datetime,
    now_called: str,
    size: int,
    average: str,
    placed_at: tuple[Decimal, Decimal],
) -> None:
    ago = now - timedelta(hours=1)
    entry = waiting(account, now, role="entry", side="buy", created_at=ago)
    rows.filled(entry, at=ago, price=D(12))
    entry.executions.update(seen_at=ago, conid=10, ticker=OLD)
    values = {"role": "stop_loss", "side": "sell", "type": "stop", "stop_price": D("5.25"), "quantity": D(2)}
    option = {"conid": 10, "ticker": OLD, "asset_class": "option", "multiplier": D(100)}
    leg = rows.order(entry.ticket, **values, **option, release="with_parent", parent=entry, created_at=ago)
    for status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
        assert Order.objects.move(leg, status, now=ago, submitted_at=ago)
    Order.objects.filter(pk=leg.pk).update(broker_order_id="77", time_in_force="gtc")
    type(entry.ticket).objects.filter(pk=entry.ticket_id).update(missing_stop="place_stop")
    held = (11, now_called, size, average)
    shows(account, later(now), held)
    report = OrderFacts(account_id=account.account_id, broker_order_id="77", status=OrderStatus.CANCELED)
    reconciliation.apply(account.connection, orders=[report], now=later(now, 6))
    shows(account, later(now, 9), held)
    for seconds in (10, 11):
        mending.look_at([(account.pk, 11)], later(now, seconds))
    placed = Order.objects.get(role="stop_loss", release="at_once")
    assert (placed.quantity, placed.stop_price) == placed_at
    assert (placed.ticker, placed.conid, placed.multiplier) == (now_called, 11, D(100))
