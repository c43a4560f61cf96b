"""What lines about the broker have in common."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.urls import reverse

from accounts.models import Team
from brokers.domain.questions import WAYS_OUT as _ROLES

# What failed longer ago was dealt with, or it is no emergency any more.
REMEMBERED = timedelta(days=1)
# Of a kind, so many lines are shown.
MOST = 5
WAYS_OUT = [str(role) for role in _ROLES]
# What lines say of the account that something is in.
IN_ACCOUNT = {"ticker": F("ticker"), "account": F("account__account_id"), "account_code": F("account__code")}


def of_account(team: Team, code: str) -> str:
    """The page of an account."""
    return reverse("account", args=[team.code, code])


def of_order(team: Team, code: str) -> str:
    """The page of an order."""
    return reverse("order", args=[team.code, code])
