"""The pages of a subscription for an advisor's group: chosen beside accounts, and divided before any order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.refusals import refused_by
from brokers.book import live_book
from brokers.book.views import NotYet, View
from brokers.domain.orders import Instrument, OrderIntent, OrderType, Role, Side
from brokers.models import AccountGroup, Advisor, BrokerageAccount, ContractLookup, Order, Ticket
from brokers.tests import rows as brokers
from strategies.control import halt, limits
from strategies.control.halt import reach
from strategies.deciding import record
from strategies.deciding.advisors import groups
from strategies.deciding.desk import rehearsal_desk
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.plan import Plan, Rejection, Share, Terms
from strategies.models import Decision, Strategy, Subscription
from strategies.setup import subscriptions
from strategies.tests import rows
from strategies.tests.domain.cases_of_decide import message, snapshot
from strategies.usage import DAY_OF_A_GROUP, counted

pytestmark = pytest.mark.django_db


@pytest.fixture
def carrier(team: Team) -> BrokerageAccount:
    """An advisor's own account, with three clients in the group family."""
    made, now = brokers.account(team, account_id="F100", kind="advisor"), timezone.now()
    for number, equity in (("U1", 25_000), ("U2", 50_000), ("U3", 100_000)):
        brokers.account(team, of=made.connection, account_id=number, equity=Decimal(equity))
    AccountGroup.objects.create(
        team=team,
        connection=made.connection,
        account=made,
        name="family",
        method="NetLiq",
        members=[{"account": number, "amount": None} for number in ("U1", "U2", "U3")],
        read_at=now,
    )
    Advisor.objects.create(connection=made.connection, read_at=now)
    return made


@pytest.fixture
def strategy(team: Team) -> Strategy:
    return rows.strategy(team, timezone.now())


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def followed(strategy: Strategy, carrier: BrokerageAccount) -> Subscription:
    return subscriptions.subscribe(
        team=strategy.team,
        strategy=strategy,
        account=carrier,
        group=AccountGroup.objects.get(),
        terms=Terms(),
        actor=None,
        now=timezone.now(),
    )


def test_a_group_is_chosen_in_the_place_of_an_account(
    signed_in: Client, strategy: Strategy, carrier: BrokerageAccount
) -> None:
    address = f"/teams/{strategy.team.code}/subscriptions/new/"
    page = signed_in.get(address).text
    assert "Group of accounts" in page
    assert "F100" not in page, "an advisor's own account is no choice"
    group, client = AccountGroup.objects.get(), BrokerageAccount.objects.get(account_id="U1")
    sent = {"strategy": str(strategy.code), "group": str(group.code), "linked": "yes"}
    both = signed_in.post(address, sent | {"account": str(client.code)})
    assert both.status_code == 422
    assert "for an account or for a group, not for both" in both.text
    assert signed_in.post(address, sent | {"account": ""}).status_code == 302
    made = Subscription.objects.get()
    assert (made.group, made.account, made.trades_for) == (group, carrier, "family (F100)")
    neither = signed_in.post(address, {"strategy": str(strategy.code), "account": "", "linked": "yes"})
    assert "Choose an account, or a group." in neither.text


def test_the_page_says_who_would_get_how_many(signed_in: Client, strategy: Strategy, carrier: BrokerageAccount) -> None:
    address = f"/teams/{strategy.team.code}/subscriptions/{followed(strategy, carrier).code}/"
    page = signed_in.get(address, {"divide": "700"})
    division = page.context["division"]
    assert {share.account_id: int(share.quantity) for share in division.shares} == {"U1": 100, "U2": 200, "U3": 400}
    assert "Who gets how many" in page.text
    refused = signed_in.get(address, {"divide": "2"})
    assert "group-below-one" in refused.text
    AccountGroup.objects.update(gone_at=timezone.now())
    assert "group-gone" in signed_in.get(address).text


def test_entries_of_the_group_count_for_each_account(strategy: Strategy, carrier: BrokerageAccount) -> None:
    subscription, client = followed(strategy, carrier), BrokerageAccount.objects.get(account_id="U2")
    limits.set_limits(
        team=strategy.team, target=client, actor=None, now=timezone.now(), limits={"max_trades_per_day": 1}
    )
    desk = rehearsal_desk([subscription], message("buy", 1), timezone.now(), ask=False)
    [(number, guards)] = desk.guards.of(subscription).clients
    assert (number, guards.levels[0].max_trades_per_day, guards.levels[0].trades_today) == ("U2", 1, 0)


def test_a_limit_of_the_day_in_the_terms_is_not_counted_for_a_group(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    subscription = followed(strategy, carrier)
    desk = rehearsal_desk([subscription], message("buy", 1), timezone.now(), ask=False)
    seen = counted(snapshot(), Terms(max_daily_loss=Decimal(100)), subscription, planned=0, figures=desk.guards)
    assert seen.day_unknown == DAY_OF_A_GROUP


def test_a_stop_of_one_account_reaches_the_working_orders_of_its_groups(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    brokers.order(carrier, fa_group="family", fa_method="NetLiq")
    other = brokers.order(carrier, fa_group="another", fa_method="NetLiq")
    member = BrokerageAccount.objects.get(account_id="U2")
    reached = reach(strategy.team, member).orders
    assert reached.count() == 1
    assert other not in reached


def test_postgres_refuses_an_entry_without_its_group_in_the_account_that_carries_one(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    followed(strategy, carrier)
    brokers.order(carrier, role="exit")
    brokers.order(carrier, fa_group="family", fa_method="NetLiq")
    taken_over = brokers.order(carrier, role="exit").ticket
    Ticket.objects.filter(pk=taken_over.pk).update(adopted_at=timezone.now())
    brokers.order(Ticket.objects.get(pk=taken_over.pk))  # an order that IBKR has already
    with refused_by("entry_of_a_carrier_names_its_group"):
        brokers.order(carrier)


@pytest.mark.django_db(transaction=True)
def test_a_stop_of_one_account_keeps_the_orders_of_its_groups_from_leaving_meanwhile(carrier: BrokerageAccount) -> None:
    brokers.order(carrier, fa_group="family", fa_method="NetLiq")
    other = brokers.order(carrier, fa_group="another", fa_method="NetLiq")
    member = BrokerageAccount.objects.get(account_id="U2")

    def free() -> list[int]:
        """What a lane could take now."""
        try:
            with transaction.atomic():
                return list(Order.objects.select_for_update(skip_locked=True).values_list("pk", flat=True))
        finally:
            connection.close()

    with transaction.atomic(), ThreadPoolExecutor(1) as lane:
        halt._hold_still(carrier.team, member)
        assert lane.submit(free).result(timeout=60) == [other.pk]


ENTERS, LEAVES = (
    Plan(
        rule="D01",
        reason="So.",
        intents=(
            OrderIntent(
                role=role, instrument=Instrument(ticker="AAPL"), side=side, type=OrderType.MARKET, quantity=Decimal(1)
            ),
        ),
    )
    for role, side in ((Role.ENTRY, Side.BUY), (Role.EXIT, Side.SELL))
)


def test_ways_out_wait_neither_for_groups_nor_for_a_choice_of_one(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    now = timezone.now()
    plain = Subscription(team=strategy.team, strategy=strategy, account=carrier)
    refused = groups.held_back(plain, ENTERS, {})
    assert isinstance(refused, Rejection)
    assert (refused.rule, refused.code) == ("B12", "advisor-without-group")
    assert groups.held_back(plain, LEAVES, {}) is None
    subscription = followed(strategy, carrier)
    Advisor.objects.update(read_at=None)
    casts = groups.load([subscription], now)
    assert isinstance(groups.held_back(subscription, ENTERS, casts), NotYet)
    assert groups.held_back(subscription, LEAVES, casts) is None
    assert Advisor.objects.get().wanted_at == now


def test_a_group_waits_while_any_fill_of_any_account_may_not_be_in_its_position(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    now, aapl = timezone.now(), Instrument(ticker="AAPL")
    subscription = followed(strategy, carrier)
    BrokerageAccount.objects.update(book_as_of=now)
    subscription.account.refresh_from_db()
    ContractLookup.objects.create(
        connection=carrier.connection, ticker="AAPL", asset_class="stock", status="found", conid=265598, answered_at=now
    )
    casts = groups.load([subscription], now)
    book = live_book.load(groups.pairs_of(subscription, aapl, casts), now)
    one, two = BrokerageAccount.objects.filter(account_id__in=["U1", "U2"]).order_by("account_id")
    assert isinstance(groups.view(subscription, aapl, book, casts), View)
    # They cancel out in the sum, and not in the accounts.
    book.unsettled |= {(one.pk, 265598): Decimal(5), (two.pk, 265598): Decimal(-5)}
    assert isinstance(groups.view(subscription, aapl, book, casts), NotYet)


def test_of_an_account_that_left_only_what_the_group_bought_counts_and_nobody_waits_for_it(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    now, aapl = timezone.now(), Instrument(ticker="AAPL")
    subscription = followed(strategy, carrier)
    group = AccountGroup.objects.get()
    group.members, group.former = group.members[:2], ["U3"]
    group.save()
    BrokerageAccount.objects.update(book_as_of=now)
    subscription.refresh_from_db()
    ContractLookup.objects.create(
        connection=carrier.connection, ticker="AAPL", asset_class="stock", status="found", conid=265598, answered_at=now
    )
    left = BrokerageAccount.objects.get(account_id="U3")
    position = brokers.position(left, quantity=Decimal(103))
    brokers.order(left, role="stop_loss", side="sell", type="stop", stop_price=Decimal(95), quantity=Decimal(103))

    def seen() -> View:
        casts = groups.load([subscription], now)
        book = live_book.load(groups.pairs_of(subscription, aapl, casts), now)
        shown = groups.view(subscription, aapl, book, casts)
        assert isinstance(shown, View)
        assert shown.snapshot.working == (), "its orders are its own"
        return shown

    def clients() -> dict[str, int]:
        shown = seen().snapshot
        assert shown.group is not None
        assert shown.equity == 75_000
        return {client.account_id: int(client.position) for client in shown.group.clients}

    over = {"status": "filled", "filled_at": now}
    # All of it is its own, and so is the book that does not come.
    assert clients() == {"U1": 0, "U2": 0}
    BrokerageAccount.objects.filter(pk=left.pk).update(book_as_of=None)
    assert clients() == {"U1": 0, "U2": 0}
    # Five that the group bought, and two that it sold since.
    for side, units in (("buy", 5), ("sell", 2)):
        _, ticket = rows.accepted(rows.signal(strategy, now), subscription, now)
        order = brokers.order(ticket, side=side, fa_group="family", fa_method="NetLiq", filled_quantity=10, **over)
        brokers.execution(order, account=left, quantity=Decimal(units), seen_at=now - timedelta(hours=1))
    assert clients() == {"U1": 0, "U2": 0, "U3": 0}, "it cannot be seen"
    BrokerageAccount.objects.filter(pk=left.pk).update(book_as_of=now)
    assert clients() == {"U1": 0, "U2": 0, "U3": 3}
    assert seen().snapshot.position == 3
    # A fill of its own that may be in its position or not: what is there for certain counts, and nobody waits.
    own = brokers.order(left, side="sell", quantity=Decimal(102), filled_quantity=102, **over)
    brokers.execution(own, seen_at=now + timedelta(seconds=1))
    assert clients() == {"U1": 0, "U2": 0, "U3": 1}
    position.delete()
    assert clients() == {"U1": 0, "U2": 0}


def test_what_a_batch_takes_of_a_group_is_the_money_of_its_accounts(
    strategy: Strategy, carrier: BrokerageAccount
) -> None:
    now = timezone.now()
    subscription = followed(strategy, carrier)
    desk = rehearsal_desk([subscription], message("buy", 1), now, ask=False)
    decision = Decision(team=strategy.team, subscription=subscription, signal=rows.signal(strategy, now))
    plan = replace(
        ENTERS,
        shares=(Share(account_id="U1", quantity=Decimal(1)), Share(account_id="U2", quantity=Decimal(3))),
        estimates=(Estimate(role=Role.ENTRY, margin=Decimal(400)),),
    )
    record._count_on_desk(decision, plan, [], 265598, desk)
    by_number = {account.account_id: desk.book.reserved.get(account.pk) for account in BrokerageAccount.objects.all()}
    assert by_number == {"F100": None, "U1": Decimal(100), "U2": Decimal(300), "U3": None}
