"""Real money: what a person has shown for it, and where a team can move it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from allauth.account.models import EmailAddress

from accounts.entrance.second_factors import has_second_factor
from accounts.models import Team, User
from brokers.domain.live_money import NO_CONSENT, Consent
from brokers.domain.sessions import Environment
from brokers.models import Connection


def consent_of(actor: User | None, *, confirmed: bool = False, typed: Sequence[str] = ()) -> Consent:
    """`confirmed`: the person has just confirmed who they are; `typed`: the account numbers of the form."""
    if actor is None:
        return NO_CONSENT
    return Consent(
        email_verified=EmailAddress.objects.filter(user=actor, email__iexact=actor.email, verified=True).exists(),
        second_factor=has_second_factor(actor),
        confirmed=confirmed,
        typed=tuple(typed),
    )


@dataclass(slots=True, kw_only=True)
class Reach:
    """A connection to real money, with the numbers of its accounts."""

    name: str
    numbers: list[str] = field(default_factory=list)


def reach_of(team: Team) -> list[Reach]:
    """The team's enabled connections to real money; the number that was typed, until IBKR has shown the accounts."""
    rows = Connection.objects.filter(team=team, environment=Environment.LIVE, enabled=True).order_by(
        "pk", "accounts__account_id"
    )
    reach: dict[int, Reach] = {}
    for pk, name, typed, number in rows.values_list("pk", "name", "live_account", "accounts__account_id"):
        numbers = reach.setdefault(pk, Reach(name=name)).numbers
        if number or typed:
            numbers.append(number or typed)
    return list(reach.values())
