"""The accounts that IBKR shows under a connection's user: whose they are, kept, and believed for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from brokers import live
from brokers.connections import states
from brokers.domain.brokerage import AccountFacts
from brokers.domain.session.words import WORDS
from brokers.domain.sessions import Cause, Environment, SessionStatus
from brokers.models import BrokerageAccount, Connection

# Permissions change in Client Portal; the accounts are read again when a session of a new day begins.
BELIEVED_FOR = timedelta(hours=20)
ACCOUNT_NOT_SHOWN = "account-not-shown"
USERNAME_TAKEN = (
    "This IBKR user is already connected. IBKR allows one session per user: give this connection a user of its own."
)


@transaction.atomic
def save_accounts(*, connection: Connection, facts: Sequence[AccountFacts], now: datetime) -> list[BrokerageAccount]:
    """Keep the accounts the broker shows under this user. An account that has gone stays, with its history."""
    if any(fact.is_paper is (connection.environment == Environment.LIVE) for fact in facts):
        wrong = "paper" if connection.environment == Environment.LIVE else "live"
        states.session_is(
            connection,
            SessionStatus.REFUSED,
            f"This user's account is a {wrong} account, and the connection is marked {connection.environment}. "
            f"Make a {wrong} connection for it.",
            now=now,
            code=f"user-is-{wrong}",
            cause=Cause.LOOK,
        )
        return []
    if connection.environment == Environment.LIVE and not connection.live_account:
        words = WORDS["consent-missing"]
        states.session_is(
            connection,
            SessionStatus.REFUSED,
            words.reason,
            now=now,
            code="consent-missing",
            action=words.action,
            cause=Cause.LOOK,
        )
        return []
    shown = [fact.account_id for fact in facts]
    if connection.live_account and facts and connection.live_account not in shown:
        states.session_is(
            connection,
            SessionStatus.REFUSED,
            f"IBKR shows {_listed(shown)} under this user, and real money was switched on for {connection.live_account}. "
            "Type the number of its account on the connection's page, or sign in with the user of that one.",
            now=now,
            code=ACCOUNT_NOT_SHOWN,
            cause=Cause.LOOK,
        )
        return []
    if facts and _is_another_user(connection, shown):
        words = WORDS["another-user"]
        states.session_is(
            connection,
            SessionStatus.REFUSED,
            words.reason,
            now=now,
            code="another-user",
            action=words.action,
            cause=Cause.LOOK,
            evidence={"shown": list(shown[:10])},
        )
        return []
    if facts and not _is_proved(connection, now):
        states.session_is(
            connection, SessionStatus.REFUSED, USERNAME_TAKEN, now=now, code="username-taken", cause=Cause.LOOK
        )
        return []
    accounts = []
    for fact in facts:
        account, new = BrokerageAccount.objects.update_or_create(
            connection=connection,
            account_id=fact.account_id,
            defaults={
                "team_id": connection.team_id,
                "title": fact.title,
                "kind": BrokerageAccount.Kind.ADVISOR if fact.is_advisor else BrokerageAccount.Kind.INDIVIDUAL,
                "currency": fact.currency,
                "is_paper": fact.is_paper,
                "is_lite": fact.capabilities.lite,
                "clearing": fact.capabilities.clearing,
                "client_trades": fact.capabilities.client_trades,
                "asset_types": fact.capabilities.asset_types,
                "capabilities_as_of": now,
            },
        )
        accounts.append(account)
        if new:
            live.account_changed(account)
    Connection.objects.filter(pk=connection.pk).update(wants_verify=False)
    return accounts


def _is_another_user(connection: Connection, shown: Sequence[str]) -> bool:
    """Whether none of the accounts that IBKR showed under this user is shown any more: a gateway signs in whom it is told
    to. The simulated one knows its user by the address."""
    if connection.environment == Environment.SIMULATED or connection.proved_at is None:
        return False
    known = connection.accounts.exclude(capabilities_as_of=None)
    return known.exists() and not known.filter(account_id__in=shown).exists()


def _listed(numbers: Sequence[str]) -> str:
    """Some account numbers, as many as a sentence takes."""
    more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
    return ", ".join(number[:20] for number in numbers[:3]) + more


def _is_proved(connection: Connection, now: datetime) -> bool:
    """Whether this user is this connection's: the team's first one under which the broker shows accounts has it.

    A name that was merely typed keeps nobody from connecting their own user, and neither does another team's gateway.
    """
    if connection.proved_at is not None:
        return True
    try:
        with transaction.atomic():
            Connection.objects.filter(pk=connection.pk).update(proved_at=now)
    except IntegrityError:
        return False
    connection.proved_at = now
    return True


def are_known(connection: Connection, accounts: Sequence[BrokerageAccount], now: datetime) -> bool:
    """Whether the broker's last word on these accounts and their permissions may still be believed."""
    return (
        bool(accounts)
        and not connection.wants_verify
        and all(
            account.capabilities_as_of is not None and now - account.capabilities_as_of < BELIEVED_FOR
            for account in accounts
        )
    )
