"""A connection with keys of its own, from the paste to a fill, and one token for all its processes."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Team
from brokers import ibkr
from brokers.connections import connections, tokens
from brokers.connections.reach import reach
from brokers.connections.tokens import Shelves
from brokers.domain.tokens import LiveToken
from brokers.models import Connection, LiveSessionToken, Order
from brokers.tests import lab, rows
from brokers.tests.signing.conftest import Owner

pytestmark = pytest.mark.django_db(transaction=True)


def session(connection: Connection) -> tuple[str, str]:
    return Connection.objects.values_list("session_status", "session_code").get(pk=connection.pk)


def test_it_signs_in_finds_its_account_and_fills_an_order(team: Team, owner: Owner) -> None:
    connection = owner.connect(team)

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: connection.accounts.filter(book_as_of__isnull=False).exists(), "the book is read")
            order = await asyncio.to_thread(_order, connection)
            async with lab.working():
                await lab.until(lambda: _status(order) == "filled", "the order is filled")

    asyncio.run(story())
    assert session(connection)[0] == "active"
    # The lanes and the stream are two clients, and one token served both.
    assert owner.asked() == 1
    assert LiveSessionToken.objects.get().claimed_until is None


def _order(connection: Connection) -> Order:
    try:
        from brokers.models import ContractLookup

        ContractLookup.objects.create(
            connection=connection,
            ticker="AAPL",
            asset_class="stock",
            status="found",
            conid=265598,
            answered_at=timezone.now(),
            increments=[],
        )
        return rows.order(connection.accounts.get(), quantity=1)
    finally:
        from django.db import connection as database

        database.close()


def _status(order: Order) -> str:
    return str(Order.objects.values_list("status", flat=True).get(pk=order.pk))


def test_two_processes_that_ask_at_once_get_one_token(team: Team, owner: Owner) -> None:
    login = connections.login_of(owner.connect(team))
    ready, seen = threading.Barrier(4), []

    async def ask() -> None:
        with Shelves() as shelves:
            async with ibkr.new_http(reach()) as http:
                broker = ibkr.connect(login, http, shelf=shelves.of(login))
                await asyncio.to_thread(ready.wait)
                seen.append((await broker.tickle()).authenticated)
                await broker.close()

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 4
    assert owner.asked() == 1, owner.gateway.control("GET", "/oauth/refusals")[-4:]


def test_a_key_that_is_not_active_is_said_and_asked_for_half_hourly(team: Team, owner: Owner) -> None:
    owner.gateway.control("POST", f"/oauth/consumers/{owner.parts['consumer_key']}", {"state": "pending"})
    connection = owner.connect(team)

    async def story() -> None:
        async with lab.watching():
            await lab.until(lambda: session(connection) == ("pending", "key-not-active"), "the refusal is shown")
            await asyncio.sleep(1)
        # Nor does a process that begins anew ask at once.
        async with lab.watching():
            await asyncio.sleep(1)

    asyncio.run(story())
    assert owner.asked() == 1
    left = Connection.objects.get().next_try_at
    assert left is not None
    assert left - timezone.now() > timedelta(minutes=25)


def test_who_claimed_and_died_is_not_waited_for_longer_than_a_request(team: Team, owner: Owner) -> None:
    connection, now = owner.connect(team), timezone.now()
    LiveSessionToken.objects.create(connection=connection, claimed_until=now + timedelta(seconds=1))
    made = asyncio.run(_token(connection))
    assert timezone.now() - now >= timedelta(seconds=1)
    assert made.value == b"new"


def test_a_claim_of_a_clock_that_was_ahead_holds_nobody(team: Team, owner: Owner) -> None:
    connection = owner.connect(team)
    LiveSessionToken.objects.create(connection=connection, claimed_until=timezone.now() + timedelta(days=1))
    assert asyncio.run(_token(connection)).value == b"new"


def test_a_failure_leaves_the_claim_to_the_next(team: Team, owner: Owner) -> None:
    connection = owner.connect(team)

    async def fail() -> LiveToken:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        asyncio.run(_token(connection, fail))
    assert asyncio.run(_token(connection)).value == b"new"


async def _token(connection: Connection, make: Any = None) -> LiveToken:
    async def new() -> LiveToken:
        now = timezone.now()
        return LiveToken(value=b"new", made_at=now, expires_at=now + timedelta(days=1))

    with Shelves() as shelves:
        shelf = shelves.of(await asyncio.to_thread(lab.asked, lambda: connections.login_of(connection)))
        assert shelf is not None
        return await shelf.token(make=make or new)


def test_keys_and_tokens_are_sealed_and_turned_with_the_others(team: Team, owner: Owner) -> None:
    connection = owner.connect(team)
    asyncio.run(_token(connection))
    kept = LiveSessionToken.objects.get()
    connection.refresh_from_db()
    for sealed in (connection.signing_keys, kept.token):
        assert repr(sealed) == "Sealed(...)"
    before = bytes(kept.token.token)
    assert b"new" not in before
    call_command("rotate_keys")
    assert connections.login_of(Connection.objects.get()).secrets["consumer_key"] == owner.parts["consumer_key"]
    assert owner.parts["signature_key"] not in repr(connections.login_of(connection))


def test_a_claim_holds_who_looked_at_the_clock_before_it_was_made(team: Team, owner: Owner) -> None:
    connection, now = owner.connect(team), timezone.now()
    claimed = tokens._kept_or_claimed(connection.pk, None, now)
    # It waited for the row meanwhile.
    late = tokens._kept_or_claimed(connection.pk, None, now - timedelta(seconds=1))
    assert (claimed, late) == ((None, True), (None, False))
