"""Which entries leave only after IBKR's preview, as the terms of their subscription say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Team, User
from brokers.domain.orders import AssetClass, Instrument, OrderIntent, OrderType, Release, Role, Side
from brokers.domain.snapshot import Snapshot
from brokers.models import Order
from brokers.tests import rows as broker
from strategies.control import approval
from strategies.domain.plan.estimate import Estimate
from strategies.domain.plan.plan import Plan
from strategies.domain.plan.previewing import asks_first
from strategies.inputs import Inputs
from strategies.tests.control import proposing

AAPL = Instrument(ticker="AAPL", asset_class=AssetClass.STOCK)


def waiting() -> dict[str, bool]:
    return dict(Order.objects.values_list("role", "asks_first"))


@pytest.mark.django_db
@pytest.mark.parametrize(("above", "asks"), [("999.99", True), ("1000", False), (None, False)])
def test_an_entry_worth_more_waits_and_its_legs_do_not(
    team: Team, now: datetime, above: str | None, asks: bool
) -> None:
    terms: dict[str, Any] = {"auto_submit": True, "preview_above": Decimal(above) if above else None}
    made = proposing.decided(proposing.asking(team, now, **terms), now)
    assert made.status == "accepted"
    assert waiting() == {"entry": asks, "stop_loss": False, "take_profit": False}


@pytest.mark.django_db
def test_what_a_person_approved_waits_too(team: Team, alice: User, now: datetime) -> None:
    made = proposing.decided(proposing.asking(team, now, preview_above=Decimal(500)), now)
    approval.approve(made, actor=alice, quantity=Decimal(4), now=now)
    assert waiting()["entry"] is False
    other = proposing.decided(proposing.asking(team, now, name="Other", preview_above=Decimal(500)), now)
    approval.approve(other, actor=alice, now=now)
    assert Order.objects.get(ticket__key=other.code, role="entry").asks_first


@pytest.mark.django_db
def test_a_way_out_of_any_size_never_waits(team: Team, now: datetime) -> None:
    account = proposing.account(team, now)
    broker.position(account, quantity=Decimal(1000), as_of=now)
    strategy = proposing.asking(team, now, of=account, auto_submit=True, preview_above=Decimal(1))
    assert proposing.decided(strategy, now, "exit", None).status == "accepted"
    assert waiting() == {"exit": False}


def order(role: Role = Role.ENTRY, quantity: int = 10, **changes: Any) -> OrderIntent:
    return OrderIntent(
        role=role, instrument=AAPL, side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(quantity), **changes
    )


def seen(team: Team, now: datetime) -> Snapshot:
    made = proposing.decided(proposing.asking(team, now, auto_submit=True), now)
    return Inputs.from_json(made.inputs or {}).snapshot


@pytest.mark.django_db
def test_what_cannot_be_priced_is_asked_about(team: Team, now: datetime) -> None:
    snapshot = seen(team, now)
    plan = Plan(rule="D01", reason="", intents=(order(),), estimates=(Estimate(role=Role.ENTRY),))
    assert asks_first(plan, Decimal(10**9), snapshot)
    priced = replace(plan, estimates=(Estimate(role=Role.ENTRY, price=Decimal(100)),))
    assert not asks_first(priced, Decimal(1000), snapshot)
    abroad = replace(snapshot, contract=replace(snapshot.contract, currency="EUR"), rates={})
    assert asks_first(priced, Decimal(10**9), abroad)
    assert asks_first(priced, Decimal(1000), replace(abroad, rates={"EUR": Decimal("1.01")}))
    assert not asks_first(priced, Decimal(1000), replace(abroad, rates={"EUR": Decimal("0.99")}))


@pytest.mark.django_db
def test_the_entry_of_a_flip_is_asked_about_and_its_exit_is_not(team: Team, now: datetime) -> None:
    snapshot = seen(team, now)
    entry = order(release=Release.AFTER_PARENT_FILLS)
    flip = Plan(
        rule="D06",
        reason="",
        intents=(order(Role.EXIT, 900, then=(entry,)),),
        estimates=tuple(Estimate(role=role, price=Decimal(100)) for role in (Role.EXIT, Role.ENTRY)),
    )
    assert asks_first(flip, Decimal(999), snapshot)
    assert not asks_first(flip, Decimal(1000), snapshot)
