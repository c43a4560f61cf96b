"""Combos, and positions that are being closed, whose share is split while that happens: nothing ends as done that is held."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.feed.needs import needs_of
from accounts.models import Team, User
from brokers.book.actions import answering
from brokers.book.options import renamed
from brokers.domain.actions.reading import Ratio
from brokers.domain.orders import OrderStatus
from brokers.models import BrokerageAccount, Closing, ContractLookup, CorporateAction, Order
from brokers.models.options import combos
from brokers.orders import closing
from brokers.protection import mending
from brokers.tests import rows
from brokers.tests.actions.test_option_splits import FOUR, NEW, OLD, account, later, shows

__all__ = ["account"]
pytestmark = pytest.mark.django_db
D = Decimal

VERTICAL = -(10 << 31 | 20)


def vertical(team: Team, now: datetime) -> BrokerageAccount:
    """Two verticals of ours, 640 and 660, that both legs show."""
    account = rows.account(team, book_as_of=now, opened_at=now)
    for conid, ticker, quantity in ((10, OLD, 2), (20, "AAPL 261218C660", -2)):
        rows.position(
            account,
            conid=conid,
            ticker=ticker,
            asset_class="option",
            quantity=D(quantity),
            average_cost=D(12),
            as_of=now,
            currency="USD",
        )
    bought = rows.order(
        account,
        conid=VERTICAL,
        ticker="AAPL 261218C640/660",
        asset_class="option",
        multiplier=D(100),
        quantity=D(2),
        created_at=now - timedelta(hours=1),
    )
    for status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.FILLED):
        assert Order.objects.move(
            bought, status, now=now - timedelta(hours=1), filled_quantity=D(2 * (status == "filled"))
        )
    return account


def test_a_vertical_is_ours_still_and_one_of_changed_contracts_is_held_apart(team: Team, now: datetime) -> None:
    account = vertical(team, now)
    leaves = rows.order(
        account,
        conid=VERTICAL,
        ticker="AAPL 261218C640/660",
        asset_class="option",
        side="sell",
        role="exit",
        quantity=D(2),
        created_at=now - timedelta(minutes=1),
        multiplier=D(100),
    )
    assert {each.ticker for each in combos.load([account.pk], now)[account.pk, 10]} == {"AAPL 261218C640/660"}
    shows(account, later(now), (11, NEW, 8, "3"), (21, "AAPL 261218C165", -8, "3"))
    assert CorporateAction.objects.filter(state="known").count() == 2
    held = combos.load([account.pk], now)
    (combo,) = {each for each in held[account.pk, 11] if each.net}
    assert ContractLookup.objects.filter(status="wanted", ticker=combo.ticker).exists()
    assert (combo.ticker, combo.net, combo.number) == ("AAPL 261218C160/165", D(8), -(11 << 31 | 21))
    assert renamed.load([account.pk]).now(account.pk, "AAPL 261218C640/660") == "AAPL 261218C160/165"
    leaves.refresh_from_db()
    assert (leaves.status, leaves.reason_code) == ("canceled", "split-meanwhile")
    shows(account, later(now, 9), (12, "AAPL1 261218C160", 8, "3"), (22, "AAPL1 261218C165", -8, "3"))
    assert not [each for each in combos.load([account.pk], now).get((account.pk, 12), ()) if each.net]
    assert renamed.load([account.pk]).now(account.pk, OLD) == "AAPL1 261218C160"
    assert renamed.load([account.pk]).before(account.pk, "AAPL1 261218C160") == (NEW, OLD)


@pytest.mark.parametrize(("part", "rest"), [(None, 8), (D(1), 4)])
def test_a_close_of_a_vertical_goes_on_in_what_a_split_has_made_of_it(
    team: Team, now: datetime, part: Decimal | None, rest: int
) -> None:
    """It ended as done, with all of it held: nothing was listed under the numbers of before any more."""
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option", quantity=part,
        average_cost=D(4), reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now), (11, NEW, 8, "3"), (21, "AAPL 261218C165", -8, "3"))
    assert closing.work(later(now, 6)) == 1
    wish.refresh_from_db()
    assert (wish.status, wish.conid, wish.ticker) == ("open", -(11 << 31 | 21), "AAPL 261218C160/165")
    assert (wish.quantity, wish.average_cost, wish.note) == (
        part and D(rest), D(1), "A split has made it AAPL 261218C160/165.",
    )  # fmt: skip
    assert closing.work(later(now, 7)) == 1
    sent = Order.objects.get(conid=wish.conid)
    assert (sent.side, sent.quantity, sent.ticker) == ("sell", D(rest), "AAPL 261218C160/165")


@pytest.mark.parametrize(
    ("shown", "status", "note"),
    [
        (
            [(12, "AAPL1 261218C640", 2, "12"), (22, "AAPL1 261218C660", -2, "12")],
            "failed",
            "A split has changed the terms of the legs of AAPL 261218C640/660: they are no combo any more. Close each by itself.",
        ),
        (
            [(11, NEW, 8, "3"), (20, "AAPL 261218C660", -2, "12")],
            "open",
            "Waiting for IBKR to show both legs after the split of their share.",
        ),
    ],
)
def test_a_close_of_a_vertical_that_a_split_parts_is_not_done(
    team: Team, now: datetime, shown: list[Any], status: str, note: str
) -> None:
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option",
        reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now), *shown)
    closing.work(later(now, 6))
    wish.refresh_from_db()
    assert (wish.status, wish.note) == (status, note)


def test_a_close_waits_while_nobody_has_said_what_became_of_it(account: BrokerageAccount, now: datetime) -> None:
    """It ended as done with all of it held, under its other number."""
    wish = Closing.objects.create(
        team=account.team, account=account, conid=10, ticker=OLD, asset_class="option", reason="Enough.", asked_at=now,
    )  # fmt: skip
    for seconds in (5, 40):
        shows(account, later(now, seconds), (11, NEW, 8, None))
    (action,) = CorporateAction.objects.filter(state="asked")
    for seconds in (41, 43):
        closing.work(later(now, seconds))
        wish.refresh_from_db()
        assert (wish.status, wish.note) == (
            "open",
            f"{OLD} may have been split, and nobody has said so yet. Answer the question on the page of the account.",
        )
    answering.say(action=action, ratio=FOUR, actor=None, now=later(now, 44))
    wish.refresh_from_db()
    assert (wish.status, wish.conid, wish.ticker) == ("open", 11, NEW)


def test_a_close_of_a_vertical_waits_while_nobody_has_said_what_became_of_its_legs(team: Team, now: datetime) -> None:
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option",
        reason="Enough.", asked_at=now,
    )  # fmt: skip
    for seconds in (5, 40):
        shows(account, later(now, seconds), (11, NEW, 8, None), (21, "AAPL 261218C165", -8, None))
    actions = list(CorporateAction.objects.filter(state="asked"))
    assert len(actions) == 2
    closing.work(later(now, 41))
    wish.refresh_from_db()
    assert (wish.status, wish.conid) == ("open", VERTICAL)
    assert wish.note.startswith("AAPL 261218C640/660 may have been split")
    for action in actions:
        answering.say(action=action, ratio=FOUR, actor=None, now=later(now, 42))
    closing.work(later(now, 43))
    wish.refresh_from_db()
    assert (wish.status, wish.ticker) == ("open", "AAPL 261218C160/165")


@pytest.mark.parametrize(
    ("next_list", "status", "called"),
    [([(11, NEW, 8, "3")], "open", (11, NEW)), ([], "done", (10, OLD))],
)
def test_a_close_waits_for_the_list_behind_the_one_that_lacks_it(
    account: BrokerageAccount, now: datetime, next_list: list[Any], status: str, called: tuple[int, str]
) -> None:
    """IBKR's list may lack the contract of before a moment before it has that of now: it ended as done with all of it held."""
    wish = Closing.objects.create(
        team=account.team, account=account, conid=10, ticker=OLD, asset_class="option", reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now, 5))
    closing.work(later(now, 6))
    wish.refresh_from_db()
    assert (wish.status, wish.note) == (
        "open",
        f"IBKR lists no {OLD} any more, and no fill explains it yet. Waiting for IBKR's next list and fills.",
    )
    shows(account, later(now, 35 if next_list else 186), *next_list)
    closing.work(later(now, 36 if next_list else 187))
    wish.refresh_from_db()
    assert (wish.status, wish.conid, wish.ticker) == (status, *called)


def test_a_close_of_a_vertical_waits_for_that_list_as_well(team: Team, now: datetime) -> None:
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option",
        reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now, 5))
    closing.work(later(now, 6))
    wish.refresh_from_db()
    assert wish.status == "open"
    shows(account, later(now, 35), (11, NEW, 8, "3"), (21, "AAPL 261218C165", -8, "3"))
    closing.work(later(now, 36))
    wish.refresh_from_db()
    assert (wish.status, wish.ticker) == ("open", "AAPL 261218C160/165")


KEPT = ((10, NEW, 8, "3"), (20, "AAPL 261218C165", -8, "3"))


def test_a_vertical_whose_legs_keep_their_numbers_is_of_four_as_many(team: Team, now: datetime) -> None:
    """A gateway may call an option otherwise under the number that it had: two of before were two still."""
    account = vertical(team, now)
    shows(account, later(now), *KEPT)
    (held,) = combos.load([account.pk], later(now))[account.pk, 10]
    assert (held.number, held.ticker, held.net) == (VERTICAL, "AAPL 261218C160/165", D(8))
    # What is sold since then is of those of now.
    sold = rows.order(
        account, conid=VERTICAL, ticker="AAPL 261218C160/165", asset_class="option", side="sell", role="exit",
        quantity=D(3), filled_quantity=D(3), status="filled", created_at=later(now, 7),
    )  # fmt: skip
    assert sold.filled_quantity == D(3)
    (held,) = combos.load([account.pk], later(now))[account.pk, 10]
    assert held.net == D(5)


@pytest.mark.parametrize(("part", "rest"), [(None, 8), (D(1), 4)])
def test_a_close_of_one_whose_legs_keep_their_numbers_goes_on_in_what_it_is(
    team: Team, now: datetime, part: Decimal | None, rest: int
) -> None:
    """All of it was two of eight, by the name of before."""
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option", quantity=part,
        average_cost=D(4), reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now), *KEPT)
    closing.work(later(now, 6))
    wish.refresh_from_db()
    assert (wish.status, wish.conid, wish.ticker, wish.average_cost) == ("open", VERTICAL, "AAPL 261218C160/165", D(1))
    closing.work(later(now, 7))
    sent = Order.objects.get(role="exit")
    assert (sent.side, sent.quantity, sent.ticker) == ("sell", D(rest), "AAPL 261218C160/165")


def test_one_of_which_one_leg_is_called_otherwise_waits(team: Team, now: datetime) -> None:
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option",
        reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now), KEPT[0], (20, "AAPL 261218C660", -2, "12"))
    closing.work(later(now, 6))
    wish.refresh_from_db()
    assert (wish.status, wish.note) == ("open", "Waiting for IBKR to show both legs after the split of their share.")
    assert not Order.objects.filter(role="exit").exists()


@pytest.mark.parametrize(
    "shown",
    [[(11, NEW, 8, "3"), (20, "AAPL 261218C660", -2, "12")], [(11, NEW, 8, "3")]],
    ids=["other leg", "renamed leg alone"],
)
def test_one_whose_other_leg_never_comes_becomes_a_need(team: Team, now: datetime, shown: list[Any]) -> None:
    """A combo is under no number of a position: its close failed, and nobody was told."""
    account = vertical(team, now)
    wish = Closing.objects.create(
        team=team, account=account, conid=VERTICAL, ticker="AAPL 261218C640/660", asset_class="option",
        reason="Enough.", asked_at=now,
    )  # fmt: skip
    shows(account, later(now), *shown)
    closing.work(later(now, 6))
    shows(account, later(now, 960), *shown)
    closing.work(later(now, 961))
    wish.refresh_from_db()
    assert wish.status == "failed", wish.note
    (need,) = (each for each in needs_of(team, later(now, 962)).rows if each.key == f"closing-{wish.code}")
    assert need.alarm
    assert "Waiting for IBKR to show both legs" in need.text
    shows(account, later(now, 970))
    assert not [each for each in needs_of(team, later(now, 971)).rows if each.key == f"closing-{wish.code}"]


def test_a_second_split_under_the_same_numbers_is_counted_as_well(team: Team, now: datetime) -> None:
    account = vertical(team, now)
    shows(account, later(now), *KEPT)
    shows(account, later(now, 60), (10, "AAPL 261218C80", 16, "1.5"), (20, "AAPL 261218C82.5", -16, "1.5"))
    (held,) = combos.load([account.pk], later(now, 61))[account.pk, 10]
    assert (held.ticker, held.net) == ("AAPL 261218C80/82.5", D(16))


def test_one_for_one_may_be_said_of_an_option_that_only_got_another_name(
    account: BrokerageAccount, now: datetime, alice: User
) -> None:
    for seconds in (5, 40):
        shows(account, later(now, seconds), (10, "AAPL1 261218C640", 3, None))
    (action,) = CorporateAction.objects.filter(state="asked")
    assert (action.conid_before, action.conid, action.ticker_before) == (10, 10, OLD)
    with pytest.raises(answering.AnswerRefused, match="1 for 1 does not make 3 of 2"):
        answering.say(action=action, ratio=Ratio(new=1, old=1), actor=alice, now=later(now, 41))
    CorporateAction.objects.filter(pk=action.pk).update(quantity=D(2))
    answering.say(action=action, ratio=Ratio(new=1, old=1), actor=alice, now=later(now, 41))
    action.refresh_from_db()
    assert (action.state, action.new, action.old) == ("said", 1, 1)


def test_a_missing_stop_of_what_a_split_made_another_contract_of_ends(account: BrokerageAccount, now: datetime) -> None:
    """It stood open for ever: none of its orders were in that contract any more."""
    lapse = rows.lapse(account, now, conid=10)
    shows(account, later(now), (11, NEW, 8, "3"))
    lapse.refresh_from_db()
    assert lapse.ended_at is not None
    assert lapse.outcome == "A split has made another contract of it. Its stop is looked after there."


def test_one_that_is_renumbered_while_it_is_looked_at_is_left_alone(account: BrokerageAccount, now: datetime) -> None:
    """The look stopped with an error, and with it those at every other position of that list."""
    lapse = rows.lapse(account, now, conid=999)
    assert mending.look_at([(account.pk, 999)], later(now)).changed == 0
    assert mending._look_once_more(lapse, later(now), is_new=False) == 0
