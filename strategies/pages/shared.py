"""What the pages share: the acting user, the choices of forms, example tickers, rows of lists."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Team
from brokers.domain.sessions import Environment
from brokers.models import AccountGroup, BrokerageAccount
from strategies.domain.message.kinds import form_of
from strategies.domain.message.symbols import Kind
from strategies.models import Strategy, Subscription

LATEST = 8


def offer_rows(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    """Set the rows that a ModelChoiceField offers."""
    _model_choice(form, name).queryset = rows


def offered_rows(form: forms.Form, name: str) -> QuerySet[Any]:
    """The rows that a ModelChoiceField offers."""
    rows = _model_choice(form, name).queryset
    assert rows is not None, f"{name} offers no rows yet"
    return rows


def _model_choice(form: forms.Form, name: str) -> forms.ModelChoiceField[Any]:
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)
    return field


def example_ticker(strategy: Strategy) -> str:
    """A ticker that the strategy accepts."""
    if strategy.allowed_tickers:
        return str(strategy.allowed_tickers[0])
    return form_of(Kind(strategy.asset_class), timezone.now()).split(" or ")[0]


def subscription_rows(team: Team) -> QuerySet[Subscription]:
    """The team's subscriptions with what their lists show."""
    rows = Subscription.objects.filter(team=team).select_related("strategy", "account__connection", "group", "terms")
    return rows.order_by("strategy__name", "account__account_id")


def live_followers(strategy: Strategy) -> QuerySet[Subscription]:
    """The strategy's subscriptions that are on and move real money."""
    return strategy.subscriptions.filter(enabled=True, account__connection__environment=Environment.LIVE)


def trading_accounts(team: Team) -> QuerySet[BrokerageAccount]:
    """The team's accounts under connections that are on, without those of advisors: these carry groups."""
    rows = BrokerageAccount.objects.filter(team=team, connection__enabled=True).select_related("connection")
    return rows.exclude(kind=BrokerageAccount.Kind.ADVISOR).order_by("account_id")


def trading_groups(team: Team) -> QuerySet[AccountGroup]:
    """The groups of the team's advisors that IBKR shows, under connections that are on."""
    rows = AccountGroup.objects.filter(team=team, gone_at=None, connection__enabled=True)
    return rows.select_related("account__connection").order_by("name")
