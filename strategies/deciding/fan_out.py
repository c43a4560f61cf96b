"""Waiting signals are fanned out: one decision per enabled subscription, a share of them in a transaction."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from brokers.orders.together.handing import Handing
from brokers.postgres.inserts import inserted
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from brokers.postgres.written import written_once
from strategies import live
from strategies.deciding import backlog, outdated, record
from strategies.deciding.batch import decide_all
from strategies.deciding.superseded import without_superseded
from strategies.domain.exits_first import going_first
from strategies.domain.rota import by_ticker
from strategies.models import Decision, Signal, Subscription

Clock = Callable[[], datetime]
PENDING = Decision.Status.PENDING


def waiting_signals(team: int, now: datetime) -> QuerySet[Signal]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Signal.objects.filter(due, team=team, dispatched_at__isnull=True).order_by("pk")


def _locked_signals(team: int, now: datetime) -> QuerySet[Signal]:
    waiting = waiting_signals(team, now).select_for_update(of=("self",), skip_locked=True)
    return waiting.select_related("strategy")


@functools.cache
def _oldest(most: int) -> Callable[[int, datetime], list[Signal]]:
    """The question for so many of a team's oldest signals that wait: a turn has one of a few sizes."""

    @written_once
    def oldest(team: int, now: datetime) -> QuerySet[Signal]:
        return _locked_signals(team, now)[:most]

    return oldest


class Settled(NamedTuple):
    """How many signals a turn took, and how many decisions. `goes_on`: an earlier turn had begun its one signal.
    `all_done`: it left nothing of the team to be settled."""

    signals: int
    decisions: int
    goes_on: bool = False
    all_done: bool = False


def settle_signals(team: int, moment: Clock, most: int, *, only: int | None = None, behind: bool = True) -> Settled:
    """Fan signals out: one decision per enabled subscription, decided at once where the book allows it.

    `most`: decisions of this transaction; a signal with more subscriptions than that goes on in the next one.
    `behind`: earlier decisions may wait, for the same account and instrument perhaps.

    The one order of a turn is handed to its lane in memory, where that waits in this process.
    """
    with Handing() as handing, transaction.atomic():
        return _settle(team, moment, most, only, behind, handing)


def _settle(team: int, moment: Clock, most: int, only: int | None, behind: bool, handing: Handing) -> Settled:
    looked = moment()
    taken = _oldest(most)(team, looked) if only is None else list(_locked_signals(team, looked).filter(pk=only))
    if not taken:
        return Settled(0, 0)
    more_wait = only is None and len(taken) == most
    # What is too late for everybody is not decided for each account.
    if more_wait and outdated.is_old(taken[0], moment()) and (late := outdated.set_aside(team, moment())):
        return Settled(late, 0)
    if more_wait:
        taken = _in_turn(taken, team, looked, most)
    begun = [signal for signal in taken if signal.fanned_out_to is not None]
    known, taken = len(taken), begun[:1] or taken
    now = moment()
    taken, followers, rest = _share(taken, most)
    signals = without_superseded(taken, now)
    decisions = [
        Decision(
            team_id=signal.team_id, signal=signal, subscription=subscription, terms=subscription.terms, created_at=now
        )
        for signal in signals
        for subscription in followers[signal.strategy_id]
    ]
    if len(decisions) == 1 and not rest:
        handing.ask(decisions[0].subscription.account.connection)
    decide_all(decisions, now, behind=behind, clock=moment, told=not handing.asked)
    inserted(decisions)
    if rest and signals:
        Signal.objects.filter(pk=signals[0].pk).update(fanned_out_to=decisions[-1].subscription_id)
        notify(DECIDED_CHANNEL)
    else:
        _hand_out(signals, moment())
    for signal in taken:
        live.signal_changed(signal.pk, signal.team_id)
    record.tell_of_proposals(decisions)
    if handing.asked:
        handing.take(decisions[0].ticket, moment())
    waits = more_wait or rest or len(taken) < known or any(each.status == PENDING for each in decisions)
    return Settled(len(taken), len(decisions), bool(begun), all_done=not waits)


def _in_turn(first: list[Signal], team: int, now: datetime, most: int) -> list[Signal]:
    """The signals of this turn where there are more than the oldest, `first`: ways out, by their words or by what is held,
    then one of each place in turn. One that was handed out in part goes on alone: it is decided once for each subscription.
    """
    looked_at = backlog.oldest(waiting_signals(team, now))
    held = backlog.Held({(each.strategy, each.ticker) for each in looked_at})
    going = going_first([(each.place, held.is_way_out(each.strategy, each.ticker, each.words)) for each in looked_at])
    begun = [each.key for each in looked_at if each.begun]
    places = [(each.key, each.place) for each in looked_at]
    keys = begun[:1] or by_ticker(places, most, {looked_at[number].key for number in going})
    if set(keys) == {signal.pk for signal in first}:
        return first
    return list(_locked_signals(team, now).filter(pk__in=keys))


# Two things to say, one statement: every signal waits for it.
_HAND_OUT = """
WITH handed_out AS (UPDATE strategies_signal SET dispatched_at = %s WHERE id = ANY(%s))
SELECT pg_notify(%s, '')
"""


def _hand_out(signals: Sequence[Signal], now: datetime) -> None:
    """Write down that these signals are decided, and tell who waits to hear of decisions."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OUT, [now, [signal.pk for signal in signals], DECIDED_CHANNEL])


def _share(signals: Sequence[Signal], most: int) -> tuple[list[Signal], dict[int, list[Subscription]], bool]:
    """The first signals that make no more than `most` decisions together, with the subscriptions of their strategies.

    True beside them: the one signal has further subscriptions, which come after these.
    """
    first = signals[0]
    if first.fanned_out_to is not None:
        signals = [first]
    strategies = {signal.strategy_id for signal in signals}
    if len(strategies) == 1:
        enabled = _enabled_behind(most + 1)(strategies, first.fanned_out_to or 0)
    else:
        enabled = list(_enabled(strategies))
    followers: dict[int, list[Subscription]] = defaultdict(list)
    for subscription in enabled:
        followers[subscription.strategy_id].append(subscription)
    if len(signals) > 1 and sum(len(followers[signal.strategy_id]) for signal in signals) > most:
        signals = _ways_out_first(signals)
        first = signals[0]
    count = 0
    for index, signal in enumerate(signals):
        count += len(followers[signal.strategy_id])
        if index and count > most:
            return list(signals[:index]), followers, False
        if count > most:
            return [first], {first.strategy_id: followers[first.strategy_id][:most]}, True
    return list(signals), followers, False


def _enabled(strategies: Collection[int]) -> QuerySet[Subscription]:
    """The subscriptions of these strategies that are on, with all that they are decided by."""
    enabled = Subscription.objects.filter(strategy__in=strategies, enabled=True, strategy__enabled=True)
    return enabled.select_related("account__connection", "terms").order_by("pk")


@functools.cache
def _enabled_behind(most: int) -> Callable[[Collection[int], int], list[Subscription]]:
    """The question for so many of them behind one."""

    @written_once
    def enabled_behind(strategies: Collection[int], last: int) -> QuerySet[Subscription]:
        return _enabled(strategies).filter(pk__gt=last)[:most]

    return enabled_behind


def _ways_out_first(signals: Sequence[Signal]) -> list[Signal]:
    """Ways out first, by their words or by what is held, as far as nothing of their ticker stands before them."""
    held = backlog.Held({(signal.strategy_id, signal.ticker) for signal in signals})
    words = [
        (signal.action, signal.reading.get("sentiment"), signal.reading.get("target_quantity")) for signal in signals
    ]
    waiting = [
        (signal.ticker, held.is_way_out(signal.strategy_id, signal.ticker, said))
        for signal, said in zip(signals, words, strict=True)
    ]
    numbers = going_first(waiting)
    return [signals[number] for number in numbers] + [
        signal for number, signal in enumerate(signals) if number not in set(numbers)
    ]
