"""The rows of trading: strategies, webhooks, signals, subscriptions, guards, decisions."""

from strategies.models.adoptions import Adoption
from strategies.models.decisions import Approval, Decision
from strategies.models.signals import SENT_BY_HAND, Refusal, Repeat, SeenKey, Signal
from strategies.models.strategies import Strategy, WebhookEndpoint, WebhookMinute
from strategies.models.subscriptions import Guard, Subscription, TermsVersion

__all__ = [
    "SENT_BY_HAND",
    "Adoption",
    "Approval",
    "Decision",
    "Guard",
    "Refusal",
    "Repeat",
    "SeenKey",
    "Signal",
    "Strategy",
    "Subscription",
    "TermsVersion",
    "WebhookEndpoint",
    "WebhookMinute",
]
