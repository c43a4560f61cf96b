"""Quotes and exchange rates that decisions wait for: asked by lanes at a real gateway, believed for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.book import live_book, quotes, rates
from brokers.book.views import NotYet, View
from brokers.connections.checklists import checklist_of
from brokers.domain.market.quotes import Availability
from brokers.domain.orders import Instrument
from brokers.models import BrokerageAccount, Connection, ContractLookup, ExchangeRate
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)
AAPL = Instrument(ticker="AAPL")


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


@pytest.fixture
def in_euros(bench: lab.Lab) -> lab.Lab:
    """An account in euros that trades shares in dollars."""
    bench.account.currency, bench.account.book_as_of = "EUR", timezone.now()
    bench.account.save()
    return bench


def seen(account: BrokerageAccount, at: datetime, *, ask: bool = True) -> View:
    account.book_as_of = at
    view = live_book.load([(account, AAPL)], at, ask=ask).view(account, AAPL)
    assert isinstance(view, View)
    return view


def lookup() -> ContractLookup:
    return ContractLookup.objects.get(ticker="AAPL")


def has_shown_a_live_quote(bench: lab.Lab) -> bool:
    """As the checklist of a real connection says it."""
    connection = Connection.objects.get(pk=bench.connection.pk)
    connection.environment = "paper"
    return checklist_of(connection, timezone.now())[-1].done is True


def aged(**values: object) -> None:
    """The quote, as it was asked for some time ago."""
    ContractLookup.objects.filter(ticker="AAPL").update(**values)


# Rates ---------------------------------------------------------------------------------------------------------------


def test_a_contract_in_the_accounts_own_currency_needs_no_rate(bench: lab.Lab) -> None:
    bench.account.book_as_of = timezone.now()
    bench.account.save()
    view = seen(bench.account, timezone.now())
    assert (view.snapshot.rates, view.wants, view.missing_rate) == ({}, frozenset(), None)
    assert not ExchangeRate.objects.exists()


def test_a_missing_rate_is_asked_for_and_then_known(in_euros: lab.Lab) -> None:
    in_euros.gateway.quote("EUR.USD", bid="1.25", ask="1.25", last="1.25")
    view = seen(in_euros.account, timezone.now())
    assert (view.snapshot.rates, view.wants) == ({}, frozenset({"USD"}))
    assert view.missing_rate == NotYet(waiting_for="IBKR's rate from USD to EUR", on_its_way=True)
    lab.work()
    view = seen(in_euros.account, timezone.now())
    assert (view.snapshot.rates, view.missing_rate) == ({"USD": Decimal("0.8")}, None)
    assert len(in_euros.gateway.journal(in_euros.user, path="exchangerate")) == 1
    in_euros.gateway.clear_quotes()


def test_who_only_looks_asks_for_nothing(in_euros: lab.Lab) -> None:
    assert seen(in_euros.account, timezone.now(), ask=False).missing_rate is not None
    assert not ExchangeRate.objects.exists()


@pytest.mark.parametrize(
    ("age", "known", "asked"), [(299, True, False), (301, True, True), (600, True, True), (601, False, True)]
)
def test_a_rate_is_asked_anew_before_it_is_too_old(in_euros: lab.Lab, age: int, known: bool, asked: bool) -> None:
    now = timezone.now()
    row = ExchangeRate.objects.create(
        connection=in_euros.connection,
        source="USD",
        target="EUR",
        rate=Decimal("0.9"),
        as_of=now - timedelta(seconds=age),
    )
    view = seen(in_euros.account, now)
    row.refresh_from_db()
    assert (view.snapshot.rates == {"USD": Decimal("0.9")}, view.missing_rate is None) == (known, known)
    assert (row.wanted_at is not None) == asked


def test_a_rate_ibkr_does_not_give_is_an_answer_and_asked_for_again_later(in_euros: lab.Lab) -> None:
    ContractLookup.objects.update(currency="XXX")
    assert seen(in_euros.account, timezone.now()).wants == {"XXX"}
    lab.work()
    assert seen(in_euros.account, timezone.now()).missing_rate is None
    assert seen(in_euros.account, timezone.now() + timedelta(seconds=50)).missing_rate is None
    assert seen(in_euros.account, timezone.now() + timedelta(seconds=70)).wants == {"XXX"}


def test_an_old_answer_stays_when_the_next_one_fails(in_euros: lab.Lab) -> None:
    now = timezone.now()
    row = ExchangeRate.objects.create(
        connection=in_euros.connection,
        source="USD",
        target="EUR",
        rate=Decimal("0.9"),
        wanted_at=now,
        as_of=now - timedelta(minutes=6),
    )
    rates.answer(row, None, now)
    row.refresh_from_db()
    assert (row.rate, row.as_of, row.wanted_at) == (Decimal("0.9"), now - timedelta(minutes=6), None)
    rates.answer(row, None, now + timedelta(minutes=5))
    row.refresh_from_db()
    assert (row.rate, row.as_of) == (None, now + timedelta(minutes=5))


# Quotes --------------------------------------------------------------------------------------------------------------


def test_a_fresh_quote_is_not_asked_for(bench: lab.Lab) -> None:
    now = timezone.now()
    aged(quote_as_of=now - timedelta(seconds=59), last=Decimal(180), quote_flags="RpB")
    book = live_book.load([(bench.account, AAPL)], now)
    live_book.want_quotes(book, [(bench.account, AAPL)], now)
    assert book.has_fresh_quote(bench.account, AAPL)
    assert lookup().quote_wanted_at is None


def test_a_wanted_quote_is_coming_for_three_seconds_and_then_there(bench: lab.Lab) -> None:
    now = timezone.now()
    aged(quote_as_of=now - timedelta(seconds=61), last=Decimal(1))
    pairs = [(bench.account, AAPL)]
    book = live_book.load(pairs, now)
    assert not book.quote_is_coming(bench.account, AAPL)
    live_book.want_quotes(book, pairs, now)
    assert book.quote_is_coming(bench.account, AAPL)
    live_book.want_quotes(book, pairs, now + timedelta(seconds=2))
    assert lookup().quote_wanted_at == now
    assert not live_book.load(pairs, now + timedelta(seconds=3)).quote_is_coming(bench.account, AAPL)
    lab.work()
    book = live_book.load(pairs, timezone.now())
    assert book.has_fresh_quote(bench.account, AAPL)
    assert not book.quote_is_coming(bench.account, AAPL)
    assert lookup().last != Decimal(1)
    assert quotes.is_fresh(lookup(), timezone.now())


def test_a_market_that_shows_no_quote_says_so_and_is_left_alone_for_a_minute(bench: lab.Lab) -> None:
    now, pairs = timezone.now(), [(bench.account, AAPL)]
    aged(quote_as_of=now - timedelta(minutes=5), last=Decimal(1))
    with bench.gateway.behaving(live_market_data=False):
        live_book.want_quotes(live_book.load(pairs, now), pairs, now)
        lab.work()
    later = timezone.now()
    book = live_book.load(pairs, later)
    live_book.want_quotes(book, pairs, later)
    assert book.shows_no_quote(bench.account, AAPL)
    assert not book.quote_is_coming(bench.account, AAPL)
    assert (lookup().last, lookup().quote_wanted_at) == (Decimal(1), None)
    again = live_book.load(pairs, later + timedelta(seconds=61))
    live_book.want_quotes(again, pairs, later + timedelta(seconds=61))
    assert again.quote_is_coming(bench.account, AAPL)


@pytest.mark.parametrize(
    ("fault", "availability"),
    [
        ("delayed", Availability.DELAYED),
        ("frozen", Availability.FROZEN),
        ("frozen_delayed", Availability.FROZEN_DELAYED),
        ("halted", Availability.HALTED),
        ("no_market_data", Availability.NOT_SUBSCRIBED),
        ("no_market_data_agreement", Availability.NO_AGREEMENT),
        ("unsaid_market_data", Availability.NOT_SAID),
    ],
)
def test_a_quote_that_is_not_live_is_kept_by_its_name_and_is_none_to_decide_by(
    bench: lab.Lab, fault: str, availability: Availability
) -> None:
    now, pairs = timezone.now(), [(bench.account, AAPL)]
    bench.gateway.fault(match={"user": bench.user}, action={fault: {"s": 30, "conid": 265598}})
    live_book.want_quotes(live_book.load(pairs, now), pairs, now)
    lab.work()
    later = timezone.now()
    BrokerageAccount.objects.update(book_as_of=later)
    bench.account.refresh_from_db()
    book, quote = live_book.load(pairs, later), seen(bench.account, later).snapshot.quote
    assert quote is not None
    assert (quote.availability, quote.live(later)) == (availability, None)
    assert not book.has_fresh_quote(bench.account, AAPL)
    # It came, and nobody waits for another for a minute.
    assert book.shows_no_quote(bench.account, AAPL)
    # A halt says nothing against the subscription.
    assert has_shown_a_live_quote(bench) is (fault == "halted")
    bench.gateway.clear_faults()
    again = later + timedelta(seconds=61)
    live_book.want_quotes(live_book.load(pairs, again), pairs, again)
    lab.work()
    assert live_book.load(pairs, timezone.now()).has_fresh_quote(bench.account, AAPL)
    assert has_shown_a_live_quote(bench)


def test_a_fault_of_one_contract_is_none_of_another(bench: lab.Lab) -> None:
    bench.gateway.fault(match={"user": bench.user}, action={"delayed": {"s": 30, "conid": 8314}})
    now, pairs = timezone.now(), [(bench.account, AAPL)]
    live_book.want_quotes(live_book.load(pairs, now), pairs, now)
    lab.work()
    assert live_book.load(pairs, timezone.now()).has_fresh_quote(bench.account, AAPL)
    bench.gateway.clear_faults()


def test_a_contract_nobody_knows_has_no_quote_to_ask_for(bench: lab.Lab) -> None:
    now, pairs = timezone.now(), [(bench.account, AAPL)]
    aged(status="unknown")
    book = live_book.load(pairs, now)
    live_book.want_quotes(book, pairs, now)
    assert not book.quote_is_coming(bench.account, AAPL)
    assert quotes.wanted_of(bench.connection.pk) == []
