"""Who is told what: connections are looked at, notices written down, and each is sent once to every owner."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.urls import reverse

from accounts import zones
from accounts.entrance import mails
from accounts.entrance.letters import quoted
from accounts.feed.needs import needs_changed
from accounts.models import Membership, Role, User
from accounts.turns import in_portions, in_turn, one_of_each
from brokers.connections import connections, nights, sessions
from brokers.domain import notices
from brokers.domain.notices import MAY_BE_SILENT, DispatchStatus, Due, NoticeChannel, NoticeKind, Standing
from brokers.domain.sentences import cut
from brokers.domain.sessions import Environment, SessionStatus
from brokers.models import Connection, Dispatch, Lapse, Notice, OrderPrompt, SilencedNotice
from brokers.notices.channels import CHANNELS, NotSent
from brokers.notices.chats import addressing
from brokers.notices.markets import Markets
from brokers.notices.sending import in_turn_of_teams

log = logging.getLogger(__name__)

MOST_TRIES = 5
# After a try that certainly sent nothing; twice as long each time.
PAUSE = timedelta(minutes=1)
# A worker that did not come back from sending for so long has died there.
LONGEST = timedelta(minutes=10)
# A letter that could not leave for so long says nothing of now.
STALE = timedelta(hours=2)
# Letters of one call, and for how long it begins with more of them: the next call comes after thirty seconds.
MOST_AT_ONCE, SENDING_SECONDS = 500, 25.0
# Prompts that one call writes notices about.
MOST_PROMPTS = 100
# So many connections are looked at before the time is asked for, and for so long one look begins with more of them.
AT_ONCE, LOOKING_SECONDS = 50, 5.0
# Without a lapse, their events name an order.
_OF_AN_ORDER = (NoticeKind.PART_REFUSED, NoticeKind.MISSING_STOP)
_TEAM = "notice__connection__team_id"


def look(now: datetime) -> int:
    """Look at enabled connections and write down what their owners are to be told; how many notices are new.

    One of each team in turn; what there is no time for is looked at by a later look, which begins elsewhere.
    """
    rows = Connection.objects.filter(enabled=True, team__closed_at=None).exclude(environment=Environment.SIMULATED)
    markets = Markets(now)
    unsettled = set(Notice.objects.filter(settled_at=None).values_list("connection_id", flat=True))
    looked_at = one_of_each(rows.select_related("team").order_by("pk"), lambda each: each.team_id, now)

    def portion(some: list[Connection]) -> int:
        return sum(_look_or_log(each, markets, now, unsettled=each.pk in unsettled) for each in some)

    return in_portions(looked_at, portion, at_once=AT_ONCE, seconds=LOOKING_SECONDS)


def _look_or_log(connection: Connection, markets: Markets, now: datetime, *, unsettled: bool) -> int:
    try:
        return _look_at(connection, markets, now, unsettled=unsettled)
    except Exception:
        log.exception("Connection %s could not be looked at before its market opens", connection.pk)
        return 0


def _look_at(connection: Connection, markets: Markets, now: datetime, *, unsettled: bool) -> int:
    facts = standing_of(connection, markets, now)
    due = notices.due(facts, now)
    if any(each.kind is NoticeKind.NOT_READY for each in due):
        _bring_forward(connection, now)
    trades_again = unsettled and facts.can_trade and _settle(connection, NoticeKind.NOT_READY, now, tell=True)
    if unsettled and not facts.certificate:
        _settle(connection, NoticeKind.CERTIFICATE_CHANGED, now, tell=facts.can_trade and not trades_again)
    if unsettled and all(each.kind is not NoticeKind.WEEKLY_SIGN_IN for each in due):
        _settle(connection, NoticeKind.WEEKLY_SIGN_IN, now)
    return sum(_written(connection, each, now) for each in due)


def standing_of(connection: Connection, markets: Markets, now: datetime) -> Standing:
    """The connection as the decision sees it. A state that nobody has looked at since the night proves nothing."""
    return Standing(
        can_trade=connection.session_status == SessionStatus.ACTIVE and nights.proved_since(connection, now),
        since=connection.turned_at or connection.created_at,
        by_person=nights.signs_in_by_hand(connection),
        signed_in_at=connection.signed_in_at,
        certificate=sessions.other_certificate(connection),
        hours=markets.hours_of(connection.pk, now),
        week=markets.hours_of(connection.pk, notices.week_turned(now)),
        night=nights.night_of(connection, now),
        back_at=nights.back_at(connection, now),
    )


def _bring_forward(connection: Connection, now: datetime) -> None:
    """Before its market opens a connection is looked at anew, however seldom it was looked at through the night."""
    if Connection.objects.filter(pk=connection.pk, next_try_at__gt=now + PAUSE).update(next_try_at=now):
        connections.wake()


def _written(connection: Connection, due: Due, now: datetime) -> bool:
    """Write a notice down, with a dispatch for every owner; False when it was there already."""
    if Notice.objects.filter(connection=connection, event=due.event).exists():
        return False
    why = f"{connection.session_reason} {connection.session_action}".strip()
    try:
        with transaction.atomic():
            notice = Notice.objects.create(
                connection=connection, kind=due.kind, event=due.event, why=why, opens_at=due.opens_at, created_at=now
            )
            Notice.objects.filter(connection=connection, kind=due.kind, settled_at=None).exclude(pk=notice.pk).update(
                settled_at=now
            )
            address(notice, now)
            needs_changed(connection.team_id)
    except IntegrityError:
        # Another worker has written it at this very moment.
        return False
    return True


@transaction.atomic
def tell_of_lapse(lapse: Lapse, now: datetime) -> None:
    """Write a notice down about a stop that is missing, and what became of it; each is told once."""
    connection = lapse.account.connection
    matter = f"{lapse.ticker} in {lapse.account.account_id}."
    why = " ".join((matter, cut(lapse.happened, 220), cut(lapse.did, 180), cut(lapse.can_do, 150)))
    notice, is_new = Notice.objects.get_or_create(
        connection=connection,
        event=f"{NoticeKind.MISSING_STOP}:{lapse.pk}:{lapse.verdict}:{lapse.sent}",
        defaults={
            "kind": NoticeKind.MISSING_STOP,
            "why": cut(why, 620),
            "lapse": lapse,
            "opens_at": now,
            "created_at": now,
        },
    )
    if is_new:
        address(notice, now)


def tell_of_prompts(now: datetime) -> int:
    """Write notices down about prompts of IBKR's that were left to a person; each is told once. How many are new."""
    left = OrderPrompt.objects.filter(verdict=OrderPrompt.Verdict.LEFT, seen_at__gt=now - STALE, notice=None)
    keys = in_turn(left, MOST_PROMPTS, team="connection__team_id", order="seen_at")
    rows = left.select_related("order__account", "connection").in_bulk(keys)
    return sum(_tell_of_prompt(rows[key], now) for key in keys if key in rows)


@transaction.atomic
def _tell_of_prompt(prompt: OrderPrompt, now: datetime) -> bool:
    assert prompt.order is not None, "a prompt that was judged has its order"
    order, asked = prompt.order, cut(prompt.text.rstrip("."), 300)
    options = ", ".join(f"“{cut(each, 40)}”" for each in prompt.options[:5])
    why = f"IBKR asks “{asked}” about the order for {order.ticker} in {order.account.account_id}."
    why = f"{why} Its options: {options}." if options else why
    notice, is_new = Notice.objects.get_or_create(
        prompt=prompt,
        defaults={
            "connection": prompt.connection,
            "event": f"{NoticeKind.PROMPT_LEFT}:{prompt.pk}",
            "kind": NoticeKind.PROMPT_LEFT,
            "why": cut(f"{why} Answer it in TWS: the order may wait for it.", 620),
            "opens_at": now,
            "created_at": now,
            # It is told once, and nothing here says when somebody has answered.
            "settled_at": now,
        },
    )
    if is_new:
        address(notice, now)
    return is_new


@transaction.atomic
def tell_once(connection: Connection, kind: NoticeKind, about: object, why: str, now: datetime, **rows: Any) -> bool:
    """Write a notice down and say whom it is for; whether it is new. `about`: what its page is found by, told once of each kind.

    It is settled at once: nothing says when somebody has looked. `rows`: what else it is about, by the column's name.
    """
    notice, is_new = Notice.objects.get_or_create(
        connection=connection,
        event=f"{kind}:{about}",
        defaults={
            "kind": kind,
            "why": cut(why, 620),
            "opens_at": now,
            "created_at": now,
            "settled_at": now,
            **rows,
        },
    )
    if is_new:
        address(notice, now)
    return is_new


def settle_lapse(lapse: Lapse, now: datetime) -> None:
    """The stop is there again, or nothing needs it any more."""
    Notice.objects.filter(lapse=lapse, settled_at=None).update(settled_at=now)


def address(notice: Notice, now: datetime) -> None:
    """A dispatch for every owner by every channel, but for what somebody switched off."""
    owners = Membership.objects.filter(
        team=notice.connection.team_id, role=Role.OWNER, user__is_active=True, user__deleted_at=None
    ).select_related("user")
    silent = set(
        SilencedNotice.objects.filter(membership__in=owners, kind=notice.kind).values_list("membership_id", flat=True)
    )
    for owner in owners:
        if owner.pk in silent and notice.kind in MAY_BE_SILENT:
            continue
        for name, channel in CHANNELS.items():
            known = bool(channel.address_of(owner.user))
            status = DispatchStatus.WAITING if known else DispatchStatus.NO_ADDRESS
            Dispatch.objects.create(notice=notice, user=owner.user, channel=name, status=status, due_at=now)
    addressing.address(notice, now)


def _settle(connection: Connection, kind: NoticeKind, now: datetime, *, tell: bool = False) -> bool:
    """End what is no matter any more; where somebody was told of it, `tell` them of its end as well: whether that is so."""
    unsettled = Notice.objects.filter(connection=connection, kind=kind, settled_at=None)
    last = unsettled.order_by("-pk").first()
    if last is None:
        return False
    unsettled.update(settled_at=now)
    needs_changed(connection.team_id)
    if tell and last.dispatches.filter(status=DispatchStatus.SENT).exists():
        event = f"{NoticeKind.READY_AGAIN}:{last.pk}"
        _written(connection, Due(NoticeKind.READY_AGAIN, event, last.opens_at), now)
        Notice.objects.filter(connection=connection, event=event).update(settled_at=now)
        return True
    return False


# Sending -------------------------------------------------------------------------------------------------------------


def send(now: datetime) -> int:
    """Send what waits, one of each team in turn; returns how many went out.

    Each team has one sent, however slow the mail server is; what is left when the time is over is sent by the next call.
    """
    _give_up_lost(now)
    waiting = Dispatch.objects.filter(status=DispatchStatus.WAITING, due_at__lte=now)
    return in_turn_of_teams(
        waiting,
        lambda some, server: _send_these(some, server, now),
        most=MOST_AT_ONCE,
        seconds=SENDING_SECONDS,
        team=_TEAM,
    )


def _send_these(keys: list[int], server: mails.Server, now: datetime) -> int:
    rows = Dispatch.objects.select_related("notice__connection__team", "user").in_bulk(keys)
    return sum(_send_or_log(rows[key], server, now) for key in keys if key in rows and not server.is_away)


def _give_up_lost(now: datetime) -> None:
    """A letter whose sender died on the way may have arrived: it is not sent again."""
    lost = Dispatch.objects.filter(status=DispatchStatus.SENDING, sent_at__lte=now - LONGEST)
    lost.update(status=DispatchStatus.LOST, error="Its sender ended before the mail server had answered.")


def _send_or_log(dispatch: Dispatch, server: mails.Server, now: datetime) -> bool:
    try:
        return _send(dispatch, server, now)
    except Exception as error:
        server.failed(error)
        # Whether it went out nobody knows, so it is not tried again; the next one must not wait for it.
        log.exception("Notice %s may not have reached its reader", dispatch.notice_id)
        _ended(dispatch, DispatchStatus.LOST, "The mail server's answer is not known.")
        return False


def _send(dispatch: Dispatch, server: mails.Server, now: datetime) -> bool:
    notice, channel = dispatch.notice, CHANNELS[NoticeChannel(dispatch.channel)]
    if notice.connection.team.closed_at is not None or now - notice.created_at > STALE:
        return _ended(dispatch, DispatchStatus.FAILED, "It came too late to be of use.")
    address = channel.address_of(dispatch.user)
    if not address:
        return _ended(dispatch, DispatchStatus.NO_ADDRESS, "The address is not confirmed.")
    subject, text = letter(notice, dispatch, now)
    # Written down before it is sent, and by one worker only.
    mine = Dispatch.objects.filter(pk=dispatch.pk, status=DispatchStatus.WAITING)
    if not mine.update(status=DispatchStatus.SENDING, sent_at=now, tries=F("tries") + 1):
        return False
    try:
        channel.send(address, subject, text)
    except NotSent as error:
        log.warning("Notice %s did not reach the mail server: %s", notice.pk, error)
        server.failed(error)
        if dispatch.tries + 1 >= MOST_TRIES:
            return _ended(dispatch, DispatchStatus.FAILED, f"The mail server took it not once: {error}.")
        later = now + PAUSE * 2**dispatch.tries
        Dispatch.objects.filter(pk=dispatch.pk).update(status=DispatchStatus.WAITING, sent_at=None, due_at=later)
        return False
    Dispatch.objects.filter(pk=dispatch.pk).update(status=DispatchStatus.SENT, error="")
    return True


def _ended(dispatch: Dispatch, status: DispatchStatus, error: str) -> bool:
    Dispatch.objects.filter(pk=dispatch.pk).update(status=status, error=error)
    return False


def letter(notice: Notice, dispatch: Dispatch, now: datetime) -> tuple[str, str]:
    """The subject and the text of a notice for its reader, in the reader's time zone."""
    words, (page, name) = in_words(notice, dispatch.user, now), _page_of(notice)
    team = notice.connection.team
    silence = settings.PUBLIC_URL + reverse("notices", args=[team.code])
    lines = [*words.sentences, f"See the {name}:\n{settings.PUBLIC_URL}{page}"]
    lines.append(f"You own {quoted(team.name)}. Choose which notices you get here:\n{silence}")
    return words.subject, "\n\n".join(lines)


def in_words(notice: Notice, reader: User, now: datetime) -> notices.Letter:
    """What a notice says, in its reader's time zone."""
    zone = zones.zone_named(reader.time_zone)
    return notices.in_words(
        NoticeKind(notice.kind),
        quoted(notice.connection.name),
        why=quoted(notice.why),
        opens=zones.spelled(notice.opens_at, zone),
        has_opened=notice.opens_at <= now,
    )


def page_of(notice: Notice) -> str:
    """The whole address of the page that a notice is about."""
    return f"{settings.PUBLIC_URL}{_page_of(notice)[0]}"


def _page_of(notice: Notice) -> tuple[str, str]:
    """The page that a notice is about, and what stands on it."""
    team = notice.connection.team.code
    if notice.prompt is not None and notice.prompt.order is not None:
        return reverse("order", args=[team, notice.prompt.order.code]), "order"
    kept = notice.refused or notice.modification
    if kept is not None:
        return reverse("order", args=[team, kept.order.code]), "order"
    if notice.lapse is None and notice.kind in _OF_AN_ORDER and (code := notice.event.partition(":")[2]):
        return reverse("order", args=[team, code]), "order"
    if notice.lapse is None:
        return reverse("connection", args=[team, notice.connection.code]), "connection"
    order = notice.lapse.stop or notice.lapse.entry
    if order is None:
        return reverse("positions", args=[team]), "position"
    return reverse("order", args=[team, order.code]), "order"


def silenced(membership: Membership) -> set[str]:
    """The kinds of notice that a member switched off."""
    return set(membership.silenced_notices.values_list("kind", flat=True))


def choose(membership: Membership, kinds: Iterable[NoticeKind]) -> None:
    """Keep the kinds of notice that a member wants, of those that may be switched off."""
    chosen = set(kinds)
    for kind in MAY_BE_SILENT:
        if kind in chosen:
            SilencedNotice.objects.filter(membership=membership, kind=kind).delete()
        else:
            SilencedNotice.objects.get_or_create(membership=membership, kind=kind)
