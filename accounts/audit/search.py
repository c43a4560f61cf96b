"""Finds entries of one chain: by actor, action, subject and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, Q, QuerySet

from accounts.models import AuditEntry, Team, User

# No index finds words within entries, so a file looks for them among so many at a time, whose numbers have no gaps; and it
# reads so many at once.
LOOKED_THROUGH = 2_000
CHUNK = 500

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
    "group.": "An advisor's groups",
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
    return found(whole_of_team(team), search)


def whole_of_team(team: Team) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(chain__team=team)


def whole_of_person(person: User) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(chain__person=person)


def found(chain: QuerySet[AuditEntry], search: Search) -> QuerySet[AuditEntry]:
    """Of all entries of a chain those that are searched for, newest first."""
    return chain.filter(search.condition()).order_by("-number")


def all_found(chain: QuerySet[AuditEntry], search: Search) -> Iterator[AuditEntry | None]:
    """What `found` finds, read in portions of LOOKED_THROUGH entries of the chain at most; None where one is over.

    Entries that are appended meanwhile are left out. No statement looks at more, and none is open while the file is sent.
    """
    ends = chain.aggregate(first=Min("number"), last=Max("number"))
    for until in range(ends["last"] or 0, (ends["first"] or 1) - 1, -LOOKED_THROUGH):
        portion = chain.filter(number__gt=until - LOOKED_THROUGH, number__lte=until)
        keys = list(found(portion, search).values_list("pk", flat=True))
        for first in range(0, len(keys), CHUNK):
            yield from AuditEntry.objects.filter(pk__in=keys[first : first + CHUNK]).order_by("-number")
        yield None
