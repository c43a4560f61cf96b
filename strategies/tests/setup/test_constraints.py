"""What Postgres refuses about signals, subscriptions and decisions: doubles, halves, and tenants that meet."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from django.db import models

from accounts import teams
from accounts.models import Team, User
from accounts.tests.refusals import named_constraints, refused_by
from brokers.models import AccountGroup, BrokerageAccount
from brokers.tests import rows as brokers
from strategies.models import (
    Adoption,
    Approval,
    Decision,
    FlattenRule,
    FlattenRun,
    Guard,
    ProfitDay,
    Refusal,
    Repeat,
    SeenKey,
    Signal,
    Strategy,
    Subscription,
    TermsVersion,
    Trade,
    TradePart,
    WebhookEndpoint,
    WebhookMinute,
)
from strategies.tests import rows


class Side(NamedTuple):
    """What one team has."""

    team: Team
    account: BrokerageAccount
    strategy: Strategy
    endpoint: WebhookEndpoint
    subscription: Subscription
    signal: Signal


class Scene(NamedTuple):
    ours: Side
    theirs: Side
    now: datetime


def side(team: Team, now: datetime) -> Side:
    account, strategy = brokers.account(team), rows.strategy(team, now)
    subscription = rows.subscription(strategy, account, now)
    return Side(team, account, strategy, strategy.endpoints.get(), subscription, rows.signal(strategy, now))


@pytest.fixture
def at(team: Team, charlie: User, now: datetime) -> Scene:
    return Scene(side(team, now), side(teams.found_team(owner=charlie, name="Charlie's", now=now), now), now)


def changed(row: models.Model, **values: object) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**values)


def subscription(at: Scene, **values: object) -> Subscription:
    fields = {"team": at.ours.team, "strategy": rows.strategy(at.ours.team, at.now, "B"), "account": at.ours.account}
    return Subscription.objects.create(**{**fields, **values})


def group_of(at: Scene, carrier: BrokerageAccount) -> AccountGroup:
    """A group that this account carries."""
    return AccountGroup.objects.create(
        team=at.ours.team,
        connection=carrier.connection,
        account=carrier,
        name="family",
        method="NetLiq",
        read_at=at.now,
    )


def decision(at: Scene, **values: object) -> Decision:
    fields = {
        "team": at.ours.team,
        "signal": at.ours.signal,
        "subscription": at.ours.subscription,
        "terms": at.ours.subscription.terms,
        **values,
    }
    return Decision.objects.create(**fields)


def approval(at: Scene, **values: object) -> Approval:
    fields = {"team": at.ours.team, "approved_by": User.objects.get(email="alice@example.com"), "approved_at": at.now}
    made = values.pop("decision", None) or decision(at)
    return Approval.objects.create(**{**fields, "decision": made, **values})


def approved_twice(at: Scene) -> Approval:
    first = approval(at)
    return approval(at, decision=first.decision)


def accepted(at: Scene, of: BrokerageAccount) -> Decision:
    return decision(at, status="accepted", decided_at=at.now, ticket=brokers.ticket(of))


def terms(at: Scene) -> TermsVersion:
    return TermsVersion.objects.create(subscription=at.ours.subscription, number=1, values={})


def seen(at: Scene) -> SeenKey:
    codes = {"signal_code": at.ours.signal.code, "log_code": at.ours.signal.log_code}
    return SeenKey.objects.create(strategy=at.ours.strategy, key="same", expires_at=at.now, **codes)


def minute(at: Scene) -> WebhookMinute:
    return WebhookMinute.objects.create(endpoint=at.ours.endpoint, minute=at.now, last_at=at.now)


def refusal(at: Scene, endpoint: WebhookEndpoint) -> Refusal:
    values = {"status": 400, "message_code": "invalid-json", "sentence": "", "received_at": at.now}
    return Refusal.objects.create(team=at.ours.team, endpoint=endpoint, **values)


def adoption(at: Scene, **values: object) -> Adoption:
    fields = {"team": at.ours.team, "ticket": brokers.ticket(at.ours.account), "chosen_at": at.now, **values}
    return Adoption.objects.create(**fields)


def guard(at: Scene, **values: object) -> Guard:
    return Guard.objects.create(**{"team": at.ours.team, "level": "team", **values})


def trade(at: Scene, **values: object) -> Trade:
    """A long trade that is over and made ninety dollars."""
    fields = {
        "team": at.ours.team,
        "account": at.ours.account,
        "owner": "hand",
        "begun_by": "0001",
        "conid": 1,
        "ticker": "AAPL",
        "currency": "USD",
        "home_currency": "USD",
        "side": "buy",
        "status": "closed",
        "opened_at": at.now,
        "closed_at": at.now,
        "entered": 1,
        "exited": 1,
        "left": 0,
        "realized": 91,
        "fees": 1,
        "realized_home": 91,
        "fees_home": 1,
        "profit_home": 90,
        "fills": 2,
    }
    return Trade.objects.create(**{**fields, **values})


def part(at: Scene, of: Trade | None = None, **values: object) -> TradePart:
    fill = brokers.execution(brokers.order(at.ours.account))
    return TradePart.objects.create(
        **{"trade": of or trade(at), "execution": fill, "is_entry": True, "units": 1, **values}
    )


def part_twice(at: Scene) -> None:
    first = part(at)
    part(at, first.trade, execution=first.execution)


def profit_day(at: Scene, **values: object) -> ProfitDay:
    fields = {
        "team": at.ours.team,
        "account": at.ours.account,
        "owner": "hand",
        "day": at.now.date(),
        "conid": 1,
        "ticker": "AAPL",
        "currency": "USD",
        "home_currency": "USD",
        "fees": 1,
        "fills": 1,
    }
    return ProfitDay.objects.create(**{**fields, **values})


def twice(make: Callable[[], object]) -> None:
    make()
    make()


def of_the_clock(model: type[models.Model], scene: Scene, **values: object) -> object:
    guard, _ = Guard.objects.get_or_create(team=scene.ours.team, level="team")
    return model._default_manager.create(guard=guard, **values)


def flatten_rule(scene: Scene, **values: object) -> object:
    return of_the_clock(FlattenRule, scene, **{"minutes_before_close": 5, "days": 31, "set_at": scene.now, **values})


def flatten_run(scene: Scene, **values: object) -> object:
    return of_the_clock(FlattenRun, scene, **{"due_at": scene.now, "at": scene.now, "status": "begun", **values})


BAD: dict[str, Callable[[Scene], object]] = {
    "flatten_rule_is_before_the_close_or_at_a_time": lambda at: flatten_rule(at, zone="UTC"),
    "flatten_rule_has_days_of_the_week": lambda at: flatten_rule(at, days=128),
    "one_flatten_per_guard_and_moment": lambda at: twice(lambda: flatten_run(at)),
    "flatten_status_is_known": lambda at: flatten_run(at, status="odd"),
    "flatten_is_no_earlier_than_due": lambda at: flatten_run(at, at=at.now - timedelta(seconds=1)),
    "missed_flatten_has_done_nothing": lambda at: flatten_run(at, status="missed", closing=1),
    "trade_and_its_account_share_a_team": lambda at: trade(at, account=at.theirs.account),
    "trade_and_its_subscription_share_a_team": lambda at: trade(
        at, owner="subscription", subscription=at.theirs.subscription, strategy=at.ours.strategy
    ),
    "trade_and_its_strategy_share_a_team": lambda at: trade(
        at, owner="subscription", subscription=at.ours.subscription, strategy=at.theirs.strategy
    ),
    "trade_and_its_signal_share_a_team": lambda at: trade(at, signal=at.theirs.signal),
    "one_trade_per_fill_that_begins_it": lambda at: twice(lambda: trade(at)),
    "trade_side_is_known": lambda at: trade(at, side="both"),
    "trade_of_a_subscription_names_it": lambda at: trade(at, owner="subscription"),
    "trade_that_is_over_has_its_end_and_holds_nothing": lambda at: trade(at, left=1),
    "trade_opened_unseen_has_no_profit": lambda at: trade(at, status="unseen", entered=0),
    "trade_profit_is_what_it_realized_less_fees": lambda at: trade(at, profit_home=91),
    "trade_is_made_of_fills": lambda at: trade(at, fills=0),
    "one_part_per_trade_and_fill": part_twice,
    "part_of_a_trade_has_units": lambda at: part(at, units=0),
    "profit_day_and_its_account_share_a_team": lambda at: profit_day(at, account=at.theirs.account),
    "profit_day_and_its_subscription_share_a_team": lambda at: profit_day(
        at, owner="subscription", subscription=at.theirs.subscription, strategy=at.ours.strategy
    ),
    "profit_day_and_its_strategy_share_a_team": lambda at: profit_day(
        at, owner="subscription", subscription=at.ours.subscription, strategy=at.theirs.strategy
    ),
    "one_day_of_profit_per_owner_and_contract": lambda at: twice(lambda: profit_day(at)),
    "day_of_profit_of_a_subscription_names_it": lambda at: profit_day(at, subscription=at.ours.subscription),
    "one_strategy_per_team_and_name": lambda at: Strategy.objects.create(team=at.ours.team, name="Trend"),
    "strategy_asset_class_is_known": lambda at: Strategy.objects.create(team=at.ours.team, name="B", asset_class="art"),
    "endpoint_and_its_strategy_share_a_team": lambda at: WebhookEndpoint.objects.create(
        team=at.ours.team, strategy=at.theirs.strategy
    ),
    "one_subscription_per_strategy_and_account": lambda at: subscription(at, strategy=at.ours.strategy),
    "enabled_subscription_has_terms": lambda at: subscription(at, enabled=True),
    "subscription_and_its_strategy_share_a_team": lambda at: subscription(at, strategy=at.theirs.strategy),
    "subscription_and_its_account_share_a_team": lambda at: subscription(at, account=at.theirs.account),
    "subscription_of_a_group_has_the_account_that_carries_it": lambda at: subscription(
        at, group=group_of(at, brokers.account(at.ours.team))
    ),
    "one_terms_version_per_number": terms,
    "signal_and_its_endpoint_share_a_team": lambda at: changed(at.ours.signal, endpoint=at.theirs.endpoint),
    "signal_and_its_strategy_share_a_team": lambda at: changed(at.ours.signal, strategy=at.theirs.strategy),
    "one_signal_per_strategy_and_key": lambda at: twice(lambda: seen(at)),
    "strategy_takes_some_deliveries": lambda at: changed(at.ours.strategy, per_minute=0),
    "one_meter_per_endpoint_and_minute": lambda at: twice(lambda: minute(at)),
    "repeat_and_its_signal_share_a_team": lambda at: Repeat.objects.create(
        team=at.ours.team, signal=at.theirs.signal, log_code=uuid.uuid4(), received_at=at.now
    ),
    "refusal_and_its_endpoint_share_a_team": lambda at: refusal(at, at.theirs.endpoint),
    "one_decision_per_signal_subscription_and_attempt": lambda at: twice(lambda: decision(at)),
    "accepted_decision_has_a_ticket_and_no_other_has": lambda at: decision(at, status="accepted", decided_at=at.now),
    "decided_decision_has_its_moment": lambda at: decision(at, status="rejected"),
    "decision_and_its_signal_share_a_team": lambda at: decision(at, signal=at.theirs.signal),
    "decision_and_its_subscription_share_a_team": lambda at: decision(at, subscription=at.theirs.subscription),
    "decision_and_its_ticket_share_a_team": lambda at: accepted(at, at.theirs.account),
    "one_approval_per_decision_and_person": approved_twice,
    "approved_quantity_is_positive": lambda at: approval(at, quantity=0),
    "approval_and_its_decision_share_a_team": lambda at: approval(at, team=at.theirs.team),
    "proposed_decision_has_a_plan_and_an_end": lambda at: decision(at, status="proposed", decided_at=at.now, plan={}),
    "adoption_and_its_ticket_share_a_team": lambda at: adoption(at, ticket=brokers.ticket(at.theirs.account)),
    "adoption_and_its_subscription_share_a_team": lambda at: adoption(at, subscription=at.theirs.subscription),
    "one_guard_per_level_and_what_it_guards": lambda at: twice(lambda: guard(at)),
    "guard_guards_what_its_level_says": lambda at: guard(at, level="account"),
    "guard_halt_is_known": lambda at: guard(at, halt="a bit", halt_reason="Why", halted_at=at.now),
    "stopped_trading_has_a_reason_and_a_moment": lambda at: guard(at, halt="entries", halted_at=at.now),
    "lockout_has_a_reason_and_a_moment": lambda at: guard(at, lockout_until=at.now, locked_at=at.now),
    "only_accounts_and_teams_have_a_result_of_the_day": lambda at: guard(
        at, level="strategy", strategy=at.ours.strategy, max_daily_loss=5
    ),
    "guard_and_its_account_share_a_team": lambda at: guard(at, level="account", account=at.theirs.account),
    "guard_and_its_strategy_share_a_team": lambda at: guard(at, level="strategy", strategy=at.theirs.strategy),
    "guard_and_its_subscription_share_a_team": lambda at: guard(
        at, level="subscription", subscription=at.theirs.subscription
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_postgres_refuses(at: Scene, name: str) -> None:
    with refused_by(name):
        BAD[name](at)


def test_every_named_constraint_is_asked_about() -> None:
    assert set(BAD) == named_constraints("strategies")


def test_a_rejected_decision_has_no_ticket(at: Scene) -> None:
    with refused_by("accepted_decision_has_a_ticket_and_no_other_has"):
        decision(at, status="rejected", decided_at=at.now, ticket=brokers.ticket(at.ours.account))


def test_a_pending_decision_has_no_moment(at: Scene) -> None:
    with refused_by("decided_decision_has_its_moment"):
        decision(at, decided_at=at.now)


def test_two_decisions_never_share_a_ticket(at: Scene) -> None:
    first = accepted(at, at.ours.account)
    signal = rows.signal(at.ours.strategy, at.now)
    with refused_by("strategies_decision_ticket_id_key"):
        decision(at, signal=signal, status="accepted", decided_at=at.now, ticket=first.ticket)


def test_a_strategy_with_signals_is_not_deleted(at: Scene) -> None:
    with pytest.raises(models.ProtectedError):
        at.ours.strategy.delete()


def test_teams_may_use_the_same_names(at: Scene) -> None:
    assert at.ours.strategy.name == at.theirs.strategy.name == "Trend"


def test_the_same_signal_is_decided_once_for_each_subscription(at: Scene) -> None:
    another = rows.subscription(at.ours.strategy, brokers.account(at.ours.team), at.now)
    decision(at)
    decision(at, subscription=another, terms=another.terms)
    assert at.ours.signal.decisions.count() == 2


def test_what_was_approved_of_another_plan_is_no_second_approval(at: Scene) -> None:
    first = approval(at, voided_at=at.now)
    approval(at, decision=first.decision)
    assert first.decision.approvals.count() == 2
