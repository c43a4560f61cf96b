"""Finds entries of one chain: by actor, action, subject and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import AuditEntry, Team, User

# The first words of actions, as people know them.
KINDS = {
    "guard.": "Stops, resumes and limits",
    "member.": "Members' sign-ins and second factors",
    "team.": "Members, invitations and the team",
    "token.": "API tokens",
    "webhook.": "Webhooks and their secrets",
    "strategy.": "Strategies",
    "subscription.": "Subscriptions and terms",
    "connection.": "Connections",
    "decision.": "Approvals",
    "order.": "Orders",
    "position.": "Positions",
    "foreign_order.": "Orders placed elsewhere",
    "unclaimed_order.": "Filled orders in no row",
    "question.": "Answers to IBKR's questions",
    "what_if.": "Previews asked of IBKR",
    "signal.": "Signals sent by hand",
    "stress.": "Stress of the simulated market",
    "key": "Keys for signing in to IBKR",
    "departure.": "What members who left had set up",
    "record.": "The record itself",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What an entry has to be; empty parts allow all."""

    actor: str = ""
    kind: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def condition(self) -> Q:
        """The condition of the parts that say something."""
        parts = {
            "actor_name__icontains": self.actor,
            "action__startswith": self.kind,
            "subject__icontains": self.subject,
            "at__gte": self.since,
            "at__lt": self.until,
        }
        return Q(**{name: value for name, value in parts.items() if value})

    @property
    def narrows(self) -> bool:
        return bool(self.condition())


def of_team(team: Team, search: Search) -> QuerySet[AuditEntry]:
    """The entries of the team's chain."""
    return AuditEntry.objects.filter(search.condition(), chain__team=team).order_by("-number")


def of_person(person: User, search: Search) -> QuerySet[AuditEntry]:
    """The entries of the person's own chain."""
    return AuditEntry.objects.filter(search.condition(), chain__person=person).order_by("-number")
