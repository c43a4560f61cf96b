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
from brokers.postgres.beside import Beside
from brokers.postgres.inserts import inserted
from brokers.postgres.locks import Space, shared_first
from brokers.postgres.notices import DECIDED_CHANNEL, notify
from brokers.postgres.several import Asked, asked_together
from brokers.postgres.written import Question, written_once
from strategies import live
from strategies.deciding import backlog, guards, outdated, record
from strategies.deciding.batch import decide_all
from strategies.deciding.pending import seen_of
from strategies.deciding.superseded import without_superseded
from strategies.domain.exits_first import going_first
from strategies.domain.message.options import in_line_as
from strategies.domain.revisits import Seen
from strategies.domain.rota import by_ticker
from strategies.models import Decision, Guard, Signal, Subscription

Clock = Callable[[], datetime]


def waiting_signals(team: int, now: datetime) -> QuerySet[Signal]:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Signal.objects.filter(due, team=team, dispatched_at__isnull=True).order_by("pk")


def _locked_signals(team: int, now: datetime) -> QuerySet[Signal]:
    # Who stops the team's trading waits for this turn, and locks rows behind that.
    waiting = waiting_signals(team, now).filter(shared_first(Space.STOP, team))
    return waiting.select_for_update(of=("self",), skip_locked=True).select_related("strategy")


@functools.cache
def _oldest(most: int) -> Callable[[int, datetime], list[Signal]]:
    """The question for so many of a team's oldest signals that wait: a turn has one of a few sizes."""

    @written_once
    def oldest(team: int, now: datetime) -> QuerySet[Signal]:
        return _locked_signals(team, now)[:most]

    return oldest


class Settled(NamedTuple):
    """How many signals a turn took, and how many decisions. `goes_on`: an earlier turn had begun its one signal.
    `all_done`: it left nothing of the team to be settled. `seen`: what became of the decisions."""

    signals: int
    decisions: int
    goes_on: bool = False
    all_done: bool = False
    seen: Seen = Seen()


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
    taken, followers, rest, guarded = _share(taken, most)
    signals = without_superseded(taken, now)
    decisions = [
        Decision(
            team_id=signal.team_id, signal=signal, subscription=subscription, terms=subscription.terms, created_at=now
        )
        for signal in signals
        for subscription in followers[signal.strategy_id]
    ]
    alone = len(decisions) == 1 and not rest
    if alone:
        handing.ask(decisions[0].subscription.account.connection)
    beside = Beside() if alone else None
    decide_all(decisions, now, behind=behind, clock=moment, told=not handing.asked, guarded=guarded, beside=beside)
    _write_down(decisions, signals, rest, moment(), beside)
    for signal in taken:
        live.signal_changed(signal.pk, signal.team_id)
    record.tell_of_proposals(decisions)
    if handing.asked:
        handing.take(decisions[0].ticket, moment())
    seen = seen_of(decisions)
    waits = more_wait or rest or len(taken) < known or bool(seen.waiting)
    return Settled(len(taken), len(decisions), bool(begun), not waits, seen)


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
_HANDED_OUT = "UPDATE strategies_signal SET dispatched_at = %s WHERE id = ANY(%s)"
_HAND_OUT = f"WITH handed_out AS ({_HANDED_OUT}) SELECT pg_notify(%s, '')"


def _write_down(
    decisions: list[Decision], signals: Sequence[Signal], rest: bool, now: datetime, beside: Beside | None
) -> None:
    """Save new decisions, and that their signals are decided as far as these go; who waits to hear of decisions is told.

    `rest`: the one signal has further subscriptions. `beside`: what a single decision is saved with.
    """
    keys = [signal.pk for signal in signals]
    if beside is not None:
        beside.add(decisions[0])
        beside.also(_HANDED_OUT, [now, keys])
        beside.tell(DECIDED_CHANNEL)
        beside.save()
        return
    inserted(decisions)
    if rest and signals:
        Signal.objects.filter(pk=keys[0]).update(fanned_out_to=decisions[-1].subscription_id)
        notify(DECIDED_CHANNEL)
        return
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OUT, [now, keys, DECIDED_CHANNEL])


class _Share(NamedTuple):
    """Signals that make no more decisions together than a turn may take, with the subscriptions of their strategies.

    `rest`: the one signal has further subscriptions, which come after these. `guarded`: the guards of the team, where they
    were read as well.
    """

    signals: list[Signal]
    followers: dict[int, list[Subscription]]
    rest: bool
    guarded: list[Guard] | None


def _share(signals: Sequence[Signal], most: int) -> _Share:
    """The first of these signals, which are of one team whose lock is held."""
    first = signals[0]
    if first.fanned_out_to is not None:
        signals = [first]
    strategies = {signal.strategy_id for signal in signals}
    enabled: list[Subscription]
    guarded: list[Guard] | None = None
    if len(strategies) == 1:
        behind = Asked(_enabled_behind(most + 1), (strategies, first.fanned_out_to or 0))
        enabled, guarded = asked_together(behind, Asked(guards.of_teams, ([first.team_id],)))
    else:
        of_all = Asked(_enabled_of, (strategies,))
        enabled, guarded = asked_together(of_all, Asked(guards.of_teams, ([first.team_id],)))
    if any(each.team_id != first.team_id for each in enabled):
        guarded = None
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
            return _Share(list(signals[:index]), followers, False, guarded)
        if count > most:
            return _Share([first], {first.strategy_id: followers[first.strategy_id][:most]}, True, guarded)
    return _Share(list(signals), followers, False, guarded)


def _enabled(strategies: Collection[int]) -> QuerySet[Subscription]:
    """The subscriptions of these strategies that are on, with all that they are decided by."""
    enabled = Subscription.objects.filter(strategy__in=strategies, enabled=True, strategy__enabled=True)
    return enabled.select_related("account__connection", "terms").order_by("pk")


@written_once
def _enabled_of(strategies: Collection[int]) -> QuerySet[Subscription]:
    return _enabled(strategies)


@functools.cache
def _enabled_behind(most: int) -> Question[[Collection[int], int], Subscription]:
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
        (in_line_as(signal.ticker), held.is_way_out(signal.strategy_id, signal.ticker, said))
        for signal, said in zip(signals, words, strict=True)
    ]
    numbers = going_first(waiting)
    return [signals[number] for number in numbers] + [
        signal for number, signal in enumerate(signals) if number not in set(numbers)
    ]
