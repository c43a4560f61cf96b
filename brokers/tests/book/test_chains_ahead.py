"""Chains of options that lanes remember in rows and ask ahead: a day's first pick asks for its price, and no order waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import live_book
from brokers.book.options import memory
from brokers.domain.contracts.warming import due_since
from brokers.domain.orders import AssetClass, Instrument
from brokers.models import BrokerageAccount, Connection, ContractLookup, OptionChain
from brokers.processes import agenda, prices
from brokers.processes.options import chains
from brokers.processes.wire import Wire
from brokers.rulebook.calendars import us_options
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.tests.book.test_questions_without_answers import Lane

pytestmark = pytest.mark.django_db(transaction=True)
RULE = Instrument(ticker="SPY C +1 weeks out 2", asset_class=AssetClass.OPTION)
SPY = 756733
# Tuesday, 1 Dec 2026: five past nine, and a quarter to ten in New York.
BEFORE, AFTER = datetime(2026, 12, 1, 14, 5, tzinfo=UTC), datetime(2026, 12, 1, 14, 45, tzinfo=UTC)
INFO = {"path": "/iserver/secdef/info"}


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> Iterator[lab.Lab]:
    yield lab.make(team, gateway)
    gateway.clear_faults()


def signal(bench: lab.Lab) -> None:
    """What a signal by the rule does: it wants to know which contract that means now."""
    now = timezone.now()
    ContractLookup.objects.filter(ticker=RULE.ticker).update(asked_at=now - timedelta(minutes=1), answered_at=None)
    live_book.load([(bench.account, RULE)], now)
    assert ContractLookup.objects.get(ticker=RULE.ticker).status == "wanted"


async def picks(wire: Wire) -> None:
    assert await prices.answer_lookups(wire)


def asked(bench: lab.Lab, since: int = 0) -> list[str]:
    """What of picking has been asked for: questions about the chain, and the price of the share."""
    found = []
    for call in bench.gateway.journal(bench.user, method="GET")[since:]:
        name = call["path"].rpartition("/")[2]
        about_the_share = name == "snapshot" and str(SPY) in str(call["query"])
        if about_the_share or "/secdef/" in call["path"] or call["path"].endswith("trsrv/secdef"):
            found.append(name)
    return found


def picked(bench: lab.Lab) -> list[str]:
    """A signal by a lane that has just begun, and what it asks for."""
    before = len(bench.gateway.journal(bench.user, method="GET"))
    signal(bench)
    Lane(bench).run(picks)
    row = ContractLookup.objects.get(ticker=RULE.ticker)
    assert row.status == "found", row.reason
    return asked(bench, before)


def wanted(bench: lab.Lab) -> OptionChain:
    """The chain is to be asked ahead, and nothing else waits."""
    BrokerageAccount.objects.update(book_wanted_at=None)
    assert memory.want(BEFORE) == 1
    return OptionChain.objects.get()


def test_the_first_pick_of_a_day_asks_two_calls_at_most(bench: lab.Lab) -> None:
    assert len(picked(bench)) == 11
    wanted(bench)
    Lane(bench).run(chains.warm_next)
    chain = OptionChain.objects.get()
    assert (chain.wanted_at, chain.name, len(chain.said["listed"])) == (None, "SPY", 24)
    assert chain.warmed_at is not None
    # Another lane, and IBKR has shown the price in this session: one call. In a session that begins, two.
    assert picked(bench) == ["snapshot"]
    bench.gateway.call(bench.user, "GET", "/iserver/marketdata/unsubscribeall")
    assert picked(bench) == ["snapshot", "snapshot"]


@pytest.mark.parametrize(("split", "asks"), [(False, 1), (True, 9)])
def test_a_lane_believes_nothing_of_a_chain_that_a_split_has_taken_away(
    bench: lab.Lab, *, split: bool, asks: int
) -> None:
    """A lane that lived through it picked contracts of before until the next day, and wrote their chain down again."""

    async def twice(wire: Wire) -> None:
        await picks(wire)
        if split:
            await wire.db(memory.forget, wire.connection_pk, ["SPY"], timezone.now())
        before.append(len(bench.gateway.journal(bench.user, method="GET")))
        await wire.db(signal, bench)
        await picks(wire)

    before: list[int] = []
    signal(bench)
    Lane(bench).run(twice)
    assert len(asked(bench, before[0])) == asks
    assert OptionChain.objects.count() == 1


@pytest.mark.parametrize(("kept_before", "while_asked"), [(True, "marketdata/snapshot"), (False, "secdef/strikes")])
def test_what_is_asked_while_a_split_comes_is_not_written_down(
    bench: lab.Lab, *, kept_before: bool, while_asked: str
) -> None:
    """A pick that was under way wrote the chain of before back, and the next one believed it."""
    slow: dict[str, Any] = {}

    async def across(wire: Wire) -> None:
        if kept_before:
            await picks(wire)
            await wire.db(signal, bench)
        slow.update(await asyncio.to_thread(arm))
        asking = asyncio.create_task(picks(wire))
        await lab.until(is_slow, "the chain is asked")
        await wire.db(memory.forget, wire.connection_pk, ["SPY"], timezone.now())
        await asking
        assert await wire.db(lambda: OptionChain.objects.get().said) == {}
        before.append(len(bench.gateway.journal(bench.user, method="GET")))
        await wire.db(signal, bench)
        await picks(wire)

    def arm() -> dict[str, Any]:
        return bench.gateway.fault(
            match={"path": f"/iserver/{while_asked}", "user": bench.user}, action={"delay_ms": 1500}
        )

    def is_slow() -> bool:
        return any(fault["id"] == slow["id"] and fault["hits"] for fault in bench.gateway.faults())

    before: list[int] = []
    signal(bench)
    Lane(bench).run(across)
    assert "strikes" in asked(bench, before[0])
    assert OptionChain.objects.get().said["listed"]


def test_a_chain_that_was_split_while_it_was_asked_ahead_is_asked_ahead_once_more(bench: lab.Lab) -> None:
    picked(bench)
    chain = wanted(bench)
    memory.forget(bench.connection.pk, ["SPY"], timezone.now())
    memory.warmed(chain, {"listed": ["of before"]}, timezone.now())
    chain.refresh_from_db()
    assert (chain.said, chain.warmed_at) == ({}, None)
    assert chain.wanted_at is not None


def test_the_number_of_a_share_that_was_looked_up_is_a_hint(bench: lab.Lab) -> None:
    ContractLookup.objects.create(connection=bench.connection, ticker="SPY", status="found", conid=SPY, increments=[])
    calls = picked(bench)
    # Its price is subscribed to beside the search.
    assert set(calls[:2]) == {"search", "snapshot"}
    assert len(calls) == 11


def test_what_was_said_on_an_earlier_day_is_asked_anew_side_by_side(bench: lab.Lab) -> None:
    picked(bench)
    chain = OptionChain.objects.get()
    OptionChain.objects.update(said_at=timezone.now() - timedelta(days=1))
    bench.gateway.call(bench.user, "GET", "/iserver/marketdata/unsubscribeall")
    calls = picked(bench)
    assert {name: calls.count(name) for name in set(calls)}["search"] == 1
    assert calls[:2] in (["search", "snapshot"], ["snapshot", "search"])
    assert calls.count("info") <= 10
    chain.refresh_from_db()
    assert timezone.now() - chain.said_at < timedelta(minutes=1)


def test_an_order_leaves_while_a_chain_is_asked_ahead(bench: lab.Lab) -> None:
    picked(bench)
    hanging = bench.gateway.fault(match=INFO | {"user": bench.user}, action={"hang": True, "hang_s": 30}, times=None)

    def hangs() -> bool:
        return any(fault["id"] == hanging["id"] and fault["hits"] for fault in bench.gateway.faults())

    async def story() -> None:
        async with lab.working():
            await asyncio.to_thread(lab.asked, lambda: memory.want(BEFORE))
            await lab.until(hangs, "the chain is asked ahead")
            order = await asyncio.to_thread(lab.asked, lambda: bench.order(type="limit", limit_price=1))
            await lab.until(
                lambda: type(order).objects.filter(pk=order.pk, status="accepted").exists(), "it is at IBKR"
            )
            assert await asyncio.to_thread(lab.asked, OptionChain.objects.filter(warmed_at=None).exists)
            await asyncio.to_thread(bench.gateway.clear_faults)
            await lab.until(OptionChain.objects.exclude(warmed_at=None).exists, "it was asked ahead all the same")

    asyncio.run(story())
    assert OptionChain.objects.get().wanted_at is None


def test_a_question_that_a_decision_waits_for_comes_first(bench: lab.Lab) -> None:
    picked(bench)
    wanted(bench)
    before = len(asked(bench))
    ContractLookup.objects.filter(ticker="AAPL").update(quote_wanted_at=timezone.now())

    async def waits(wire: Wire) -> None:
        wire.wake.clear()
        await chains.warm_next(wire)
        # It does not look without a pause: what comes first wakes the lane.
        assert not wire.wake.is_set()

    Lane(bench).run(waits)
    assert (len(asked(bench)), OptionChain.objects.get().warmed_at) == (before, None)


def test_a_gateway_that_fails_is_asked_ahead_once_in_a_window(bench: lab.Lab) -> None:
    picked(bench)
    wanted(bench)
    said = OptionChain.objects.get().said
    bench.gateway.fault(
        match={"path": "/iserver/secdef/search", "user": bench.user}, action={"status": 500}, times=None
    )
    Lane(bench).run(chains.warm_next)
    chain = OptionChain.objects.get()
    assert (chain.wanted_at, chain.said) == (None, said)
    assert chain.warmed_at is not None


def test_a_chain_of_which_no_signal_asks_any_more_is_asked_nothing_and_forgotten(bench: lab.Lab) -> None:
    picked(bench)
    wanted(bench)
    ContractLookup.objects.filter(ticker=RULE.ticker).update(asked_at=timezone.now() - timedelta(days=15))
    before = len(asked(bench))
    Lane(bench).run(chains.warm_next)
    assert len(asked(bench)) == before
    OptionChain.objects.update(said_at=timezone.now() - timedelta(days=15), wanted_at=timezone.now())
    Lane(bench).run(chains.warm_next)
    assert not OptionChain.objects.exists()


def test_chains_are_wanted_in_each_window_of_a_day_with_a_session_open(team: Team) -> None:
    def chain(of: Connection, **values: Any) -> OptionChain:
        columns = {"name": "SPY", "said": {}, "said_at": BEFORE - timedelta(days=1), **values}
        return OptionChain.objects.create(connection=of, **columns)

    def wanted_now(now: datetime) -> set[int]:
        OptionChain.objects.update(wanted_at=None)
        memory.want(now)
        return set(OptionChain.objects.exclude(wanted_at=None).values_list("pk", flat=True))

    of = rows.connection(team, session_status="active", last_kept_at=BEFORE)
    never, before, after = (
        chain(of, name=name, warmed_at=at) for name, at in (("SPY", None), ("QQQ", BEFORE), ("SPXW", AFTER))
    )
    chain(rows.connection(team, session_status="signed_out"))
    chain(rows.connection(team, session_status="active", last_kept_at=BEFORE, enabled=False))
    # Of one in doubt a lane would have to make sure first.
    chain(rows.connection(team, session_status="active", last_kept_at=None))
    assert wanted_now(BEFORE) == {never.pk}
    # Nobody signs in for it, and no sweep begins a lane for it.
    assert not agenda.has_work(of.pk, BEFORE)
    assert agenda.waiting_connections(BEFORE) == []
    assert wanted_now(AFTER) == {never.pk, before.pk}
    for closed in (BEFORE - timedelta(hours=3), AFTER + timedelta(hours=2), BEFORE + timedelta(days=4)):
        assert wanted_now(closed) == set()
    assert wanted_now(BEFORE + timedelta(days=1)) == {never.pk, before.pk, after.pk}
    # Lost by its lane: wanted again by the next look.
    assert memory.want(BEFORE) == memory.want(BEFORE + timedelta(minutes=1)) == 1


@pytest.mark.parametrize(
    ("at", "since"),
    [
        ("2026-12-01T13:59:59", None),
        ("2026-12-01T14:00:00", "2026-12-01T14:00:00"),
        ("2026-12-01T14:28:59", "2026-12-01T14:00:00"),
        ("2026-12-01T14:29:00", None),
        ("2026-12-01T14:31:00", "2026-12-01T14:31:00"),
        ("2026-12-01T15:30:00", None),
        # Thanksgiving, and a Saturday.
        ("2026-11-26T14:05:00", None),
        ("2026-12-05T14:05:00", None),
        # Summer time.
        ("2026-07-01T13:05:00", "2026-07-01T13:00:00"),
    ],
)
def test_the_windows_are_in_new_york_on_days_of_trade(at: str, since: str | None) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    due = due_since(now, us_options().regular_close(now.date()))
    assert due == (None if since is None else datetime.fromisoformat(since).replace(tzinfo=UTC))
