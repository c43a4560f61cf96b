"""Pages of orders and positions say as of when IBKR has confirmed them, by which way, and whether its stream is silent."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team, User
from brokers import live
from brokers.models import BrokerageAccount, Connection, Order
from brokers.tests import rows

pytestmark = pytest.mark.django_db
SILENT = "the stream has been silent since"


def working(of: BrokerageAccount) -> Order:
    """An order that IBKR acknowledged a minute ago."""
    at = timezone.now() - timedelta(minutes=1)
    values = {"submitted_at": at, "acknowledged_at": at, "changed_at": at}
    return rows.order(of, status="accepted", broker_order_id="4711", **values)


def streaming(of: BrokerageAccount, *, seconds: float) -> None:
    """A stream of an hour that gave its last sign of life so long ago."""
    now = timezone.now()
    Connection.objects.filter(pk=of.connection_id).update(
        stream_since=now - timedelta(hours=1), stream_heard_at=now - timedelta(seconds=seconds)
    )


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html))


def age_of(order: Order, html: str) -> str:
    found = re.search(rf'id="as-of-{order.code}"[^>]*>(.*?)</span>', html, re.DOTALL)
    return words(found[1]) if found else ""


@pytest.mark.parametrize("path", ["orders/", "orders/{}/", ""])
def test_an_order_says_as_of_when_and_by_which_way(client: Client, bob: User, team: Team, path: str) -> None:
    account = rows.account(team)
    order = working(account)
    client.force_login(bob)
    url = f"/teams/{team.code}/{path.format(order.code)}"
    without = age_of(order, client.get(url).text)
    assert re.match(rf"as of \d\d:\d\d:\d\d, IBKR&#x27;s answer; {SILENT} \d\d:\d\d:\d\d$", without)
    streaming(account, seconds=0)
    assert re.fullmatch(r"as of \d\d:\d\d:\d\d, stream", age_of(order, client.get(url).text))
    streaming(account, seconds=600)
    assert f", IBKR&#x27;s answer; {SILENT} " in age_of(order, client.get(url).text)
    streaming(account, seconds=20)
    assert f", stream; {SILENT} " in age_of(order, client.get(url).text)


def test_an_order_that_was_not_sent_has_no_age(client: Client, bob: User, team: Team) -> None:
    order = rows.order(rows.account(team))
    client.force_login(bob)
    assert "as-of-" not in client.get(f"/teams/{team.code}/orders/{order.code}/").text


def test_a_day_old_word_shows_its_day(client: Client, bob: User, team: Team) -> None:
    at = timezone.now() - timedelta(days=2)
    order = rows.filled(rows.order(rows.account(team)), at=at)
    client.force_login(bob)
    age = age_of(order, client.get(f"/teams/{team.code}/orders/").text)
    assert re.fullmatch(r"as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, IBKR&#x27;s report", age)


def test_positions_say_when_they_were_read_and_whether_the_stream_is_silent(
    client: Client, bob: User, team: Team
) -> None:
    read = timezone.now() - timedelta(seconds=20)
    account = rows.account(team, book_as_of=read, book_read_at=read)
    empty = rows.account(team, book_as_of=read, book_read_at=read)
    rows.position(account, as_of=read)
    client.force_login(bob)
    streaming(account, seconds=0)
    shown = words(client.get(f"/teams/{team.code}/positions/").text)
    assert re.search(rf"{account.account_id} simulated as of \d\d:\d\d:\d\d, read", shown)
    assert re.search(rf"No positions in {empty.account_id}\. \(as of \d\d:\d\d:\d\d, read; {SILENT} ", shown)
    assert shown.count(SILENT) == 1
    streaming(account, seconds=30)
    assert words(client.get(f"/teams/{team.code}/positions/").text).count(SILENT) == 2


def test_a_push_of_the_account_or_its_session_sets_the_ages_of_what_works(team: Team) -> None:
    account = rows.account(team)
    order, sent = working(account), rows.order(account)
    other = working(rows.account(team))
    streaming(account, seconds=0)
    for pushed in (live.account_html(account.pk), live.session_html(account.connection_id)):
        assert age_of(order, pushed).endswith(", stream")
        assert f"as-of-{sent.code}" not in pushed
        assert f"as-of-{other.code}" not in pushed
    assert age_of(order, live.order_html(order.pk)).endswith(", stream")


def test_no_page_and_no_push_asks_once_per_order(client: Client, bob: User, team: Team) -> None:
    account = rows.account(team)
    client.force_login(bob)

    def queries() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as page:
            client.get(f"/teams/{team.code}/orders/")
        with CaptureQueriesContext(connection) as push:
            live.account_html(account.pk)
        return len(page), len(push)

    working(account)
    queries()
    one = queries()
    for _ in range(10):
        working(account)
    assert queries() == one
