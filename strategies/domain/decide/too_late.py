"""Refuses signals that waited here for too long, and signals that were old when they came."""

from __future__ import annotations

from datetime import datetime, timedelta

from brokers.domain.session import clocks
from strategies.domain.decide.case import Case
from strategies.domain.message.freshness import age_of, bar_time_hint, is_no_newer, leaves, seconds
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.effective import Leg
from strategies.domain.terms.terms import RestartEntries


def time_to_live(case: Case, leg: Leg) -> int:
    """The seconds a signal has to become an order of this leg."""
    if leg is not Leg.ENTRY:
        return case.terms.exit_time_to_live_seconds
    return case.terms.entry_time_to_live_seconds if case.snapshot.back_at is None else case.terms.restart_minutes * 60


def too_late(case: Case, leg: Leg) -> Rejection | None:
    """Whether the signal is too old for an order of this leg."""
    received_at, limit = case.received_at, time_to_live(case, leg)
    if received_at is None:
        return None
    back_at = case.snapshot.back_at
    if back_at is not None and leg is Leg.ENTRY and case.terms.restart_entries is RestartEntries.REJECT:
        return during_restart(back_at)
    begin = received_at if back_at is None else max(received_at, back_at)
    if case.now - begin >= timedelta(seconds=limit):
        kind = "an entry" if leg is Leg.ENTRY else "an exit"
        reason = (
            f"The signal waited here for {seconds(case.now - received_at)}, and this subscription gives {kind} "
            f"{limit} seconds to leave, so it is not traded late."
        )
        return Rejection(rule="T01", code="stale-signal", reason=reason)
    if case.freshness is not None and case.message.unreadable_time and leg is Leg.ENTRY:
        reason = (
            "The signal's time could not be read, so nobody knows how old it is, and the strategy takes entries of at most "
            f"{case.freshness.entry_seconds} seconds. Send a moment such as 2026-11-20T15:00:00Z, or leave time out."
        )
        return Rejection(rule="T03", code="unreadable-time", reason=reason)
    age = age_of(case.message, received_at) if case.freshness is not None else None
    if case.freshness is None or age is None:
        return None
    entry = leg is Leg.ENTRY
    most = case.freshness.entry_seconds if entry else case.freshness.exit_seconds
    if age <= timedelta(seconds=most):
        return None
    what = "an entry" if entry else "an exit"
    reason = (
        f"By its own time the signal was {seconds(age)} old when it came, and the strategy takes {what} of at most "
        f"{most} seconds.{bar_time_hint(case.message)}"
    )
    return Rejection(rule="T03", code="stale-signal", reason=reason)


def before_the_clock_went_back(message: Message, received_at: datetime, now: datetime) -> Rejection | None:
    """T01: an entry whose age nobody knows, since it came at a time that has not come yet."""
    if leaves(message) or not clocks.is_ahead(received_at, now):
        return None
    reason = (
        f"The clock of this server was set back by more than {seconds(received_at - now)} since the signal came, so nobody "
        "knows how long it has waited, and it is not traded late. Send it again if it is still wanted."
    )
    return Rejection(rule="T01", code="stale-signal", reason=reason)


def during_restart(back_at: datetime) -> Rejection:
    """T06: an entry that came while IBKR restarts, of a subscription that lets none wait."""
    reason = (
        f"IBKR restarts its servers until {back_at:%H:%M} UTC, and this subscription takes no entry meanwhile. "
        "To let entries wait, change it under When, An entry while IBKR restarts."
    )
    return Rejection(rule="T06", code="broker-restarts", reason=reason)


def opened_since(case: Case) -> Rejection | None:
    """T05: a close that is no newer than the signal behind what it would close, by the sender's own times.

    A buy that closes a short says by its side that the short came first, so of one moment the two are in order; only an
    older one is not. An exit says nothing of sides.
    """
    sent_at, opened = case.message.signal_time, case.snapshot.opened_at
    if not is_no_newer(case.message, opened) or sent_at is None or opened is None:
        return None
    if opened == sent_at and case.position and case.side is case.exit_side:
        return None
    does, stays = (
        ("opened the position", "It stays.") if case.position else ("sent the entry that works", "It works on.")
    )
    reason = (
        f"A signal of {opened:%H:%M:%S} UTC {does}, and by its own time this close of {sent_at:%H:%M:%S} UTC is no newer. "
        f"{stays}"
    )
    return Rejection(rule="T05", code="superseded-signal", reason=reason)
