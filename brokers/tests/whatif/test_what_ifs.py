"""What-ifs asked at a real gateway: answered with figures or with a reason, never placed, never in an order's way."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Team
from brokers.connections import sessions
from brokers.domain.orders import AssetClass, Instrument, OrderIntent, OrderType, Role, Side
from brokers.domain.whatif.figures import OrderPreview
from brokers.models import Connection, ContractLookup, Order, WhatIf
from brokers.postgres.notices import ORDERS_CHANNEL, notify
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab
from brokers.whatif import asking
from brokers.whatif.asking import WhatIfRefused

pytestmark = pytest.mark.django_db(transaction=True)
PREVIEW = "/iserver/account/*/orders/whatif"


@pytest.fixture
def bench(team: Team, gateway: RunningGateway) -> lab.Lab:
    return lab.make(team, gateway)


def buy(quantity: int = 3, **changes: Any) -> OrderIntent:
    return OrderIntent(
        role=Role.ENTRY,
        instrument=Instrument(ticker="AAPL", asset_class=AssetClass.STOCK),
        side=Side.BUY,
        quantity=Decimal(quantity),
        **{"type": OrderType.MARKET, **changes},
    )


def ask(bench: lab.Lab, *intents: OrderIntent, key: uuid.UUID | None = None) -> int:
    bench.account.refresh_from_db()
    account = bench.account
    account.connection = Connection.objects.get(pk=bench.connection.pk)
    orders = list(enumerate(intents or (buy(),)))
    return asking.ask(account, key or uuid.uuid4(), orders, actor=None, now=timezone.now())


def fault(bench: lab.Lab, preset: str, **changes: Any) -> None:
    bench.gateway.fault(preset=preset, match={"user": bench.user, "path": PREVIEW}, times=None, **changes)


def answered() -> OrderPreview:
    preview = WhatIf.objects.get().preview
    assert preview is not None
    return preview


def refused(bench: lab.Lab) -> WhatIfRefused:
    with pytest.raises(WhatIfRefused) as caught:
        ask(bench)
    return caught.value


def test_ibkr_tells_margin_fee_and_equity_and_places_nothing(bench: lab.Lab) -> None:
    assert ask(bench, buy(3), buy(1, type=OrderType.LIMIT, limit_price=Decimal(150))) == 2
    lab.work()
    market, limit = WhatIf.objects.order_by("position")
    assert (market.status, limit.status) == ("answered", "answered")
    figures = [row.preview for row in (market, limit)]
    for preview in figures:
        assert preview is not None
        assert preview.refusal == ""
        assert preview.initial.before is not None
        assert preview.initial.after is not None
        assert preview.initial.after > preview.initial.before
        assert preview.maintenance.after is not None
        assert preview.commission is not None
        assert preview.commission.currency == "USD"
    assert bench.at_broker() == []
    bodies = [entry["body"] for entry in bench.gateway.journal(bench.user) if "whatif" in entry["path"]]
    assert len(bodies) == 2
    assert all("cOID" not in str(body) for body in bodies)
    assert AuditEntry.objects.filter(action="what_if.asked").count() == 1


def test_an_order_that_the_account_cannot_carry_is_told_as_ibkr_tells_it(bench: lab.Lab) -> None:
    ask(bench, buy(100_000))
    lab.work()
    preview = answered()
    assert preview.short
    assert "EQUITY MUST EXCEED" in preview.refusal


def test_a_warning_is_shown_without_its_number_and_refuses_nothing(bench: lab.Lab) -> None:
    fault(bench, "preview_warns")
    ask(bench)
    lab.work()
    preview = answered()
    assert preview.warning.startswith("You are trying to submit an order without having market data")
    assert preview.refusal == ""
    assert preview.commission is not None
    assert (preview.commission.least, preview.commission.most) == (Decimal("0.35"), Decimal("1.05"))


@pytest.mark.parametrize(
    ("preset", "code", "words"),
    [
        ("preview_of_another_order", "preview-of-another-order", "about another order"),
        ("preview_without_figures", "preview-without-figures", "told no figures"),
        ("preview_not_json", "sign-in-page", "instead of data"),
        ("preview_503", "ibkr-unavailable", "503"),
    ],
)
def test_what_is_no_preview_is_a_reason_in_a_sentence(bench: lab.Lab, preset: str, code: str, words: str) -> None:
    fault(bench, preset)
    ask(bench)
    lab.work()
    row = WhatIf.objects.get()
    assert (row.status, row.reason_code, row.answer) == ("unanswered", code, None)
    assert words in row.reason
    assert row.reason.endswith((".", "!"))


def test_a_gateway_that_hangs_is_waited_for_and_named(bench: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.processes.what_ifs.WHAT_IF_SECONDS", 0.5)
    fault(bench, "preview_timeout")
    ask(bench)
    lab.work()
    row = WhatIf.objects.get()
    assert (row.status, row.reason_code) == ("unanswered", "preview-unanswered")
    assert "Nothing was placed" in row.reason


def test_an_order_that_comes_meanwhile_leaves_first(bench: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.processes.what_ifs.WHAT_IF_SECONDS", 6.0)
    fault(bench, "preview_timeout")
    ask(bench)

    async def story() -> None:
        working = asyncio.create_task(asyncio.to_thread(lab.work))
        await lab.until(lambda: any(each["hits"] for each in bench.gateway.faults()), "IBKR is asked")

        def order() -> bool:
            bench.order(role="exit")
            notify(ORDERS_CHANNEL, str(bench.connection.pk))
            return True

        await asyncio.to_thread(lab.holds, order)
        await lab.until(lambda: Order.objects.filter(acknowledged_at__isnull=False).exists(), "the order is out")
        assert await asyncio.to_thread(lab.asked, lambda: WhatIf.objects.get().status) == "asked"
        await working

    asyncio.run(story())
    assert len(bench.posts()) == 1


def test_who_asks_again_meanwhile_asks_nothing_more(bench: lab.Lab) -> None:
    key = uuid.uuid4()
    assert ask(bench, key=key) == 1
    assert ask(bench, key=key) == 0
    assert WhatIf.objects.count() == 1
    lab.work()
    assert ask(bench, key=key) == 1
    assert WhatIf.objects.count() == 2


def test_a_connection_that_is_off_or_without_a_session_is_not_asked(bench: lab.Lab) -> None:
    sessions.doubted(bench.connection.pk)
    assert refused(bench).code == "no-session"
    Connection.objects.update(session_status="competing", session_reason="Another login has it.")
    refusal = refused(bench)
    assert (refusal.code, str(refusal)) == (
        "no-session",
        "IBKR cannot be asked over this connection now: Another login has it.",
    )
    Connection.objects.update(enabled=False)
    assert refused(bench).code == "connection-off"
    assert not WhatIf.objects.exists()


def test_nobody_signs_in_for_a_what_if(bench: lab.Lab) -> None:
    ask(bench)
    sessions.doubted(bench.connection.pk)
    calls = len(bench.gateway.journal(bench.user))
    lab.work()
    row = WhatIf.objects.get()
    assert (row.status, row.reason_code) == ("unanswered", "no-session")
    assert len(bench.gateway.journal(bench.user)) == calls


def test_a_contract_that_is_gone_is_not_asked_about(bench: lab.Lab) -> None:
    ask(bench)
    ContractLookup.objects.all().delete()
    lab.work()
    assert WhatIf.objects.get().reason_code == "contract-unknown"


def test_what_nobody_answered_in_time_ends(bench: lab.Lab) -> None:
    ask(bench)
    asking.expire(timezone.now())
    assert WhatIf.objects.get().status == "asked"
    asking.expire(timezone.now() + timedelta(seconds=61))
    row = WhatIf.objects.get()
    assert (row.status, row.reason_code) == ("unanswered", "preview-too-late")
