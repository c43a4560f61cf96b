"""When an entry lets a way out pass, for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from strategies.domain.exits_first import LONGEST, Entry, WayOut, turn

START = datetime(2026, 11, 19, 6, 45, tzinfo=UTC)
moments = st.integers(-3600, 3600).map(lambda seconds: START + timedelta(seconds=seconds))
ways_out = st.builds(
    WayOut,
    account=st.integers(1, 2),
    name=st.sampled_from(["the exit of AAPL", "the exit of MSFT", "the close of NVDA"]),
    since=moments,
    awaits=st.sampled_from(["", "IBKR's contract for AAPL", "a fresh quote of MSFT"]),
)
entries = st.builds(Entry, account=st.integers(1, 2), since=moments, until=moments, holds_up=st.booleans())


def way_out(since: datetime = START, awaits: str = "IBKR's contract for AAPL") -> WayOut:
    return WayOut(account=1, name="the exit of AAPL", since=since, awaits=awaits)


def entry(minutes: float = 15) -> Entry:
    return Entry(account=1, since=START, until=START + timedelta(minutes=minutes))


def test_it_says_what_it_waits_for() -> None:
    assert turn(entry(), [way_out()], START).waiting_for == "the exit of AAPL, which waits for IBKR's contract for AAPL"


def test_it_goes_on_after_a_while_and_says_so() -> None:
    went = turn(entry(), [way_out()], START + LONGEST)
    assert went.waits_for is None
    assert went.note == "It waited no longer for the exit of AAPL, which waits for IBKR's contract for AAPL."


def test_it_gives_half_of_a_short_life() -> None:
    short = entry(0.25)
    assert turn(short, [way_out()], START + timedelta(seconds=7)).waits_for is not None
    assert turn(short, [way_out()], START + timedelta(seconds=7.5)).waits_for is None


def test_what_waits_for_something_else_is_not_waited_for() -> None:
    went = turn(entry(), [way_out(awaits="")], START)
    assert (went.waiting_for, went.note) == ("", "")


@given(entries, st.lists(ways_out, max_size=6), moments)
def test_it_waits_for_its_own_account_only_and_not_for_long(
    entry: Entry, ways_out: list[WayOut], now: datetime
) -> None:
    waits_for = turn(entry, ways_out, now).waits_for
    if waits_for is None:
        return
    assert waits_for in ways_out
    assert waits_for.account == entry.account
    assert waits_for.awaits
    assert not entry.holds_up
    assert now < waits_for.since + LONGEST
    assert now - entry.since < (entry.until - entry.since) / 2


@given(entries, st.lists(ways_out, max_size=6), moments)
def test_no_way_out_is_passed_that_had_time(entry: Entry, ways_out: list[WayOut], now: datetime) -> None:
    went = turn(entry, ways_out, now)
    assert went.waits_for is None or not went.passed
    for passed in went.passed:
        late = now >= passed.since + LONGEST or now - entry.since >= (entry.until - entry.since) / 2
        assert late or entry.holds_up or passed.since > now


@given(entries, st.lists(ways_out, max_size=6), st.lists(ways_out, max_size=6), moments)
def test_what_others_hold_or_what_is_not_on_its_way_changes_nothing(
    entry: Entry, ways_out: list[WayOut], more: list[WayOut], now: datetime
) -> None:
    strange = [each for each in more if each.account != entry.account or not each.awaits]
    assert turn(entry, strange + ways_out + strange, now) == turn(entry, ways_out, now)


@given(entries, st.lists(ways_out, max_size=6))
def test_nothing_waits_for_ever(entry: Entry, ways_out: list[WayOut]) -> None:
    latest = max([START, *(each.since for each in ways_out)]) + LONGEST
    assert turn(entry, ways_out, latest).waits_for is None
