"""Options on one share stand in one line; an older signal is undone only by a newer one that may mean its contract."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Team
from brokers.tests import rows as broker_rows
from strategies.deciding import backlog, record, settle
from strategies.domain.message.message import Message
from strategies.domain.message.options import may_be_one, said_of_option
from strategies.domain.message.symbols import Kind
from strategies.models import Decision, Signal, Strategy
from strategies.reading.contract import read
from strategies.setup import strategies
from strategies.tests import rows

NOW = datetime.fromisoformat("2026-11-30T15:00:00+00:00")
CALL, PUT, BOTH = ({"ticker": "SPY", "optionType": each} for each in ("call", "put", "both"))
BY_NAME = {"ticker": "SPY 261218C640"}
# All its parts together are a contract, kept as BRK.B 261218C500.
BRK_CALL = {"ticker": "BRK.B", "optionType": "call", "expiration": "2026-12-18", "strikePrice": 500}


def reading(**values: Any) -> dict[str, Any]:
    sent = {"action": "buy", **values}
    return Message.reading(read(sent, kind=Kind.OPTION, allowed_tickers=(), now=NOW)[0])


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        (CALL, CALL, True),
        (CALL, PUT, False),
        (CALL, BOTH, True),
        (CALL, {"ticker": "SPY"}, True),
        (BY_NAME, CALL, True),
        (BY_NAME, PUT, False),
        (BY_NAME, {"ticker": "SPY"}, True),
        (BY_NAME, {"ticker": "SPY 261218C645"}, False),
        (BY_NAME, {"ticker": "SPY 270115C640"}, False),
        (BY_NAME, {**CALL, "expiration": "2027-01-15"}, False),
        (BY_NAME, {**CALL, "expiration": "2026-12-18"}, True),
        # How far ahead it was then tells nothing of what is held.
        (BY_NAME, {**CALL, "expiration": "+1 week", "strikesAway": 3}, True),
        (BY_NAME, {**CALL, "expiration": "+1 week", "strikePrice": 640}, True),
        (BY_NAME, {**CALL, "expiration": "+1 week", "strikePrice": 645}, False),
    ],
)
def test_two_signals_may_mean_one_contract_unless_they_say_otherwise(one: Any, other: Any, may: bool) -> None:
    first, second = said_of_option(reading(**one)), said_of_option(reading(**other))
    assert (may_be_one(first, second), may_be_one(second, first)) == (may, may)


@pytest.fixture
def strategy(team: Team) -> Strategy:
    now = timezone.now()
    return strategies.create_strategy(team=team, actor=None, name="Options", asset_class=Kind.OPTION, now=now)


def sent(strategy: Strategy, at: datetime, **values: Any) -> Signal:
    return rows.signal(strategy, at, reading={**reading(**values), "signal_time": at.isoformat()})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("newer", "older", "set_aside"),
    [
        ({**PUT, "action": "exit"}, {**CALL, "expiration": "+1 week"}, ""),
        ({**CALL, "action": "exit"}, {**CALL, "expiration": "+1 week"}, "superseded-signal"),
        ({"ticker": "SPY", "action": "exit"}, BY_NAME, "superseded-signal"),
        ({**BY_NAME, "action": "exit"}, {**CALL, "expiration": "+1 week"}, "superseded-signal"),
        ({"ticker": "SPY 261218C645", "action": "exit"}, BY_NAME, ""),
        # Both spellings of a class share stand in one line.
        (BRK_CALL, {"ticker": "BRK.B", "action": "exit"}, "superseded-signal"),
        (BRK_CALL, {"ticker": "BRKB", "action": "exit"}, "superseded-signal"),
        ({"ticker": "BRKB 261218C500"}, {"ticker": "BRK.B", "action": "exit"}, "superseded-signal"),
    ],
)
def test_an_older_entry_is_undone_by_a_newer_exit_of_what_it_may_mean_alone(
    strategy: Strategy, newer: dict[str, Any], older: dict[str, Any], set_aside: str
) -> None:
    now = timezone.now()
    sent(strategy, now, **newer)
    settle.settle_waiting(now)
    late = sent(strategy, now - timedelta(seconds=1), **older)
    settle.settle_waiting(now)
    late.refresh_from_db()
    assert late.set_aside == set_aside


@pytest.mark.django_db
def test_all_options_on_a_share_are_one_place_of_what_waits(strategy: Strategy, team: Team) -> None:
    rows.subscription(strategy, broker_rows.account(team), timezone.now())
    for values in (CALL, BY_NAME, {"ticker": "BRK.B", "optionType": "call"}, {"ticker": "BRKB 261218C500"}):
        sent(strategy, NOW, **values)
    places = [each.place.partition(" ")[2] for each in backlog.oldest(Signal.objects.order_by("pk"))]
    assert places == ["SPY", "SPY", "BRKB", "BRKB"]


@pytest.mark.django_db
def test_a_way_out_by_name_does_not_pass_an_entry_by_parts(strategy: Strategy, team: Team) -> None:
    from strategies.deciding.fan_out import _ways_out_first

    rows.subscription(strategy, broker_rows.account(team), timezone.now())
    entry = sent(strategy, NOW, **CALL)
    leaving = sent(strategy, NOW, **BY_NAME, action="exit")
    elsewhere = sent(strategy, NOW, ticker="QQQ 261218C640", action="exit")
    assert _ways_out_first([entry, leaving, elsewhere]) == [elsewhere, entry, leaving]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("leaving", "waits", "ends"),
    [
        ({"ticker": "SPY"}, BY_NAME, True),
        (BY_NAME, {**CALL, "expiration": "+1 week"}, True),
        (BY_NAME, BY_NAME, True),
        ({"ticker": "SPY 261218P600"}, BY_NAME, False),
        (PUT, BY_NAME, False),
        ({"ticker": "QQQ"}, BY_NAME, False),
    ],
)
@pytest.mark.parametrize("same_batch", [False, True], ids=["stored", "of the batch"])
def test_an_exit_ends_the_proposal_of_what_it_may_mean_alone(
    strategy: Strategy, team: Team, leaving: dict[str, Any], waits: dict[str, Any], ends: bool, same_batch: bool
) -> None:
    follower = rows.subscription(strategy, broker_rows.account(team), NOW, auto_submit=False)
    proposal = rows.rejected(sent(strategy, NOW, **waits), follower, NOW)
    proposal.status = Decision.Status.PROPOSED
    desk: Any = SimpleNamespace(now=NOW, overtaken=[], proposed={})
    if same_batch:
        place = Message.from_reading(proposal.signal.reading).place
        assert place is not None
        desk.proposed[(follower.pk, place)] = [proposal]
    else:
        proposal.plan, proposal.expires_at = {}, NOW + timedelta(minutes=1)
        proposal.save()
    later = NOW + timedelta(seconds=5)
    leaves = rows.rejected(sent(strategy, later, **leaving, action="exit"), follower, later)
    record.end_proposals(leaves, Message.from_reading(leaves.signal.reading), desk)
    ended = proposal if same_batch else next(iter(desk.overtaken), proposal)
    assert (ended.status == "rejected") is ends


@pytest.mark.django_db
def test_a_later_proposal_takes_the_place_of_one_for_what_may_be_its_contract(strategy: Strategy, team: Team) -> None:
    follower = rows.subscription(strategy, broker_rows.account(team), NOW, auto_submit=False)
    desk: Any = SimpleNamespace(now=NOW, overtaken=[], proposed={})
    made = []
    for values in (BY_NAME, {"ticker": "SPY 261218P600"}, {**CALL, "expiration": "+1 week"}):
        made.append(rows.rejected(sent(strategy, NOW, **values), follower, NOW))
        made[-1].status = Decision.Status.PROPOSED
        place = Message.from_reading(made[-1].signal.reading).place
        assert place is not None
        record._supersede_proposals(made[-1], place, desk)
    assert [each.status for each in made] == ["rejected", "proposed", "proposed"]
