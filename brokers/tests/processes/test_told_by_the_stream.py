"""Money and quotes that a real gateway's stream tells, and what is read where it is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import holdings, live_book, quotes
from brokers.domain.market.quotes import Availability, Quote
from brokers.domain.orders import Instrument
from brokers.domain.session.feed import MoneyHeard
from brokers.models import BrokerageAccount, ContractLookup, Position
from brokers.processes.watching import book as watching_book
from brokers.processes.watching import money
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows

pytestmark = pytest.mark.django_db(transaction=True)
AAPL = Instrument(ticker="AAPL")


@pytest.fixture
def bench(team: Team, gateway: RunningGateway, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[lab.Lab]:
    """An account in use, with a gateway that speaks often and a stream process that writes and reads often."""
    settings.STREAM_PROOF_SECONDS = 1
    monkeypatch.setattr(money, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(watching_book, "BOOK_SECONDS", 0.5)
    made = lab.make(team, gateway)
    gateway.hold(made.user, symbol="AAPL", quantity=1)
    with gateway.behaving(summary_s=0.3, profit_s=0.3):
        yield made
    gateway.clear_faults()
    gateway.clear_quotes()


def account(bench: lab.Lab) -> BrokerageAccount:
    return BrokerageAccount.objects.get(pk=bench.account.pk)


def reads(bench: lab.Lab, path: str) -> int:
    return len(bench.gateway.journal(bench.user, path=path))


def test_the_stream_tells_money_and_nobody_asks_for_it_meanwhile(bench: lab.Lab) -> None:
    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: account(bench).money_heard, "the stream tells")
            await lab.until(lambda: reads(bench, "portfolio2") > before["positions"], "positions are read on")
            before["summaries"] = reads(bench, "/summary")
            before["positions"] = reads(bench, "portfolio2")
            await lab.until(lambda: reads(bench, "portfolio2") > before["positions"] + 2, "and again")
            before["summaries_since"] = reads(bench, "/summary") - before["summaries"]
            # The market moves, and the account is worth something else without a read.
            await asyncio.to_thread(bench.gateway.quote, "AAPL", bid="99999", ask="99999", last="99999")
            await lab.until(lambda: (account(bench).equity or 0) > 1_050_000, "the new value is told")

    before = {"positions": 0, "summaries": 0}
    asyncio.run(story())
    # One that was under way may end.
    assert before["summaries_since"] <= 1
    seen = account(bench)
    assert None not in {seen.cash, seen.buying_power, seen.available_funds, seen.realized_pnl}


def test_where_the_topics_are_silent_money_is_read(bench: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(money, "SILENT_SECONDS", 0.5)

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: account(bench).money_heard, "the stream tells")
            for topic in ("ssd", "sld", "spl"):
                bench.gateway.fault(match={"user": bench.user}, action={"suppress_ws": {"topic": topic, "s": 60}})
            await lab.until(lambda: not account(bench).money_heard, "it is read, while the socket lives")

    asyncio.run(story())


def test_a_quote_that_a_decision_needed_is_kept_fresh_by_the_stream_and_named(bench: lab.Lab) -> None:
    now, pairs = timezone.now(), [(bench.account, AAPL)]
    live_book.want_quotes(live_book.load(pairs, now), pairs, now)
    lab.work()
    bench.gateway.quote("AAPL", bid="400", ask="402", last="401")

    def lookup() -> ContractLookup:
        return ContractLookup.objects.get(ticker="AAPL")

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: lookup().bid == 400, "the stream tells the quote", within=15)
            bench.gateway.fault(match={"user": bench.user}, action={"frozen": {"s": 60, "conid": 265598}})
            bench.gateway.quote("AAPL", bid="410", ask="412", last="411")
            await lab.until(lambda: lookup().bid == 410, "and the next")

    asyncio.run(story())
    quote = quotes.shown(lookup())
    assert quote is not None
    assert (quote.availability, quote.live(timezone.now())) == (Availability.FROZEN, None)
    assert bench.gateway.events(bench.user, "smd+265598")


def test_nobody_listens_to_quotes_that_no_decision_needed_lately(bench: lab.Lab) -> None:
    now = timezone.now()
    ContractLookup.objects.update(quote_needed_at=now - quotes.WATCHED_FOR)
    assert quotes.watched([bench.connection.pk], now) == {}
    ContractLookup.objects.update(quote_needed_at=now - timedelta(minutes=29))
    assert quotes.watched([bench.connection.pk], now) == {bench.connection.pk: {265598}}
    assert quotes.watched([bench.connection.pk + 1], now) == {}


def test_an_older_quote_of_the_stream_changes_nothing(bench: lab.Lab) -> None:
    now = timezone.now()
    ContractLookup.objects.update(bid=Decimal(5), quote_as_of=now)
    old = Quote(bid=Decimal(1), ask=None, last=None, as_of=now - timedelta(seconds=1), flags="RpB")
    quotes.hear(bench.connection.pk, {265598: old, 8314: old})
    assert ContractLookup.objects.get().bid == 5


def test_money_of_another_connection_or_currency_or_from_before_is_not_written(team: Team) -> None:
    now = timezone.now()
    mine = rows.account(team, equity=Decimal(1), money_as_of=now)
    other = rows.account(team, of=rows.connection(team), equity=Decimal(1))
    holdings.hear(
        mine.connection_id, {other.account_id: MoneyHeard(net_liquidation=Decimal(9))}, now + timedelta(seconds=1)
    )
    holdings.hear(mine.connection_id, {mine.account_id: MoneyHeard(net_liquidation=Decimal(9))}, now)
    in_euros = MoneyHeard(net_liquidation=Decimal(9), currency="EUR")
    holdings.hear(mine.connection_id, {mine.account_id: in_euros}, now + timedelta(seconds=1))
    assert set(BrokerageAccount.objects.values_list("equity", "money_heard")) == {(Decimal(1), False)}
    whole = MoneyHeard(net_liquidation=Decimal(9), cash=Decimal(4))
    holdings.hear(mine.connection_id, {mine.account_id: whole}, now + timedelta(seconds=2))
    mine.refresh_from_db()
    assert (mine.equity, mine.cash, mine.money_heard) == (Decimal(9), Decimal(4), True)
    assert mine.money_as_of == now + timedelta(seconds=2)
    assert not Position.objects.exists()
