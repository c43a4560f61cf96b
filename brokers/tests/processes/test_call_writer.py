"""The log of calls: every request to a gateway is kept, masked, behind the work; a log that fails keeps no order back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from accounts.models import Team
from accounts.vault.fields import Sealed
from brokers import ibkr
from brokers.connections import call_log
from brokers.connections.connections import login_of
from brokers.connections.reach import reach
from brokers.domain.calls import Call as Made
from brokers.domain.calls import CallOutcome
from brokers.domain.orders import OrderStatus
from brokers.models import Call, Order
from brokers.orders import cancels
from brokers.processes.call_writer import CallWriter
from brokers.processes.lanes import Lanes
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def work(**options: Any) -> None:
    """Work all waiting orders until idle, and write their calls, as the Celery task does."""

    async def main() -> None:
        async with CallWriter(gather=0.05, **options) as calls, ibkr.new_http(reach()) as http:
            await Lanes(lambda login: ibkr.connect(login, http, calls=calls), linger=0.3).run()

    asyncio.run(main())


def made(connection: int, **values: Any) -> Made:
    fields = {"method": "GET", "endpoint": "tickle", "outcome": CallOutcome.ANSWERED, "took": 0.02, "own": 0.001}
    return Made(connection=connection, **{**fields, "status": 200, **values})


def orders(bench: lab.Lab) -> dict[str, str]:
    """Matches the order requests of this user."""
    return {"user": bench.user, "method": "POST", "path": "/iserver/account/*/orders"}


def rename(table: str, name: str) -> None:
    """As if the table were gone: every row that is written to it fails."""
    with database.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")
    database.close()


@contextmanager
def log_is_away() -> Iterator[None]:
    rename("brokers_call", "brokers_call_away")
    try:
        yield
    finally:
        rename("brokers_call_away", "brokers_call")


def after(order: Order) -> Order:
    order.refresh_from_db()
    return order


def test_an_order_has_its_own_calls_from_its_way_out_to_its_cancel(bench: lab.Lab) -> None:
    order = bench.order(type="limit", limit_price="1")
    work()
    assert after(order).status == OrderStatus.ACCEPTED
    assert cancels.request_cancel(order=order, actor=None, now=timezone.now())
    work()
    post, *_, cancel = calls = list(order.calls.order_by("pk"))
    assert {call.team_id for call in calls} == {order.team_id}
    assert (post.method, post.endpoint, post.outcome, post.status) == (
        "POST",
        "iserver/account/{account}/orders",
        "answered",
        200,
    )
    assert post.address == "/iserver/account/•••/orders"
    assert json.loads(post.request)["orders"][0]["cOID"] == order.reference
    assert (cancel.method, cancel.address.partition("?")[0]) == (
        "DELETE",
        f"/iserver/account/•••/order/{order.broker_order_id}",
    )
    assert all(0 <= call.own_ms <= call.took_ms and call.size > 0 for call in calls)
    # What was asked before the order left belongs to its connection only.
    assert not order.calls.exclude(method__in=["POST", "DELETE"]).exists()


def test_no_call_holds_the_account_the_user_or_a_secret(bench: lab.Lab) -> None:
    bench.connection.secrets = Sealed.of({"proxy_header": "X-Gateway-Secret", "proxy_secret": "0123456789abcdefXYZ"})
    bench.connection.save()
    text = f"No: {bench.account.account_id} of {bench.user}, X-Gateway-Secret 0123456789abcdefXYZ <b>!"
    bench.gateway.fault(action={"reject": text}, match=orders(bench))
    bench.order()
    work()

    async def look_around() -> None:
        async with CallWriter(gather=0.05) as calls, ibkr.new_http(reach()) as http:
            broker = ibkr.connect(login_of(bench.connection), http, calls=calls)
            await broker.open_session()
            await broker.accounts()
            await broker.positions(bench.account.account_id)
            await broker.summary(bench.account.account_id)
            await broker.close()

    asyncio.run(look_around())
    texts = [f"{call.address} {call.request} {call.answer}" for call in Call.objects.all()]
    assert len(texts) > 6
    for secret in (bench.account.account_id, bench.user, "0123456789abcdefXYZ", "X-Gateway-Secret"):
        assert not [text for text in texts if secret.lower() in text.lower()], secret
    assert any("No: ••• of •••" in text for text in texts)


def test_an_order_leaves_and_is_written_down_while_its_log_is_away(
    bench: lab.Lab, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("brokers").addHandler(caplog.handler)
    order = bench.order()
    with log_is_away():
        work()
        assert after(order).status == OrderStatus.ACCEPTED
        assert len(bench.posts()) == 1
    assert "calls are missing from the log of calls" in caplog.text
    logging.getLogger("brokers").removeHandler(caplog.handler)


def test_the_next_row_says_how_many_calls_are_missing_before_it(bench: lab.Lab) -> None:
    pk = bench.connection.pk

    async def main() -> None:
        async with CallWriter(gather=0.01, most=3) as writer:
            for _ in range(5):
                writer.add(made(pk))
            assert writer.missing == 2
            await lab.until(lambda: Call.objects.count() == 3, "three are written")
            await asyncio.to_thread(rename, "brokers_call", "brokers_call_away")
            writer.add(made(pk))
            await lab.until(lambda: writer.missing == 1, "the batch has failed")
            await asyncio.to_thread(rename, "brokers_call_away", "brokers_call")
            writer.add(made(pk))

    Call.objects.all().delete()
    asyncio.run(main())
    assert list(Call.objects.order_by("pk").values_list("missing", flat=True)) == [2, 0, 0, 1]


def test_calls_of_a_connection_that_is_gone_are_dropped_and_those_of_others_kept(bench: lab.Lab) -> None:
    now = timezone.now()
    written = call_log.save([(now, made(10**9)), (now, made(bench.connection.pk))], {10**9: 4})
    assert dict(written) == {bench.connection.pk: 1}
    assert Call.objects.get().missing == 0


def test_a_request_that_cannot_be_kept_leaves_all_the_same(bench: lab.Lab) -> None:
    class Broken:
        def add(self, call: Made) -> None:
            raise RuntimeError("the log is broken")

    async def main() -> bool:
        async with ibkr.new_http(reach()) as http:
            return await Lanes(lambda login: ibkr.connect(login, http, calls=Broken()), linger=0.3).run()

    order = bench.order()
    asyncio.run(main())
    assert after(order).status == OrderStatus.ACCEPTED
    assert len(bench.posts()) == 1


def test_a_call_without_an_answer_is_kept_with_how_it_ended(bench: lab.Lab) -> None:
    bench.gateway.fault(action={"drop_connection": True}, match=orders(bench), phase="after")
    order = bench.order()
    work()
    [call] = order.calls.filter(method="POST")
    assert (call.outcome, call.status, call.answer) == ("no_answer", None, "")
    assert len(bench.posts()) == 1
