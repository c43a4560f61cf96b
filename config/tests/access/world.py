"""Two teams with one row of each kind, and everybody who may or may not ask for them."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import departures, teams
from accounts.entrance.step_up import PROVED_AT
from accounts.models import ApiToken, Invitation, Leaving, Membership, Role, Team, User
from accounts.vault.fields import Sealed
from brokers.ibkr.auth.keys import group_pem
from brokers.ibkr.tests.auth.conftest import PRIME
from brokers.models import (
    AccountGroup,
    Authorization,
    BrokerageAccount,
    Connection,
    ContractChoice,
    ContractLookup,
    Destination,
    GroupChange,
    KeySet,
)
from brokers.tests import rows as broker
from config.tests.access.urlmap import Page
from strategies.control import limits
from strategies.models import Refusal, Trade
from strategies.profit import making
from strategies.tests import rows
from strategies.tests.control.proposing import asking, decided

NOWHERE = uuid.UUID("00000000-0000-4000-8000-000000000000")
NOBODY = "nobody"
_TOKEN = re.compile(r"\b[A-Za-z0-9]{64}\b")


@dataclass(kw_only=True)
class Owned:
    """A team, and what stands in the addresses of its rows."""

    team: Team
    parts: dict[str, Any]
    quiet: str
    own: str
    token: str


@dataclass(kw_only=True)
class World:
    """Ours and theirs, and clients of everybody; `removed` was a trader of ours."""

    ours: Owned
    theirs: Owned
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Client] = field(default_factory=dict)

    def address(self, page: Page, at: dict[str, str], **parts: Any) -> str:
        """The page's address, with our rows and other parts in the place of some."""
        owned = self.ours
        values = {**owned.parts, **at, **parts}
        if kind := at.get("connection_code"):
            values["connection_code"] = parts.get("connection_code", owned.parts[kind])
        if values["level"] == "team" and "code" not in parts:
            values["code"] = owned.team.code
        if "reference" in page.parts and "reference" not in parts:
            values["reference"] = owned.parts[f"reference of {page.name}"]
        return reverse(page.name, kwargs={part: values[part] for part in page.parts})

    def ask(self, who: str, method: str, address: str, values: dict[str, str]) -> Any:
        """One request, of which nothing stays."""
        words = {"quiet": self.ours.quiet, "own": self.ours.own}
        sent = {name: words.get(value, value) if name == "subscription" else value for name, value in values.items()}
        if sent.get("reveal"):
            sent["reveal"] = str(self.ours.parts["endpoint_code"])
        if "ticker" in sent:
            sent["strategy"] = str(self.ours.parts["strategy_code"])
        with undone():
            return ask(self.clients[who], method, address, sent)


def ask(client: Client, method: str, address: str, values: dict[str, str] | None = None) -> Any:
    """One request: values in the query of a GET, in the form of a POST, and in no other."""
    if method in {"GET", "POST"}:
        return getattr(client, method.lower())(address, values or {})
    return client.generic(method, address)


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written meanwhile is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def same(answer: Any) -> tuple[int, str]:
    """What an answer says, without what differs between any two: tokens of forms."""
    return answer.status_code, _TOKEN.sub("", answer.text)


def browser(user: User | None, *, fresh: bool = True) -> Client:
    """A browser in which this person is signed in."""
    client = Client()
    if user is not None:
        client.force_login(user)
        if not fresh:
            session = client.session
            session[PROVED_AT] = timezone.now().timestamp() - 3600
            session.save()
    return client


def ours(pattern: str) -> Counter[str]:
    """How often our own code has this, by file."""
    folders = ("accounts", "brokers", "strategies", "config")
    counts: Counter[str] = Counter()
    for path in sorted(path for folder in folders for path in (settings.BASE_DIR / folder).rglob("*.py")):
        name = str(path.relative_to(settings.BASE_DIR))
        if "/tests/" not in name:
            counts[name] += len(re.findall(pattern, path.read_text(encoding="utf-8")))
    return +counts


def world(now: datetime) -> World:
    """Make it all."""
    people = {role: User.objects.create_user(f"{role}@example.com", "a password") for role in Role.values}
    removed = User.objects.create_user("removed@example.com", "a password")
    stranger = User.objects.create_user("stranger@example.com", "a password")
    ours, theirs = _owned(people["owner"], "Ours", now), _owned(stranger, "Theirs", now)
    for role, user in people.items():
        Membership.objects.get_or_create(team=ours.team, user=user, defaults={"role": role})
    gone = Membership.objects.create(team=ours.team, user=removed, role=Role.TRADER)
    secret = teams.issue_token(team=ours.team, user=removed, name="gone", now=now, scopes=["trade", "approve"])
    teams.remove(membership=gone, actor=people["owner"], now=now)
    made = World(ours=ours, theirs=theirs)
    everybody: dict[str, User | None] = {NOBODY: None, "stranger": stranger, "removed": removed, **people}
    made.clients = {who: browser(user) for who, user in everybody.items()}
    made.clients |= {f"stale {role}": browser(user, fresh=False) for role, user in people.items()}
    made.clients["stale stranger"] = browser(stranger, fresh=False)
    made.tokens = {
        "removed": _holder(secret),
        "stranger": _holder(theirs.token),
        "owner": _holder(ours.token),
        "owner who may read": _holder(teams.issue_token(team=ours.team, user=people["owner"], name="reads", now=now)),
        **{
            role: _holder(teams.issue_token(team=ours.team, user=user, name=role, now=now, scopes=["trade", "approve"]))
            for role, user in people.items()
            if role != "owner"
        },
    }
    return made


def _holder(secret: str) -> Client:
    return Client(headers={"Authorization": f"Token {secret}"})


def keys() -> dict[str, str]:
    """What a connection of its own signs with, as far as pages read it."""
    return {"consumer_key": "ABCDEFGHI", "dh_parameters": group_pem(PRIME)}


def _owned(owner: User, name: str, now: datetime) -> Owned:
    team = teams.found_team(owner=owner, name=name, now=now)
    walk = rows.walk(team, now, f"{name} trend")
    live = Connection.objects.filter(pk=walk.account.connection_id)
    live.update(environment="live", base_url="https://127.0.0.1:5000/v1/api")
    BrokerageAccount.objects.filter(pk=walk.account.pk).update(is_paper=False)
    broker.position(walk.account)
    foreign = broker.foreign_order(walk.account, reference=f"hy-{name.lower()}lost")
    split = broker.split(walk.account, ticker="SPLT", conid=4, conid_before=4)
    unclaimed = broker.unclaimed_order(walk.account, reference=f"hy-{name.lower()}filled")
    choice = ContractChoice.objects.create(
        team=team, simulated=True, ticker="SOLO", asset_class="stock", conid=1, chosen_at=now
    )
    two = [{"conid": conid, "name": "Twin", "exchange": "NYSE", "currency": "USD"} for conid in (1, 2)]
    ContractLookup.objects.create(
        connection_id=walk.account.connection_id, ticker="TWIN", asset_class="stock", status="unknown", candidates=two
    )
    quiet = rows.subscription(rows.strategy(team, now, f"{name} quiet"), walk.account, now)
    type(quiet).objects.filter(pk=quiet.pk).update(enabled=False)
    endpoint = walk.strategy.endpoints.get()
    refusal = Refusal.objects.create(
        team=team, endpoint=endpoint, status=400, message_code="invalid-json", sentence="No.", received_at=now
    )
    teams.invite(team=team, actor=owner, role=Role.VIEWER, note="", now=timezone.now())
    secret = teams.issue_token(team=team, user=owner, name="all", now=now, scopes=["trade", "approve"])
    departed = User.objects.create_user(f"departed-{name.lower()}@example.com", "a password")
    membership = Membership.objects.create(team=team, user=departed, role=Role.TRADER)
    departure = departures.depart(membership=membership, how=Leaving.REMOVED, actor=owner, now=now)
    membership.delete()
    proposed = decided(asking(team, now, name=f"{name} asking"), now)
    for target in (None, walk.strategy):
        whom: dict[str, Any] = {"team": team, "target": target, "actor": owner, "now": now}
        limits.set_limits(**whom, limits={"max_quantity": Decimal(10)})
        limits.lock_out(**whom, until=now + timedelta(days=9999), reason="Holiday")
    assert departure is not None
    signed, allowed = (
        broker.connection(team, environment="paper", auth_method=method, signing_keys=Sealed.of(values))
        for method, values in (("oauth", keys()), ("oauth_operator", {"access_token": "a"}))
    )
    key_set = KeySet.objects.create(team=team, consumer_key="ABCDEFGHI", step="made", keys=Sealed.of(keys()))
    destination = Destination.objects.create(
        membership=Membership.objects.get(team=team, user=owner),
        team=team,
        service="ntfy",
        name="My phone",
        settings=Sealed.of({"server": "https://127.0.0.1:1", "topic": "t", "token": ""}),
        host="127.0.0.1",
        created_at=now,
    )
    authorization = Authorization.objects.create(
        team=team, user=owner, request_token=f"asked-{name}", asked_at=now, expires_at=now + timedelta(minutes=10)
    )
    group = AccountGroup.objects.create(
        team=team,
        connection=live.get(),
        account=walk.account,
        name="Family",
        method="EqualQuantity",
        read_at=now,
    )
    advised = broker.account(team, account_id="DF77", kind="advisor")
    broker.account(team, of=advised.connection, account_id="DU77")
    of_simulated: dict[str, Any] = {
        "team": team,
        "connection": advised.connection,
        "name": "Simulated",
        "method": "EqualQuantity",
    }
    members = [{"account": "DU77", "amount": None}]
    change = GroupChange.objects.create(
        **of_simulated, kind="make", members=members, status="done", asked_at=now, sent_at=now, ended_at=now
    )
    making.make_due(now)
    parts = {
        "simulated_group": AccountGroup.objects.create(
            **of_simulated, account=advised, members=members, read_at=now
        ).code,
        "group_change_code": change.code,
        "team_code": team.code,
        "group_code": group.code,
        "level": "strategy",
        "code": walk.strategy.code,
        "reference of invitation_withdraw": Invitation.objects.get(team=team).token_hash[:16],
        "reference of token_revoke": ApiToken.objects.get(team=team, name="all").token_hash[:16],
        "departure_code": departure.code,
        "order_code": walk.order.code,
        "foreign_code": foreign.code,
        "unclaimed_code": unclaimed.code,
        "split_code": split.code,
        "choice_code": choice.code,
        "call_code": broker.call(walk.order.connection, order=walk.order).code,
        "execution_code": walk.order.executions.get().code,
        "trade_code": Trade.objects.get(signal=walk.signal).code,
        "account_code": walk.account.code,
        "conid": 265598,
        "connection_code": live.get().code,
        "simulated": advised.connection.code,
        "signed": signed.code,
        "allowed": allowed.code,
        "keyset_code": key_set.code,
        "destination_code": destination.code,
        "authorization_code": authorization.code,
        "signal_code": walk.signal.code,
        "log_code": refusal.log_code,
        "decision_code": proposed.code,
        "strategy_code": walk.strategy.code,
        "endpoint_code": endpoint.code,
        "subscription_code": walk.subscription.code,
        "number": 1,
    }
    return Owned(team=team, parts=parts, quiet=str(quiet.code), own=str(walk.subscription.code), token=secret)
