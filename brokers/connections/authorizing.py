"""The operator's program let in by a user: to IBKR's page and back, in one browser, once, and within ten minutes."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Team, User
from accounts.vault.fields import Sealed
from brokers import ibkr
from brokers.connections import connections, signing
from brokers.connections.connections import ConnectionRefused
from brokers.connections.reach import reach
from brokers.domain.brokerage import BrokerError, BrokerUnavailable
from brokers.domain.live_money import Consent
from brokers.domain.sessions import AuthMethod, Environment, Login, Region
from brokers.ibkr.auth import keys
from brokers.ibkr.auth.access import Access, Door, page_of
from brokers.ibkr.client import Client
from brokers.models import Authorization, Connection

T = TypeVar("T")

# IBKR's request tokens live as long.
LIFE = timedelta(minutes=10)
KEPT = timedelta(days=1)
MOST_OF_A_PERSON = 20
AGAIN = "Start again from the connections page."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was filled in for a new connection; of one that is let in again nothing is asked."""

    name: str = ""
    username: str = ""
    environment: str = ""
    region: str = ""
    account_number: str = ""


def is_offered() -> bool:
    """Whether this installation has a consumer of its own."""
    return bool(settings.IBKR_CONSUMER)


def is_for_paper_only() -> bool:
    """IBKR's test consumer serves paper accounts."""
    return bool(settings.IBKR_CONSUMER.get(keys.CONSUMER_KEY) == keys.TEST_CONSUMER)


def begin(
    *,
    team: Team,
    user: User,
    callback: str,
    wishes: Wishes,
    connection: Connection | None = None,
    now: datetime,
) -> tuple[Authorization, str]:
    """Ask IBKR for a way to its page. Returns it with the secret that this browser's session keeps.

    Raises ConnectionRefused before or after IBKR is asked.
    """
    if not is_offered():
        raise ConnectionRefused("This installation has no consumer key at IBKR. Use another way in.", "no-consumer-key")
    if wishes.environment == Environment.LIVE and is_for_paper_only():
        raise ConnectionRefused("IBKR's test consumer serves paper accounts only. Choose paper.", "paper-only")
    if wishes.environment:
        connections.refuse_live_money_of_a_demo(team, wishes.environment)
    Authorization.objects.filter(expires_at__lt=now - KEPT).delete()
    if Authorization.objects.filter(user=user, asked_at__gt=now - LIFE).count() >= MOST_OF_A_PERSON:
        raise ConnectionRefused("You were sent to IBKR very often. Wait ten minutes, then try again.", "too-many-calls")
    token = _asked(lambda door: door.request_token(callback))
    secret = secrets.token_urlsafe(32)
    made = Authorization.objects.create(
        team=team,
        user=user,
        connection=connection,
        request_token=token,
        browser_sha256=_hash(secret),
        wishes=asdict(wishes),
        asked_at=now,
        expires_at=now + LIFE,
    )
    return made, secret


def page(authorization: Authorization) -> str:
    """IBKR's page, where the user signs in and allows it."""
    return page_of(settings.IBKR_AUTHORIZE_URL, authorization.request_token)


def returned(*, user: User, request_token: str, kept: Mapping[str, str]) -> Authorization:
    """The way that this browser came back on. `kept`: what its session holds, by the code of the way.

    Raises ConnectionRefused where the way is unknown, or is another person's or another browser's.
    """
    row = Authorization.objects.select_related("team", "connection").filter(request_token=request_token).first()
    secret = kept.get(str(row.code), "") if row else ""
    if row is None or row.user_id != user.pk or not secrets.compare_digest(_hash(secret), row.browser_sha256):
        raise ConnectionRefused(
            f"This browser did not ask for what IBKR answers here, so nothing was connected. {AGAIN}", "sign-in-unknown"
        )
    return row


def finish(
    *, authorization: Authorization, verifier: str, problem: str, consent: Consent, actor: User, now: datetime
) -> Connection:
    """Turn what the browser brought into a connection, once. Raises ConnectionRefused; the way says why ever after."""
    mine = Authorization.objects.filter(pk=authorization.pk, used_at=None)
    if not mine.update(used_at=now):
        raise ConnectionRefused(f"This answer of IBKR's was used already. {AGAIN}", "sign-in-used")
    try:
        if now >= authorization.expires_at:
            raise ConnectionRefused(
                f"More than ten minutes have passed since you left for IBKR. {AGAIN}", "sign-in-over"
            )
        if problem or not verifier:
            raise ConnectionRefused(
                f"It was not allowed on IBKR's page, so nothing was connected. {AGAIN}", "sign-in-denied"
            )
        access = _asked(lambda door: door.access(authorization.request_token, verifier))
        return _connected(authorization, access, consent, actor, now)
    except ConnectionRefused as refusal:
        columns = {"problem": str(refusal)[:300], "problem_code": refusal.code[:40]}
        Authorization.objects.filter(pk=authorization.pk).update(**columns)
        raise


def _connected(
    authorization: Authorization, access: Access, consent: Consent, actor: User, now: datetime
) -> Connection:
    wishes, again = Wishes(**authorization.wishes), authorization.connection
    environment = Environment(again.environment if again else wishes.environment)
    if access.is_paper is not None and access.is_paper is (environment is Environment.LIVE):
        shown = "paper" if access.is_paper else "live"
        raise ConnectionRefused(
            f"You signed in at IBKR with a {shown} user, and this connection is for {environment} money. Start again with "
            f"the other user, or choose {shown}.",
            f"user-is-{shown}",
        )
    granted = Sealed.of({keys.ACCESS_TOKEN: access.token, keys.TOKEN_SECRET: access.sealed_secret})
    if again is not None:
        return _let_in_again(again, granted, actor, now)
    return connections.connect(
        team=authorization.team,
        actor=actor,
        name=wishes.name,
        username=wishes.username,
        environment=environment,
        region=Region(wishes.region or Region.NORTH_AMERICA),
        signing_keys=granted,
        auth_method=AuthMethod.OPERATOR,
        consent=consent,
        now=now,
    )


@transaction.atomic
def _let_in_again(connection: Connection, granted: Sealed, actor: User, now: datetime) -> Connection:
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    if locked.removed_at is not None or locked.auth_method != AuthMethod.OPERATOR:
        raise ConnectionRefused("This connection was removed; its history stays. Make a new one.", "connection-removed")
    signing.keep(locked, granted, now)
    subject = f"{locked.username} (allowed again)"
    audit.record(team=locked.team, actor=actor, action="connection.keys_replaced", subject=subject, now=now)
    return locked


def _asked(ask: Callable[[Door], Awaitable[T]]) -> T:
    """One question to IBKR in the operator's name. The person waits for it, so it is asked from here."""

    async def asking() -> T:
        login = Login(
            username="operator",
            environment=Environment.PAPER,
            auth_method=AuthMethod.OPERATOR,
            base_url=settings.IBKR_API_URL,
            secrets=settings.IBKR_CONSUMER,
        )
        async with ibkr.new_http(reach()) as http:
            client = Client(login, http)
            try:
                program = keys.program_of(settings.IBKR_CONSUMER)
                return await ask(
                    Door(program=program, base_url=settings.IBKR_API_URL, post=client.post, now=timezone.now)
                )
            finally:
                await client.close()

    try:
        return asyncio.run(asking())
    except BrokerUnavailable as silence:
        code = silence.code if silence.code == "no-token-given" else "ibkr-not-reached"
        raise ConnectionRefused(
            "IBKR gave no answer, so nothing was connected. Start again in a minute; if it lasts, look at IBKR's system "
            "status.",
            code,
        ) from silence
    except BrokerError as refusal:
        raise ConnectionRefused(str(refusal), refusal.code) from refusal


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
