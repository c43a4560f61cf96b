"""One session alive, and its story: what was seen becomes the state, the state becomes a row, an event and a badge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import Q

from brokers import live
from brokers.connections import nights, tokens
from brokers.connections.connections import wake
from brokers.connections.states import session_is
from brokers.domain.brokerage import BrokerError, CertificateRefused, LoginRefused, Paused
from brokers.domain.questions import WAYS_OUT
from brokers.domain.session import clocks
from brokers.domain.session import states as session_states
from brokers.domain.session.states import Seen, State, Step, Terms
from brokers.domain.session.words import WORDS
from brokers.domain.sessions import AuthMethod, AuthStatus, Cause, Environment, Ownership, SessionStatus
from brokers.domain.trials import Outcome, Report
from brokers.models import Connection, SessionEvent
from brokers.postgres.notices import ORDERS_CHANNEL, notify

# Whether these may trade is for the stream process to find out: it reads their accounts first.
_LEFT_TO_THE_STREAM = {
    SessionStatus.REFUSED,
    SessionStatus.PENDING,
    SessionStatus.REVOKED,
    SessionStatus.CERTIFICATE_REFUSED,
}
_READ_FIRST = {"switched-on", "accounts-unread"}
# Locked in order, so that two processes that write many rows never wait for each other.
_KEPT_AS_BEFORE = """
WITH kept AS (
  SELECT c.id, v.at FROM unnest(%s::bigint[], %s::timestamptz[]) AS v (id, at) JOIN brokers_connection c ON c.id = v.id
  WHERE c.enabled AND c.session_status = %s AND c.session_code = 'signed-in'
    AND c.session_reason = %s AND c.session_action = %s
    AND c.session_tries = 0 AND c.session_opens = 0 AND c.next_try_at IS NULL AND c.left_until IS NULL
    AND c.turned_at IS NOT NULL
    -- What is in doubt is to be proved first.
    AND c.last_kept_at IS NOT NULL AND (c.session_seen_at IS NULL OR c.session_seen_at <= v.at)
    -- What was written before the clock was set back is set right.
    AND c.session_changed_at <= v.at AND (c.session_opened_at IS NULL OR c.session_opened_at <= v.at)
    AND v.at >= ALL (coalesce(c.takeovers, '{}'))
  ORDER BY c.id FOR NO KEY UPDATE OF c
)
UPDATE brokers_connection c SET last_kept_at = kept.at, session_seen_at = kept.at FROM kept WHERE c.id = kept.id
RETURNING c.id
"""


def believed_active(connection: Connection, now: datetime) -> bool:
    """True while the last look at the session is recent and said that orders can be sent."""
    if connection.session_status != SessionStatus.ACTIVE or not nights.proved_since(connection, now):
        return False
    return clocks.is_recent(connection.last_kept_at, now, timedelta(seconds=settings.KEEP_SECONDS * 1.5))


def doubted(connection_pk: int) -> None:
    """Something at the broker did not go as it should: before more is sent, the session is looked at."""
    Connection.objects.filter(pk=connection_pk).update(last_kept_at=None)


def loss_heard(connection_pk: int, now: datetime) -> None:
    """The live stream says that the session is lost. Until IBKR was asked nothing leaves, and what it was asked for before
    tells nothing: by the time it answers, somebody else may have signed in."""
    rows = Connection.objects.filter(
        Q(session_seen_at=None) | Q(session_seen_at__lt=now), pk=connection_pk, enabled=True
    )
    rows.update(last_kept_at=None, session_seen_at=now)
    notify(ORDERS_CHANNEL, str(connection_pk))


def is_undoubted(connection_pk: int) -> bool:
    """Whether the session counts as open, and nothing has cast a doubt on it since it was last looked at."""
    active = Connection.objects.filter(pk=connection_pk, session_status=SessionStatus.ACTIVE)
    return active.exclude(last_kept_at=None).exists()


def state_of(connection: Connection, now: datetime) -> State:
    """The state that the connection's row holds, by the clock of now."""
    ownership, minutes = Ownership(connection.ownership), connection.polite_minutes
    written, seen_at = _written_state(connection), connection.session_seen_at
    return clocks.set_right(written, seen_at, now, ownership=ownership, polite_minutes=minutes)


def _written_state(connection: Connection) -> State:
    return State(
        status=SessionStatus(connection.session_status),
        code=connection.session_code,
        since=connection.session_changed_at,
        reason=connection.session_reason,
        action=connection.session_action,
        tries=connection.session_tries,
        next_try_at=connection.next_try_at,
        opens=connection.session_opens,
        opened_at=connection.session_opened_at,
        left_until=connection.left_until,
        taken=tuple(connection.takeovers or ()),
    )


def terms_of(connection: Connection) -> Terms:
    """What was chosen for the connection, and whether a way out waits to leave by it."""
    competing = connection.session_status == SessionStatus.COMPETING
    method = AuthMethod(connection.auth_method)
    return Terms(
        environment=Environment(connection.environment),
        region=nights.region_of(connection),
        resets=nights.resets(),
        ownership=Ownership(connection.ownership),
        polite_minutes=connection.polite_minutes,
        exit_due=competing and exit_is_due(connection.pk),
        by_person=not method.signs,
        by_operator=method is AuthMethod.OPERATOR,
        has_signed=method.signs and tokens.has_signed(connection.pk),
    )


# Statuses as the partial indexes of what waits have them, and bounds that are rows: what else waits is not read, however few
# rows PostgreSQL expects to wait.
_MAY_GO = """(o.release = 'at_once'
         OR EXISTS (SELECT FROM brokers_order p WHERE p.id = o.parent_id AND p.status || '' = 'filled'))"""
_EXIT_IS_DUE = f"""
SELECT EXISTS (
  SELECT FROM (VALUES {", ".join(f"('{role}')" for role in WAYS_OUT)}) AS roles (role)
  CROSS JOIN LATERAL (
    SELECT FROM brokers_order o
    WHERE (o.connection_id, o.role) >= (%s, roles.role) AND (o.connection_id, o.role) <= (%s, roles.role)
      AND o.status BETWEEN 'created' AND 'created' AND NOT o.asks_first AND o.release IN ('at_once', 'after_parent_fills')
      AND {_MAY_GO}
    LIMIT 1
  ) AS due
) OR EXISTS (
  SELECT FROM brokers_order o
  WHERE (o.connection_id, o.ticket_id) >= (%s, 0) AND o.connection_id <= %s AND o.status BETWEEN 'created' AND 'created'
    AND o.asks_first AND o.role IN ({", ".join(f"'{role}'" for role in WAYS_OUT)}) AND {_MAY_GO}
)
"""  # noqa: S608


def exit_is_due(connection_pk: int) -> bool:
    """Whether an exit, a stop or a target waits to leave now."""
    with database.cursor() as cursor:
        cursor.execute(_EXIT_IS_DUE, [connection_pk] * 4)
        return bool(cursor.fetchone()[0])


def may_try(connection: Connection, now: datetime) -> bool:
    """Whether a waiting order may look at the session, and open it: not before the next try is due."""
    state = state_of(connection, now)
    if state.status in _LEFT_TO_THE_STREAM or state.code in _READ_FIRST:
        return False
    if state.can_trade or state.next_try_at is None or now >= state.next_try_at:
        return True
    return (
        state.status is SessionStatus.COMPETING and session_states.step(state, terms_of(connection), now) is Step.TAKE
    )


def may_be_another(connection: Connection, now: datetime) -> bool:
    """Whether somebody else may have signed in since it last could trade: at a gateway, a person signs in by hand, and
    nobody sees it while the session is in doubt or was not looked at."""
    return bool(
        not believed_active(connection, now)
        and connection.environment != Environment.SIMULATED
        and connection.auth_method == AuthMethod.GATEWAY
    )


@transaction.atomic
def seen(
    connection_pk: int, what: Seen, now: datetime, *, cause: Cause = Cause.LOOK, asked_at: datetime | None = None
) -> State:
    """Write down what was seen of a session, as of when it was asked for; the state that is true now is returned.

    What was asked for before something that is written already is late, and changes nothing. Lanes are woken when the
    session has become active.
    """
    connection = Connection.objects.select_for_update().get(pk=connection_pk)
    before = state_of(connection, now)
    # What was asked for and what was seen before the clock was set back tell no order.
    asked_at = min(asked_at or now, now)
    seen_at = None if clocks.is_ahead(connection.session_seen_at, now) else connection.session_seen_at
    if not connection.enabled or (seen_at is not None and asked_at < seen_at):
        # Switched off while we asked: its own sentence stays.
        return before
    state = session_states.judged(what, before, terms_of(connection), now)
    columns: dict[str, object] = {"session_seen_at": asked_at}
    if state.can_trade:
        columns["last_kept_at"] = now
    if list(state.taken) != list(connection.takeovers or ()):
        columns["takeovers"] = list(state.taken)
    if state.can_trade and not before.can_trade and _opens_at_last(connection):
        # What the first test found is over; what it can prove now is asked again.
        columns["trial_asked_at"] = now
    if state.can_trade and not before.can_trade and connection.suppresses_questions:
        # What IBKR was told not to ask ended with its session.
        columns["suppression_wanted_at"] = now
    _write(connection, state, now, cause=cause, evidence=_evidence(what), **columns)
    if state.can_trade and not before.can_trade:
        notify(ORDERS_CHANNEL, str(connection_pk))
    if "trial_asked_at" in columns:
        wake()
    return state


def _opens_at_last(connection: Connection) -> bool:
    """Whether this is the first time that the connection can trade, after a test that found why it could not."""
    last = connection.trial
    if not last or Report.from_json(last).outcome is Outcome.GOOD:
        return False
    return not connection.session_events.filter(status=SessionStatus.ACTIVE).exists()


def stream_heard(connection_pk: int, at: datetime, *, opened: bool = False) -> None:
    """Something came through the live stream at `at`; `opened`: the first since it was opened."""
    values = {"stream_heard_at": at, **({"stream_since": at} if opened else {})}
    Connection.objects.filter(pk=connection_pk).update(**values)


def stream_closed(connection_pk: int) -> None:
    """The live stream is not there any more: what happens from now on is not seen."""
    Connection.objects.filter(pk=connection_pk).exclude(stream_since=None).update(stream_since=None)


def kept_as_before(seen_at: Mapping[int, datetime]) -> set[int]:
    """Write that sessions can trade, each as of the moment it was seen, where that is all that its row would say anew.

    One statement for all. What it leaves out (another state, another sentence, a look that is late) `seen` judges.
    """
    words = WORDS["signed-in"]
    pks = sorted(seen_at)
    with database.cursor() as cursor:
        cursor.execute(
            _KEPT_AS_BEFORE, [pks, [seen_at[pk] for pk in pks], str(SessionStatus.ACTIVE), words.reason, words.action]
        )
        return {pk for (pk,) in cursor.fetchall()}


@transaction.atomic
def stream_ended(connection_pk: int, now: datetime) -> None:
    """Add to the story that the live stream ended while orders could be sent; the state stays what it is."""
    connection = Connection.objects.select_for_update().get(pk=connection_pk)
    if connection.session_status != SessionStatus.ACTIVE:
        return
    SessionEvent.objects.create(
        connection=connection,
        status=connection.session_status,
        code="stream-ended",
        cause=Cause.STREAM,
        reason="The live stream of orders and fills ended. Halyard opens it again and reads what happened in between.",
        at=now,
    )
    live.session_changed(connection)


@transaction.atomic
def next_step(connection_pk: int, now: datetime, *, cause: Cause) -> tuple[Step, bool]:
    """What may be done about the session now, written down before it is done; and whether it may push others out."""
    connection = Connection.objects.select_for_update().get(pk=connection_pk)
    state, terms = state_of(connection, now), terms_of(connection)
    chosen = session_states.step(state, terms, now) if connection.enabled else Step.WAIT
    if chosen is Step.WAIT:
        return chosen, False
    competing = session_states.competes(chosen, state, terms, now)
    opening = session_states.opening(state, chosen, now, competing=competing)
    evidence: dict[str, object] = {"step": str(chosen), "compete": competing, "exit_due": terms.exit_due}
    taken = list(opening.taken)
    _write(connection, opening, now, cause=cause, evidence=evidence, takeovers=taken, session_seen_at=now)
    return chosen, competing


def _write(
    connection: Connection, state: State, now: datetime, *, cause: Cause, evidence: dict[str, object], **columns: object
) -> None:
    session_is(
        connection,
        state.status,
        state.reason,
        now=now,
        code=state.code,
        action=state.action,
        cause=cause,
        evidence=evidence,
        columns={
            "session_changed_at": state.since,
            "session_tries": min(state.tries, 1000),
            "next_try_at": state.next_try_at,
            "session_opens": state.opens,
            "session_opened_at": state.opened_at,
            "left_until": state.left_until,
            **columns,
        },
    )


def _evidence(what: Seen) -> dict[str, object]:
    if isinstance(what, AuthStatus):
        return {
            "authenticated": what.authenticated,
            "connected": what.connected,
            "competing": what.competing,
            "established": what.established,
            "message": what.message,
        }
    evidence: dict[str, object] = {"error": type(what).__name__}
    if isinstance(what, Paused):
        evidence["code"] = what.code
    if isinstance(what, CertificateRefused) and what.seen:
        evidence["certificate_sha256"] = what.seen
    if isinstance(what, LoginRefused) and what.help_page:
        evidence["help_page"] = what.help_page
    return evidence


def other_certificate(connection: Connection) -> str:
    """The fingerprint of what the gateway shows in place of the accepted certificate; "" where it shows that one."""
    if not connection.enabled or connection.session_code != "certificate-changed":
        return ""
    last = connection.session_events.filter(code="certificate-changed").order_by("-pk").first()
    return str(last.evidence.get("certificate_sha256", "")) if last is not None else ""


def kept(connection: Connection, auth: AuthStatus, now: datetime) -> SessionStatus:
    """Write what the broker says of the session."""
    return _onto(connection, seen(connection.pk, auth, now), now)


def failed(connection: Connection, error: BrokerError, now: datetime) -> SessionStatus:
    """Write why the session could not be looked at."""
    return _onto(connection, seen(connection.pk, error, now), now)


def _onto(connection: Connection, state: State, now: datetime) -> SessionStatus:
    connection.session_status, connection.session_reason = state.status, state.reason
    connection.session_code, connection.session_action = state.code, state.action
    if state.can_trade:
        connection.last_kept_at = now
    return state.status
