"""Names for the record: what the codes of strategies, subscriptions, signals and decisions stand for."""

from __future__ import annotations

from collections.abc import Mapping

from strategies.models import Decision, Signal, Strategy, Subscription, WebhookEndpoint


def names(team: int, codes: list[str]) -> Mapping[str, str]:
    """The names of a team's own rows by their codes; a code of another team or of a removed row has none."""
    mine = {"team": team, "code__in": codes}
    by_code = {str(each.code): each.name for each in Strategy.objects.filter(**mine)}
    for subscription in Subscription.objects.filter(**mine).select_related("strategy", "account"):
        by_code[str(subscription.code)] = f"{subscription.strategy.name} on {subscription.account.account_id}"
    for signal in Signal.objects.filter(**mine).select_related("strategy"):
        by_code[str(signal.code)] = _signal(signal)
    joined = ("signal__strategy", "subscription__account")
    for decision in Decision.objects.filter(**mine).select_related(*joined).defer("inputs"):
        by_code[str(decision.code)] = f"{_signal(decision.signal)} on {decision.subscription.account.account_id}"
    for endpoint in WebhookEndpoint.objects.filter(**mine).select_related("strategy"):
        by_code[str(endpoint.code)] = f"webhook of {endpoint.strategy.name}"
    return by_code


def _signal(signal: Signal) -> str:
    return f"{signal.action} {signal.ticker}, {signal.strategy.name}"
