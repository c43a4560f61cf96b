"""Entries that IBKR is asked about first: let go, refused, or not sent for want of an answer. Nothing else ever waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.refusals import refused_by
from brokers.domain.orders import Role
from brokers.models import Order, WhatIf
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, rows
from brokers.whatif import before_entries

pytestmark = pytest.mark.django_db(transaction=True)
PREVIEW = "/iserver/account/*/orders/whatif"


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def fault(bench: lab.Lab, preset: str, **changes: Any) -> None:
    bench.gateway.fault(preset=preset, match={"user": bench.user, "path": PREVIEW}, times=None, **changes)


def asking(bench: lab.Lab, **values: Any) -> Order:
    of = values.pop("ticket", bench.account)
    fields = {"role": "entry", "asks_first": True, "type": "limit", "limit_price": Decimal(1), "quantity": Decimal(1)}
    return rows.order(of, **{**fields, **values})


def worked(order: Order) -> Order:
    lab.work()
    order.refresh_from_db()
    return order


def test_an_entry_leaves_after_ibkrs_preview_of_it(bench: lab.Lab) -> None:
    order = worked(asking(bench))
    assert (order.status, order.asks_first) == ("accepted", False)
    paths = [entry["path"].rsplit("/", 1)[1] for entry in bench.gateway.journal(bench.user, method="POST")]
    assert [path for path in paths if path in {"whatif", "orders"}] == ["whatif", "orders"]
    row = WhatIf.objects.get()
    assert (row.key, row.status, row.by_policy, row.asked_by) == (order.code, "answered", True, None)
    assert (row.request["type"], row.request["limit_price"], row.request["quantity"]) == (
        "limit",
        "1.00000000",
        "1.00000000",
    )


@pytest.mark.parametrize(
    ("preset", "code", "words"),
    [
        ("preview_no_permission", "preview-refused", "No trading permissions."),
        ("preview_short", "preview-short", "initial margin of 50,000.00 USD of 2,499.00"),
        ("preview_of_another_order", "preview-of-another-order", "about another order"),
        ("preview_without_figures", "preview-without-figures", "told no figures"),
        ("preview_503", "ibkr-unavailable", "503"),
    ],
)
def test_what_ibkr_would_refuse_or_does_not_tell_is_not_sent(
    bench: lab.Lab, preset: str, code: str, words: str
) -> None:
    fault(bench, preset)
    order = worked(asking(bench))
    assert (order.status, order.reason_code) == ("denied", code)
    assert order.reason.startswith("Not sent: ")
    assert words in order.reason
    assert bench.posts() == []
    assert WhatIf.objects.get().status != "asked"


def test_a_warning_holds_nothing_back(bench: lab.Lab) -> None:
    fault(bench, "preview_warns")
    assert worked(asking(bench)).status == "accepted"


def test_a_preview_that_hangs_ends_the_entry_with_its_stop_and_nothing_else(
    bench: lab.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brokers.processes.what_ifs.WHAT_IF_SECONDS", 0.5)
    fault(bench, "preview_timeout")
    order = asking(bench)
    stop = rows.order(
        order.ticket,
        parent=order,
        role="stop_loss",
        release="with_parent",
        side="sell",
        type="stop",
        stop_price=Decimal(1),
        quantity=Decimal(1),
    )
    free = bench.order(type="limit", limit_price=Decimal(1))
    assert worked(order).reason_code == "preview-unanswered"
    stop.refresh_from_db()
    free.refresh_from_db()
    assert (order.status, stop.status, free.status) == ("denied", "canceled", "accepted")
    assert len(bench.posts()) == 1


@pytest.mark.parametrize("role", ["exit", "stop_loss", "take_profit"])
def test_a_way_out_leaves_while_a_preview_hangs(bench: lab.Lab, monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setattr("brokers.processes.what_ifs.WHAT_IF_SECONDS", 6.0)
    fault(bench, "preview_timeout")
    entry = asking(bench)

    async def story() -> None:
        working = asyncio.create_task(asyncio.to_thread(lab.work))
        await lab.until(lambda: any(each["hits"] for each in bench.gateway.faults()), "IBKR is asked")

        def order() -> bool:
            bench.order(role=role, side="sell")
            notify(ORDERS_CHANNEL, str(bench.connection.pk))
            return True

        await asyncio.to_thread(lab.holds, order)
        await lab.until(lambda: Order.objects.filter(role=role, acknowledged_at__isnull=False).exists(), "it is out")
        status = await asyncio.to_thread(lab.asked, lambda: Order.objects.get(pk=entry.pk).status)
        assert status == "created"
        await working

    asyncio.run(story())
    entry.refresh_from_db()
    assert (entry.status, entry.reason_code) == ("denied", "preview-unanswered")


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ENTRY])
def test_postgres_lets_nothing_but_an_entry_wait(bench: lab.Lab, role: Role) -> None:
    with refused_by("only_an_entry_asks_first"):
        bench.order(role=str(role), side="sell", asks_first=True)


def test_an_entry_behind_an_exit_is_asked_about_when_the_exit_has_filled(bench: lab.Lab) -> None:
    way_out = bench.order(role="exit", side="sell", type="limit", limit_price=Decimal(1_000_000))
    entry = asking(bench, ticket=way_out.ticket, parent=way_out, release="after_parent_fills")
    lab.work()
    assert not WhatIf.objects.exists()
    Order.objects.filter(pk=way_out.pk).update(status="filled", filled_quantity=way_out.quantity)
    assert (worked(entry).status, entry.reason) == ("accepted", "")
    assert WhatIf.objects.get().key == entry.code


def test_an_entry_that_is_too_late_says_what_it_waited_for(bench: lab.Lab) -> None:
    order = asking(bench, expires_at=timezone.now() - timedelta(seconds=1))
    order = worked(order)
    assert order.status == "expired"
    assert "IBKR's preview, which its terms ask for first, did not come" in order.reason
    assert not WhatIf.objects.exists()


def test_a_session_that_is_gone_is_no_answer(bench: lab.Lab) -> None:
    order = asking(bench)
    bench.gateway.lose(bench.user)
    assert worked(order).status == "accepted"


def test_a_worker_that_died_while_it_asked_is_followed_by_one_that_asks_again(bench: lab.Lab) -> None:
    order = asking(bench)
    row = before_entries.begin(order, timezone.now())
    assert worked(order).status == "accepted"
    assert WhatIf.objects.get().pk == row.pk


def test_the_page_of_the_order_shows_what_was_asked_and_answered(
    client: Client, bench: lab.Lab, team: Team, bob: User
) -> None:
    client.force_login(bob)
    order = asking(bench)
    address = f"/teams/{team.code}/orders/{order.code}/"
    assert "It leaves after IBKR's preview of it" in client.get(address).text
    worked(order)
    text = " ".join(client.get(address).text.split())
    assert "IBKR's preview before it left" in text
    assert "would take it" in text
