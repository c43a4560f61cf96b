"""The list of signals and refused deliveries."""

from __future__ import annotations

import html
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from accounts.plans import patience
from brokers.tests import rows as broker
from strategies.models import Refusal, Strategy
from strategies.tests import rows
from strategies.webhook import portions

pytestmark = pytest.mark.django_db
SPY = {"action": "sell", "instrument": {"class": "stock", "symbol": "SPY"}}


def codes(page: str) -> list[str]:
    return re.findall(r'id="(?:signal|refusal)-([0-9a-f-]{36})"', page)


def refusal(of: Strategy, at: datetime, **values: Any) -> Refusal:
    fields = {
        "status": 400,
        "message_code": "invalid-quantity",
        "sentence": "quantity is -5. Send a number above zero.",
        "field": "quantity",
        "body": '{"quantity": -5}',
        "address": "192.0.2.7",
        "received_at": at,
        **values,
    }
    return Refusal.objects.create(team=of.team, endpoint=of.endpoints.get(), **fields)


def test_it_shows_a_viewer_signals_and_refused_deliveries_in_one_list(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    first = rows.signal(strategy, now, dispatched_at=now)
    refused = refusal(strategy, now + timedelta(seconds=1))
    last = rows.signal(strategy, now + timedelta(seconds=2), duplicates=2)
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/")
    assert codes(page.text) == [str(last.code), str(refused.log_code), str(first.code)]
    for words in ("nobody follows", "2 repeats ignored", "invalid-quantity", "answered 400", "from 192.0.2.7"):
        assert words in page.text


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team, now: datetime) -> None:
    refused = refusal(rows.strategy(team, now), now)
    client.force_login(charlie)
    assert client.get(f"/teams/{team.code}/signals/").status_code == 404
    assert client.get(f"/teams/{team.code}/signals/refused/{refused.log_code}/").status_code == 404


def test_it_filters_from_the_url(client: Client, alice: User, team: Team, now: datetime) -> None:
    trend, other = rows.strategy(team, now), rows.strategy(team, now, "Other")
    subscription = rows.subscription(trend, broker.account(team), now)
    accepted, rejected = rows.signal(trend, now), rows.signal(trend, now, reading=SPY)
    rows.accepted(accepted, subscription, now)
    rows.rejected(rejected, subscription, now)
    nobody = rows.signal(other, now, dispatched_at=now)
    refused = refusal(trend, now)
    client.force_login(alice)

    def shown(**filters: str) -> set[str]:
        return set(codes(client.get(f"/teams/{team.code}/signals/", filters).text))

    assert shown() == {str(accepted.code), str(rejected.code), str(nobody.code), str(refused.log_code)}
    assert shown(outcome="accepted") == {str(accepted.code)}
    assert shown(outcome="rejected") == {str(rejected.code)}
    assert shown(outcome="nobody") == {str(nobody.code)}
    assert shown(outcome="refused") == {str(refused.log_code)}
    assert shown(ticker="sp") == {str(rejected.code)}
    assert shown(action="sell") == {str(rejected.code)}
    assert shown(strategy=str(other.code)) == {str(nobody.code)}
    assert shown(strategy=str(trend.code), outcome="refused") == {str(refused.log_code)}


def test_it_finds_what_was_set_aside_delayed_tested_or_repeated(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    stale = rows.signal(strategy, now, dispatched_at=now, set_aside="stale-signal", note="Too old.")
    expired = rows.signal(strategy, now, dispatched_at=now, set_aside="expired-signal", note="Expired.")
    older = rows.signal(strategy, now, dispatched_at=now, set_aside="superseded-signal", note="Older.")
    unread = rows.signal(strategy, now, dispatched_at=now, note="Halyard could not read this signal back.")
    delayed = rows.signal(strategy, now, not_before=now + timedelta(minutes=1))
    test = rows.signal(strategy, now, dispatched_at=now, is_test=True)
    repeated = rows.signal(strategy, now, dispatched_at=now, duplicates=3)
    waiting = rows.signal(strategy, now)
    over = refusal(strategy, now, status=429, message_code="too-many-requests")
    other = refusal(strategy, now)
    client.force_login(alice)

    def shown(outcome: str) -> set[str]:
        return set(codes(client.get(f"/teams/{team.code}/signals/", {"outcome": outcome}).text))

    assert shown("set_aside") == {str(each.code) for each in (stale, expired, older, unread)}
    assert shown("stale-signal") == {str(stale.code)}
    assert shown("expired-signal") == {str(expired.code)}
    assert shown("superseded-signal") == {str(older.code)}
    assert shown("delayed") == {str(delayed.code)}
    assert shown("pending") == {str(waiting.code)}
    assert shown("rehearsed") == {str(test.code)}
    assert shown("repeated") == {str(repeated.code)}
    assert shown("nobody") == {str(test.code), str(repeated.code)}
    assert shown("over") == {str(over.log_code)}
    assert shown("refused") == {str(over.log_code), str(other.log_code)}


def test_it_finds_by_words_of_the_body_and_by_every_id(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signal = rows.signal(strategy, now, body='{"comment": "Golden Cross"}')
    repeat = signal.repeats.create(team=team, log_code=uuid.uuid4(), received_at=now)
    refused = refusal(strategy, now, body="not json, golden rule")
    rows.signal(strategy, now)
    client.force_login(alice)

    def shown(words: object) -> list[str]:
        return sorted(codes(client.get(f"/teams/{team.code}/signals/", {"q": str(words)}).text))

    assert shown("golden") == sorted([str(signal.code), str(refused.log_code)])
    for words in (signal.code, str(signal.code)[:8].upper(), signal.log_code, repeat.log_code):
        assert shown(words) == [str(signal.code)]
    assert shown(refused.log_code) == shown("invalid-quantity") == [str(refused.log_code)]
    assert shown("100%_") == []


def test_it_does_not_look_through_more_text_than_one_would_wait_for(
    client: Client, alice: User, team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = rows.strategy(team, now)
    for _ in range(60):
        rows.signal(strategy, now, body="word " * 12_000)
    monkeypatch.setattr(patience, "PATIENCE_MS", 1)
    client.force_login(alice)
    page = client.get(f"/teams/{team.code}/signals/", {"q": "wort"})
    assert page.status_code == 200
    assert "There are too many deliveries to search all of their text" in page.text
    monkeypatch.setattr(patience, "PATIENCE_MS", 30_000)
    assert "No signal matches" in client.get(f"/teams/{team.code}/signals/", {"q": "wort"}).text


def test_it_reads_times_on_the_viewers_clock(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    early, late = rows.signal(strategy, now), rows.signal(strategy, now + timedelta(minutes=30, seconds=59))
    refused = refusal(strategy, now + timedelta(minutes=10))
    alice.time_zone = "Asia/Tokyo"  # nine hours ahead: 15:00 UTC is midnight there
    alice.save()
    client.force_login(alice)

    def shown(**times: str) -> set[str]:
        return set(codes(client.get(f"/teams/{team.code}/signals/", times).text))

    assert shown(since="2026-11-21T00:00", until="2026-11-21T00:10") == {str(early.code), str(refused.log_code)}
    assert shown(since="2026-11-21T00:11") == shown(since="2026-11-20T15:11Z") == {str(late.code)}
    assert shown(until="2026-11-21T00:30") == {str(early.code), str(late.code), str(refused.log_code)}
    page = client.get(f"/teams/{team.code}/signals/", {"since": "yesterday"})
    assert "Write a day and a time" in page.text


def test_it_takes_no_notice_of_filters_that_mean_nothing(
    client: Client, alice: User, charlie: User, team: Team, now: datetime
) -> None:
    from accounts import teams

    theirs = rows.strategy(teams.found_team(owner=charlie, name="Theirs", now=now), now)
    client.force_login(alice)
    for query in (f"strategy={theirs.code}", "strategy=1", "action=jump", "signals_before=x&refusals_before=y"):
        assert client.get(f"/teams/{team.code}/signals/?{query}").status_code == 200


def codes_of_all_pages(client: Client, team: Team) -> list[str]:
    """The codes of all rows, from the first page to the last."""
    path, seen = f"/teams/{team.code}/signals/", []
    query: str | None = ""
    while query is not None:
        page = client.get(path + query).text
        seen += codes(page)
        older = re.search(r'href="(\?[^"]+)"\s+rel="next"', page)
        query = older[1].replace("&amp;", "&") if older else None
    return seen


def test_it_pages_through_both_kinds_without_losing_or_repeating_one(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    expected = []
    for number in range(120):
        at = now + timedelta(seconds=number)
        made = refusal(strategy, at).log_code if number % 3 == 0 else rows.signal(strategy, at).code
        expected.append(str(made))
    client.force_login(alice)
    seen = codes_of_all_pages(client, team)
    assert seen == expected[::-1]


def test_no_row_is_lost_where_pages_meet_though_it_came_earlier_than_it_was_stored(
    client: Client, alice: User, team: Team, now: datetime
) -> None:
    """A slow sender's message arrives first and is stored last."""
    strategy = rows.strategy(team, now)
    expected = set()
    for number in range(110):
        at = now + timedelta(seconds=number - (40 if number % 7 == 0 else 0))
        made = refusal(strategy, at).log_code if number % 3 == 0 else rows.signal(strategy, at).code
        expected.add(str(made))
    client.force_login(alice)
    seen = codes_of_all_pages(client, team)
    assert len(seen) == 110
    assert set(seen) == expected


def test_it_teaches_when_it_is_empty(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    assert "It appears in this list by itself" in client.get(f"/teams/{team.code}/signals/").text
    assert "No signal matches these filters" in client.get(f"/teams/{team.code}/signals/?ticker=XYZ").text


def test_a_refused_delivery_has_a_page_with_its_body_and_the_fix(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    refused = refusal(rows.strategy(team, now), now)
    client.force_login(bob)
    page = client.get(f"/teams/{team.code}/signals/refused/{refused.log_code}/")
    for words in ("quantity is -5. Send a number above zero.", "answered 400", "&quot;quantity&quot;: -5", "192.0.2.7"):
        assert words in page.text


def test_it_asks_the_database_as_often_for_many_signals_as_for_one(
    client: Client, alice: User, team: Team, now: datetime, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        rows.walk(team, now, name=f"Trend {number}")
    client.force_login(alice)
    # Seven of them are what needs somebody now, which every page shows.
    with django_assert_max_num_queries(16):
        client.get(f"/teams/{team.code}/signals/")


def test_it_looks_for_text_in_a_portion_of_the_deliveries_at_a_time(
    client: Client, alice: User, team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "LOOKED_THROUGH", 3)
    strategy = rows.strategy(team, now)
    wanted = rows.signal(strategy, now, body="golden")
    refused = refusal(strategy, now, body="golden, not json")
    for minute in range(1, 8):
        rows.signal(strategy, now + timedelta(minutes=minute), body="silver")
    client.force_login(alice)
    address, pages = f"/teams/{team.code}/signals/?q=golden", []
    while address:
        page = client.get(address).text
        pages.append(codes(page))
        assert ("Text is looked for in 3 signals" in page) == ('rel="next"' in page)
        older = re.search(r'href="([^"]*)"\s+rel="next"', page)
        address = f"/teams/{team.code}/signals/{html.unescape(older[1])}" if older else ""

    assert pages == [[str(refused.log_code)], [], [str(wanted.code)]]
    # What an index serves is found among all of them, and is no portion.
    assert codes(client.get(f"/teams/{team.code}/signals/?q={wanted.code}").text) == [str(wanted.code)]


def test_signals_that_found_nobody_are_looked_for_in_a_portion_at_a_time(
    client: Client, alice: User, team: Team, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "LOOKED_THROUGH", 3)
    strategy = rows.strategy(team, now)
    follower = rows.subscription(strategy, broker.account(team), now)
    alone = [rows.signal(strategy, now, dispatched_at=now, body="golden")]
    for minute in range(1, 5):
        rows.rejected(rows.signal(strategy, now + timedelta(minutes=minute), dispatched_at=now), follower, now)
    alone.append(rows.signal(strategy, now + timedelta(minutes=6), dispatched_at=now))
    refusal(strategy, now)
    client.force_login(alice)
    for query, expected in (("", [[alone[1]], [alone[0]]]), ("&q=golden", [[alone[0]]])):
        address, pages = f"?outcome=nobody{query}", []
        while address:
            page = client.get(f"/teams/{team.code}/signals/{address}").text
            pages.append(codes(page))
            words = (
                "Text is looked for in 3 signals"
                if query
                else "Signals that nobody followed are looked for in 3 signals at a time"
            )
            assert (words in page) == ('rel="next"' in page)
            older = re.search(r'href="([^"]*)"\s+rel="next"', page)
            address = html.unescape(older[1]) if older else ""
        assert len(pages) > 1
        assert [page for page in pages if page] == [[str(row.code) for row in page] for page in expected]


def test_a_time_span_is_found_in_a_long_list(client: Client, alice: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    signals = [rows.signal(strategy, now + timedelta(hours=3 * each)) for each in range(40)]
    alice.time_zone = "UTC"
    alice.save()
    client.force_login(alice)
    for number in (0, 1, 17, 39):
        at = signals[number].received_at
        times = dict.fromkeys(("since", "until"), f"{at:%Y-%m-%dT%H:%M}")
        page = client.get(f"/teams/{team.code}/signals/", times)
        assert codes(page.text) == [str(signals[number].code)]
    nothing = {"since": f"{now + timedelta(days=30):%Y-%m-%dT%H:%M}"}
    assert codes(client.get(f"/teams/{team.code}/signals/", nothing).text) == []
