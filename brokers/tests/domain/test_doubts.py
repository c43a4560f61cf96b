"""What proves that IBKR does not have an order, and what is left to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.domain.doubts.choices import Shape, differs
from brokers.domain.doubts.evidence import REAL, SIMULATED, Evidence, Origin, Sight, Source, Terms, by_clock, looked
from brokers.domain.doubts.seconds import Asked, fills_like
from brokers.domain.doubts.verdicts import Matter, Resend, Step, judge
from brokers.domain.orders import OrderType, Side

# A Monday in New York, hours from the end of IBKR's day.
NOW = datetime(2026, 6, 8, 15, 0, tzinfo=UTC)
BOTH = (Source.TRADES, Source.ORDERS)
CLEAR = Sight(
    session_since=NOW - timedelta(hours=1),
    stream_since=NOW - timedelta(hours=1),
    heard_at=NOW + timedelta(hours=1),
)
MATTER = Matter(posts=1, expires_at=NOW + timedelta(hours=1), type=OrderType.LIMIT)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def doubted(origin: Origin = Origin.ANSWER_LOST, sent_at: datetime = NOW) -> Evidence:
    return Evidence(origin=origin, since=NOW, sent_at=sent_at, looking_since=NOW)


def evidence(
    times: Sequence[float],
    *,
    sources: Sequence[Source] = BOTH,
    sight: Sight = CLEAR,
    terms: Terms = REAL,
    origin: Origin = Origin.ANSWER_LOST,
) -> Evidence:
    seen = doubted(origin)
    for seconds in times:
        for source in sources:
            seen = looked(seen, source, sight, terms, after(seconds))
    return seen


def step(seen: Evidence, seconds: float, *, sight: Sight = CLEAR, matter: Matter = MATTER, terms: Terms = REAL) -> str:
    verdict = judge(seen, sight, matter, terms, after(seconds))
    return f"{verdict.step}: {verdict.code}"


def test_enough_looks_over_enough_time_prove_absence() -> None:
    assert step(evidence([0, 15, 30]), 30, matter=replace(MATTER, resend=Resend.NEVER)) == "absent: proven-absent"


def test_looks_without_end_are_a_proof_once_the_stream_has_spoken_after_enough_of_them() -> None:
    """IBKR's heart beats every ten seconds, and a list may be read every five: the last look is always the newer one."""
    seen, proven_at = doubted(), 0.0
    for seconds in range(0, 120, 6):
        sight = replace(CLEAR, heard_at=after(seconds - seconds % 10 - 1))
        for source in BOTH:
            seen = looked(seen, source, sight, REAL, after(seconds))
        if step(seen, seconds, sight=sight).startswith("send_again"):
            proven_at = seconds
            break
    assert proven_at == 42


@pytest.mark.parametrize(
    ("seen", "sight"),
    [
        pytest.param(evidence([0, 30]), CLEAR, id="two lists of orders"),
        pytest.param(evidence([0, 10, 20]), CLEAR, id="within twenty seconds"),
        pytest.param(evidence([0, 1, 2, 3, 4]), CLEAR, id="lists in one breath"),
        pytest.param(evidence([0, 15, 30], sources=[Source.ORDERS]), CLEAR, id="orders alone"),
        pytest.param(evidence([0, 15, 30], sources=[Source.TRADES]), CLEAR, id="executions alone"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, stream_since=None), id="the stream is down"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, stream_since=after(20)), id="the stream had a gap"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, session_since=after(20)), id="a session of its own"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, session_since=None), id="no session"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, heard_at=after(29)), id="silent since the last look"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, heard_at=None), id="a stream that never spoke"),
        pytest.param(evidence([0, 15, 30]), replace(CLEAR, resetting=True), id="IBKR restarts"),
    ],
)
def test_anything_less_proves_nothing(seen: Evidence, sight: Sight) -> None:
    assert step(seen, 31, sight=sight).startswith("look: ")


def test_a_gap_takes_away_what_was_counted() -> None:
    seen = evidence([0, 15])
    later = looked(seen, Source.ORDERS, replace(CLEAR, stream_since=after(20)), REAL, after(30))
    assert (later.count(Source.ORDERS), later.count(Source.TRADES)) == (1, 0)
    assert looked(seen, Source.ORDERS, replace(CLEAR, stream_since=None), REAL, after(30)).reads == ()
    assert looked(seen, Source.ORDERS, replace(CLEAR, resetting=True), REAL, after(30)).reads == ()


@pytest.mark.parametrize(
    ("moment", "counts"),
    [
        (datetime(2026, 6, 9, 3, 54, tzinfo=UTC), True),
        (datetime(2026, 6, 9, 3, 56, tzinfo=UTC), False),
        (datetime(2026, 6, 9, 4, 4, tzinfo=UTC), False),
        (datetime(2026, 6, 9, 4, 6, tzinfo=UTC), True),
        # The nights in which the clocks change.
        (datetime(2026, 3, 8, 4, 58, tzinfo=UTC), False),
        (datetime(2026, 11, 1, 3, 58, tzinfo=UTC), False),
    ],
)
def test_lists_around_the_end_of_the_day_do_not_count(moment: datetime, counts: bool) -> None:
    sight = Sight(session_since=moment - timedelta(hours=9), stream_since=moment - timedelta(hours=9), heard_at=moment)
    assert bool(looked(doubted(), Source.ORDERS, sight, REAL, moment).reads) is counts


def test_after_the_day_a_person_is_asked() -> None:
    seen = replace(evidence([0, 15, 30]), sent_at=NOW - timedelta(hours=12))
    assert step(seen, 31) == "ask: past-the-day"
    # Nobody is asked before anybody looked.
    assert step(doubted(sent_at=NOW - timedelta(hours=12)), 0) == "look: looking"


@pytest.mark.parametrize(
    ("matter", "again"),
    [
        (MATTER, True),
        (replace(MATTER, type=OrderType.MARKET), False),
        (replace(MATTER, type=OrderType.STOP), False),
        (replace(MATTER, type=OrderType.MARKET, resend=Resend.ALL), True),
        (replace(MATTER, resend=Resend.NEVER), False),
        (replace(MATTER, posts=2), False),
        (replace(MATTER, expires_at=after(20)), False),
        (replace(MATTER, alone=False), False),
    ],
)
def test_what_may_leave_again(matter: Matter, again: bool) -> None:
    expected = "send_again: proven-absent" if again else "absent: proven-absent"
    assert step(evidence([0, 15, 30]), 30, matter=matter) == expected


def test_a_leg_is_decided_with_the_order_that_it_came_with() -> None:
    leg = replace(MATTER, alone=False, head_in_doubt=True)
    assert step(evidence([0, 15, 30]), 30, matter=leg) == "look: waits-for-head"
    assert step(evidence([0, 15, 30]), 86_400, matter=leg).startswith("ask: ")
    assert step(evidence([0, 15, 30]), 30, matter=replace(leg, head_in_doubt=False)) == "absent: proven-absent"


def test_a_registered_reference_is_looked_for_longer_and_never_sent_again() -> None:
    seen = evidence([0, 15, 30, 45, 60, 75, 90], origin=Origin.REGISTERED)
    assert step(seen, 89) == "look: looking"
    assert step(seen, 90) == "ask: registered-not-shown"


def test_what_was_acknowledged_is_never_called_absent() -> None:
    assert step(evidence([0, 15, 30], origin=Origin.VANISHED), 30) == "ask: acknowledged-then-gone"


def test_another_order_under_the_reference_is_a_persons_matter() -> None:
    assert step(doubted(Origin.ANOTHER), 0) == "ask: another-order"


@pytest.mark.parametrize(
    ("sight", "seconds", "expected"),
    [
        (replace(CLEAR, stream_since=None), 899, "look: waits-for-stream"),
        (replace(CLEAR, stream_since=None), 900, "ask: not-to-be-decided"),
        (CLEAR, 900, "ask: not-to-be-decided"),
        (replace(CLEAR, session_since=after(800)), 900, "look: looking"),
        (replace(CLEAR, session_since=None), 86_399, "look: waits-for-session"),
        # A person is asked after a day, also where Halyard cannot ask IBKR.
        (replace(CLEAR, session_since=None), 86_400, "ask: looked-for-too-long"),
        (replace(CLEAR, session_since=after(86_300)), 86_400, "ask: looked-for-too-long"),
        (replace(CLEAR, resetting=True), 5_000, "look: waits-for-reset"),
    ],
)
def test_patience_ends_only_where_ibkr_could_be_asked(sight: Sight, seconds: float, expected: str) -> None:
    terms = replace(REAL, zone="Pacific/Kiritimati")
    assert step(doubted(), seconds, sight=sight, terms=terms) == expected


@pytest.mark.parametrize(
    ("theirs", "word"),
    [
        (Shape(conid=1, side=Side.BUY, quantity=Decimal(5)), ""),
        (Shape(conid=None, side=None, quantity=None), ""),
        (Shape(conid=2, side=Side.BUY, quantity=Decimal(5)), "contract"),
        (Shape(conid=1, side=Side.SELL, quantity=Decimal(5)), "sell"),
        (Shape(conid=1, side=Side.BUY, quantity=Decimal("5.5")), "5.5"),
    ],
)
def test_what_speaks_against_adopting(theirs: Shape, word: str) -> None:
    sentence = differs(Shape(conid=1, side=Side.BUY, quantity=Decimal(5)), theirs)
    assert word in sentence
    assert bool(sentence) is bool(word)


# Quarters of a second: what a float can tell exactly, and a clock of microseconds too.
moments = st.integers(0, 14_400).map(lambda quarters: quarters / 4)


@given(
    times=st.lists(moments, max_size=30).map(sorted),
    gap=moments,
    terms=st.sampled_from([REAL, SIMULATED]),
    heard=moments,
    origin=st.sampled_from(sorted(Origin)),
)
def test_nothing_is_proven_across_a_gap(
    times: list[float], gap: float, terms: Terms, heard: float, origin: Origin
) -> None:
    """Whatever is looked at and when: absence needs the span of both lists after the last gap, and a word after them."""
    seen = doubted(origin)
    for seconds in times:
        stream = after(gap) if seconds >= gap else NOW - timedelta(hours=1)
        for source in BOTH:
            seen = looked(seen, source, replace(CLEAR, stream_since=stream), terms, after(seconds))
    sight = replace(CLEAR, stream_since=after(gap), heard_at=after(heard))
    verdict = judge(seen, sight, MATTER, terms, after(3_600))
    if verdict.step in {Step.ABSENT, Step.SEND_AGAIN}:
        counted = [seconds for seconds in times if seconds >= gap]
        assert origin is Origin.ANSWER_LOST
        answered = [seconds for seconds in counted if seconds <= heard + terms.lag]
        assert len(answered) >= terms.order_reads
        assert max(answered) - min(answered) >= terms.span


@pytest.mark.parametrize("back", [timedelta(seconds=6), timedelta(hours=1), timedelta(days=400)])
def test_after_a_clock_was_set_back_all_looks_are_counted_anew(back: timedelta) -> None:
    before = evidence([0, 10, 20])
    assert by_clock(before, after(20)) == before
    now = after(20) - timedelta(seconds=20) - back
    anew = by_clock(before, now)
    assert (anew.reads, anew.last_at, anew.counting_since) == ((), (), None)
    assert (anew.since, anew.sent_at, anew.looking_since) == (now, now, now)
    assert by_clock(anew, now) == anew


@pytest.mark.parametrize(
    ("side", "filled", "after", "alike"),
    [
        (Side.BUY, 10, 1, True),
        (Side.BUY, 4, 1, True),
        (Side.BUY, 10, -4, True),
        (Side.BUY, 10, -60, False),
        (Side.BUY, 11, 1, False),
        (Side.SELL, 10, 1, False),
        (Side.BUY, 10, 25 * 3600, False),
    ],
)
def test_a_fill_looks_like_a_change_by_side_size_and_time(side: Side, filled: int, after: int, alike: bool) -> None:
    sent_at = NOW
    change = Asked(side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal(10), sent_at=sent_at)
    assert fills_like(change, side, Decimal(filled), sent_at + timedelta(seconds=after)) is alike


def moved(matter: Matter, seconds: float) -> Matter:
    """The same where four more are held than fills explain, as was first seen after so many seconds."""
    return replace(matter, moved=Decimal(4), moved_at=after(seconds))


@pytest.mark.parametrize("origin", [Origin.ANSWER_LOST, Origin.VANISHED])
@pytest.mark.parametrize("matter", [MATTER, replace(MATTER, type=OrderType.MARKET)])
def test_what_may_have_filled_is_neither_absent_nor_sent_again(origin: Origin, matter: Matter) -> None:
    seen = evidence([0, 15, 30], origin=origin)
    assert step(seen, 30, matter=moved(matter, 5)) == "look: may-have-filled"
    assert step(seen, 94, matter=moved(matter, 5)) == "look: may-have-filled"
    assert step(seen, 95, matter=moved(matter, 5)) == "ask: may-have-filled"


def test_a_registered_reference_that_may_have_filled_waits_for_its_fill_as_well() -> None:
    seen = evidence([0, 15, 30, 45, 60, 75, 90], origin=Origin.REGISTERED)
    assert step(seen, 90, matter=moved(MATTER, 60)) == "look: may-have-filled"
    assert step(seen, 150, matter=moved(MATTER, 60)) == "ask: may-have-filled"


def test_every_sentence_says_what_is_held() -> None:
    held = "IBKR's list of positions shows 4 more than all fills explain: this order may have filled."
    for seen, seconds in ((doubted(), 5), (evidence([0, 15, 30]), 30), (evidence([0, 15, 30]), 200), (doubted(), 2000)):
        assert held in judge(seen, CLEAR, moved(MATTER, 5), REAL, after(seconds)).sentence
    fewer = replace(moved(MATTER, 5), moved=Decimal(-3))
    assert "shows 3 fewer than" in judge(doubted(), CLEAR, fewer, REAL, after(9)).sentence


def test_what_ibkr_took_the_cancel_of_was_canceled_once_no_list_shows_it() -> None:
    taken = replace(MATTER, canceled=True)
    assert step(evidence([0, 15, 30], origin=Origin.VANISHED), 30, matter=taken) == "canceled: canceled-not-shown"
    assert step(evidence([0, 15], origin=Origin.VANISHED), 30, matter=taken) == "look: looking"
    # An order that IBKR never showed is absent, whichever question was open.
    assert step(evidence([0, 15, 30]), 30, matter=replace(taken, resend=Resend.NEVER)) == "absent: proven-absent"
    assert step(evidence([0, 15, 30], origin=Origin.VANISHED), 30, matter=moved(taken, 5)) == "look: may-have-filled"


def test_the_end_of_the_day_hides_nothing_of_what_was_to_be_canceled() -> None:
    seen = replace(evidence([0, 15, 30], origin=Origin.VANISHED), sent_at=NOW - timedelta(hours=12))
    assert step(seen, 31) == "ask: past-the-day"
    assert step(seen, 31, matter=replace(MATTER, canceled=True)) == "canceled: canceled-not-shown"
