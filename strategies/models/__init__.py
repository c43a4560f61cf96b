"""The rows of trading: strategies, webhooks, signals, subscriptions, guards, decisions, trades."""

from strategies.models.adoptions import Adoption
from strategies.models.clockwork import FlattenRule, FlattenRun
from strategies.models.decisions import Approval, Decision
from strategies.models.signals import SENT_BY_HAND, Refusal, Repeat, SeenKey, Signal
from strategies.models.strategies import Strategy, WebhookEndpoint, WebhookMinute
from strategies.models.subscriptions import Guard, Subscription, TermsVersion
from strategies.models.trades import Owner, ProfitDay, Trade, TradePart

__all__ = [
    "SENT_BY_HAND",
    "Adoption",
    "Approval",
    "Decision",
    "FlattenRule",
    "FlattenRun",
    "Guard",
    "Owner",
    "ProfitDay",
    "Refusal",
    "Repeat",
    "SeenKey",
    "Signal",
    "Strategy",
    "Subscription",
    "TermsVersion",
    "Trade",
    "TradePart",
    "WebhookEndpoint",
    "WebhookMinute",
]
