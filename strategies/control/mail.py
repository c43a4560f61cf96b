"""E-mail to those who may answer: one a minute at most for each of them, however many plans wait."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from smtplib import SMTPException

from django.conf import settings
from django.db.models import Exists, F, Max, OuterRef, Q
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts import zones
from accounts.entrance import mails
from accounts.entrance.letters import quoted
from accounts.models import Membership
from brokers.domain.sentences import all_of
from brokers.notices.sending import in_turn_of_teams
from strategies.display.approvers import MAY_APPROVE, panels
from strategies.domain.plan.approvers import Panel
from strategies.models import Decision

log = logging.getLogger(__name__)

PAUSE = timedelta(minutes=1)
MOST = 10  # plans that one e-mail spells out
# E-mails of one call, and for how long it begins with more of them: the next call comes after five seconds.
MOST_AT_ONCE, SENDING_SECONDS = 500, 4.0


def tell_approvers(now: datetime) -> int:
    """Write to every approver who was not told of a waiting plan yet; returns how many e-mails went out."""
    told_until = Coalesce(OuterRef("mailed_until"), OuterRef("joined_at"))
    untold = Decision.objects.filter(
        team=OuterRef("team"), status=Decision.Status.PROPOSED, expires_at__gt=now, decided_at__gt=told_until
    )
    due = Membership.objects.filter(
        Exists(untold),
        Q(mailed_at__isnull=True) | Q(mailed_at__lte=now - PAUSE),
        role__in=MAY_APPROVE,
        mail_approvals=True,
        user__is_active=True,
    )
    return in_turn_of_teams(
        due,
        lambda some, server: _tell_these(some, server, now),
        most=MOST_AT_ONCE,
        seconds=SENDING_SECONDS,
        order="joined_at",
    )


def _tell_these(keys: list[int], server: mails.Server, now: datetime) -> int:
    rows = Membership.objects.select_related("team", "user").in_bulk(keys)
    return sum(_tell_or_log(rows[key], server, now) for key in keys if key in rows and not server.is_away)


def _tell_or_log(membership: Membership, server: mails.Server, now: datetime) -> bool:
    """As `_tell`; a mail that cannot be written, whatever its fault, must not keep the others from theirs."""
    try:
        return _tell(membership, server, now)
    except Exception:
        log.exception("The e-mail about waiting plans of team %s could not be written", membership.team_id)
        return False


def _tell(membership: Membership, server: mails.Server, now: datetime) -> bool:
    told_until = membership.mailed_until or membership.joined_at
    waiting = Decision.objects.filter(
        team=membership.team_id, status=Decision.Status.PROPOSED, expires_at__gt=now, decided_at__gt=told_until
    )
    newest = waiting.aggregate(newest=Max("decided_at"))["newest"]
    waiting = waiting.filter(decided_at__lte=newest) if newest else waiting.none()
    joined = ("team", "signal__strategy", "subscription__account__connection")
    rows = waiting.select_related(*joined).prefetch_related("approvals").defer("inputs")
    # Of a flood those that it spells out are read, and the others counted.
    proposals, count = list(rows.order_by(F("expires_at"), "pk")[:MOST]), waiting.count()
    if not proposals:
        return False
    # Written down before it is sent, and by one worker only.
    mine = Membership.objects.filter(pk=membership.pk, mailed_at=membership.mailed_at)
    if not mine.update(mailed_at=now, mailed_until=newest):
        return False
    try:
        mails.compose(_subject(proposals, count), _text(membership, proposals, count), membership.user.email).send()
    except (SMTPException, OSError) as error:
        log.warning("No e-mail about %s waiting plans reached the mail server: %s", count, error)
        server.failed(error)
        # After the pause it is tried again, as long as they wait.
        Membership.objects.filter(pk=membership.pk, mailed_at=now).update(mailed_until=membership.mailed_until)
        return False
    return True


def _subject(proposals: Sequence[Decision], count: int) -> str:
    if count == 1:
        signal = proposals[0].signal
        # A line break in a name would begin a header of its own.
        return quoted(f"Approve? {signal.action.capitalize()} {signal.ticker}, {signal.strategy.name}")
    return f"{count} plans wait for your approval"


def _text(membership: Membership, proposals: Sequence[Decision], count: int) -> str:
    of_decision = panels(proposals)
    reader, zone = membership.user_id, zones.zone_named(membership.user.time_zone)
    lines = [_line(decision, of_decision[decision.pk], reader, zone) for decision in proposals]
    if count > len(proposals):
        lines.append(f"And {count - len(proposals)} more.")
    address = settings.PUBLIC_URL + reverse("approvals", args=[membership.team.code])
    switch = settings.PUBLIC_URL + reverse("team_settings", args=[membership.team.code])
    return "\n\n".join(
        [
            *lines,
            f"Approve, approve less, or decline:\n{address}",
            "A plan that nobody answers in time is not sent.",
            f"You may approve plans of {quoted(membership.team.name)}. Switch these e-mails off here:\n{switch}",
        ]
    )


def _line(decision: Decision, panel: Panel, reader: int, zone: tzinfo) -> str:
    account, until = decision.subscription.account, decision.expires_at
    assert until is not None, "a proposal has an end"
    where = quoted(f"{decision.signal.strategy.name} on {account.account_id} ({account.connection.environment})")
    lines = [f"{where}, until {zones.spelled(until, zone, '%H:%M:%S')}:", quoted(decision.reason)]
    if panel.counting:
        lines.append(f"Approved so far by {all_of(quoted(word.name) for word in panel.counting)}.")
    obstacle = panel.obstacle(reader)
    if sentence := obstacle.sentence if obstacle else panel.what_is_missing():
        lines.append(quoted(sentence))
    return "\n".join(lines)
