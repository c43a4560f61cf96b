"""An installation of the first version moves over with everything in it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from accounts.audit import checking
from accounts.models import AuditChain, AuditEntry
from strategies.domain.message.message import Message
from strategies.domain.plan.plan import Sides
from strategies.models import Decision, SeenKey, Signal, Strategy, Subscription

pytestmark = pytest.mark.long
FIRST = [(app, "0001_initial") for app in ("accounts", "brokers", "strategies")]
OLDER = "older"
AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def older(django_db_blocker: Any, django_db_setup: None) -> Iterator[BaseDatabaseWrapper]:
    """A database of its own, empty."""
    with django_db_blocker.unblock():
        default = connections["default"]
        name = f"{default.settings_dict['NAME']}_{OLDER}"
        with default.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
            cursor.execute(f'CREATE DATABASE "{name}"')
        connections.databases[OLDER] = {**default.settings_dict, "NAME": name}
        try:
            yield connections[OLDER]
        finally:
            close = connections[OLDER]
            assert isinstance(close, DatabaseWrapper)
            close.close()
            close.close_pool()
            del connections.databases[OLDER]
            del connections[OLDER]
            with default.cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def filled(apps: Any) -> None:
    """One of everything that people had then."""

    def made(app: str, model: str, **values: Any) -> Any:
        return apps.get_model(app, model).objects.using(OLDER).create(**values)

    user = made("accounts", "User", email="dana@example.com")
    team = made("accounts", "Team", name="Dana's team")
    made("accounts", "Membership", team=team, user=user, role="owner")
    connection = made("brokers", "Connection", team=team, name="Paper", username="dana", environment="paper")
    account = made("brokers", "BrokerageAccount", team=team, connection=connection, account_id="DU1")
    strategy = made("strategies", "Strategy", team=team, name="Trend", asset_class="future")
    endpoint = made("strategies", "WebhookEndpoint", team=team, strategy=strategy)
    subscription = made("strategies", "Subscription", team=team, strategy=strategy, account=account, auto_submit=True)
    terms = made(
        "strategies", "TermsVersion", subscription=subscription, number=1, values={"sides": "bullish", "quantity": "2"}
    )
    apps.get_model("strategies", "Subscription").objects.using(OLDER).update(terms=terms, enabled=True)
    reading = {
        "action": "buy",
        "instrument": {"class": "future", "symbol": "ESM2026"},
        "quantity": {"value": "2", "type": "fixed_quantity"},
    }
    signal = made(
        "strategies",
        "Signal",
        team=team,
        endpoint=endpoint,
        strategy=strategy,
        key="body:1",
        body="{}",
        reading=reading,
        received_at=AT,
        dispatched_at=AT,
    )
    ticket = made("brokers", "Ticket", team=team, account=account, connection=connection, key=uuid.uuid4())
    made(
        "brokers",
        "Order",
        team=team,
        ticket=ticket,
        account=account,
        connection=connection,
        reference="hy-1",
        role="entry",
        ticker="ESM2026",
        asset_class="future",
        conid=1,
        side="buy",
        type="market",
        quantity=Decimal(2),
        expires_at=AT,
    )
    made(
        "strategies",
        "Decision",
        team=team,
        signal=signal,
        subscription=subscription,
        terms=terms,
        ticket=ticket,
        status="accepted",
        rule="D01",
        reason="Open long.",
        decided_at=AT,
    )
    made(
        "strategies",
        "SeenKey",
        endpoint=endpoint,
        key="body:1",
        signal_code=signal.code,
        log_code=uuid.uuid4(),
        expires_at=AT + timedelta(days=1),
    )


def test_an_installation_of_the_first_version_moves_over(older: BaseDatabaseWrapper) -> None:
    executor = MigrationExecutor(older)
    executor.migrate(FIRST)
    filled(executor.loader.project_state(FIRST).apps)
    now = MigrationExecutor(older)
    now.migrate(now.loader.graph.leaf_nodes())

    signal = Signal.objects.using(OLDER).get()
    message = Message.from_reading(signal.reading)
    assert (signal.ticker, signal.action, str(message.instrument)) == ("ESM2026", "buy", "ESM2026")
    subscription = Subscription.objects.using(OLDER).select_related("terms").get()
    assert subscription.terms is not None
    terms = subscription.terms.value()
    # What it never heard of has the value that changes nothing.
    assert (terms.sides, terms.auto_submit, terms.windows) == (Sides.BULLISH, True, ())
    assert terms.quantity == 2
    decision = Decision.objects.using(OLDER).select_related("ticket").get()
    assert (decision.status, decision.attempt, decision.expires_at) == ("accepted", 1, None)
    assert decision.ticket is not None
    assert decision.ticket.orders.get().convert_after is None
    assert SeenKey.objects.using(OLDER).get().strategy_id == Strategy.objects.using(OLDER).get().pk


BEFORE_CHAINS = [("accounts", "0007_deleted_people"), ("accounts", "0007_approval_policy")]


class ReadsOlder:
    """Reads and writes the older database."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return OLDER

    db_for_write = db_for_read


def unkeyed(entry: Any) -> str:
    """As entries were hashed before they were signed."""
    words = [str(entry.team_id), str(entry.actor_id), entry.action, entry.subject, entry.before, entry.after]
    content = [*words, entry.at.astimezone(UTC).isoformat(), entry.previous_hash]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def recorded(old: Any) -> None:
    """Two teams and nobody's events, interleaved; in the second team's chain somebody has changed the third entry."""
    entries, teams = old.get_model("accounts", "AuditEntry").objects, old.get_model("accounts", "Team").objects
    user = old.get_model("accounts", "User").objects.using(OLDER).create(email="dana@example.com")
    owners = [teams.using(OLDER).create(name="One"), teams.using(OLDER).create(name="Two"), None]
    last: dict[Any, str] = {}
    for number in range(15):
        team = owners[number % 3]
        values = {"subject": f"thing {number}", "before": {"n": 1.5}, "after": [number, None], "at": AT}
        entry = entries.model(team=team, actor=user, action="thing.changed", previous_hash=last.get(team, ""), **values)
        entry.hash = last[team] = unkeyed(entry)
        entry.save(using=OLDER)
    entries.using(OLDER).filter(subject="thing 7").update(subject="changed")


def test_the_audit_of_before_is_chained_in_its_order_and_goes_back(
    older: BaseDatabaseWrapper, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.migrations.0009_sign_audit_entries.CHUNK", 2)
    executor = MigrationExecutor(older)
    executor.migrate(BEFORE_CHAINS)
    recorded(executor.loader.project_state(BEFORE_CHAINS).apps)
    now = MigrationExecutor(older)
    now.migrate([key for key in now.loader.graph.leaf_nodes() if key[0] == "accounts"])

    settings.DATABASE_ROUTERS = [ReadsOlder()]
    chains = list(AuditChain.objects.order_by("pk"))
    assert [chain.name for chain in chains] == ["This installation", "One", "Two"]
    assert [checking.check(chain) for chain in chains] == [checking.Whole(entries=6)] * 3
    kept = AuditEntry.objects.filter(chain=chains[1], action="thing.changed").order_by("number")
    assert [entry.subject for entry in kept] == [f"thing {number}" for number in range(0, 15, 3)]
    assert {entry.actor_name for entry in kept} == {"dana@example.com"}
    # What did not fit before is written down, and not whitewashed.
    said = AuditEntry.objects.filter(action="record.signed").order_by("chain_id")
    assert [(entry.after or {})["first_that_did_not_fit"] for entry in said] == [None, None, 3]

    back = MigrationExecutor(older)
    back.migrate(BEFORE_CHAINS)
    old = back.loader.project_state(BEFORE_CHAINS).apps.get_model("accounts", "AuditEntry").objects.using(OLDER)
    for team in (1, 2, None):
        previous = ""
        for entry in old.filter(team_id=team).order_by("id"):
            assert (entry.previous_hash, entry.hash) == (previous, unkeyed(entry))
            previous = entry.hash
