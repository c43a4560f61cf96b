"""`manage.py demo`: somebody to sign in as, with a webhook whose signals become simulated orders."""

from __future__ import annotations

import base64
import hmac
import json
import shlex
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts import teams
from accounts.models import ApiToken, Role, Team, User, hashed
from brokers.connections import connections, user_accounts
from brokers.domain.brokerage import AccountFacts
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Connection
from brokers.simulator.books.numbers import account_id
from brokers.simulator.models import SimAccount
from strategies.domain.message.kinds import WORDS, Kind
from strategies.domain.plan.plan import Terms
from strategies.models import Strategy, WebhookEndpoint
from strategies.setup import strategies, subscriptions

EMAIL = "demo@halyard.local"
TEAM, STRATEGY = "Demo team", "Demo strategy"
EXAMPLE = {"ticker": "AAPL", "action": "buy", "quantity": "1"}


class Shown(NamedTuple):
    """A class that the demo shows: the name of its strategy, as what its tickers are read, and how one is written."""

    strategy: str
    kind: Kind
    example: str

    @property
    def description(self) -> str:
        return f"Takes {WORDS[self.kind][1]}, such as {self.example}. Send it a signal and watch."


CLASSES = {
    "stock": Shown(STRATEGY, Kind.STOCK, "AAPL"),
    "option": Shown("Demo options", Kind.OPTION, "SPY with optionType, expiration and strikesAway"),
    "index_option": Shown("Demo index options", Kind.OPTION, "SPX with optionType, expiration and strikesAway"),
    "future": Shown("Demo futures", Kind.FUTURE, "MNQ1!"),
    # Not the name under which demos of before have one that trades nothing.
    "future_option": Shown(
        "Demo future options", Kind.FUTURE_OPTION, "ES1! with optionType, expiration and strikesAway"
    ),
    "forex": Shown("Demo currency pairs", Kind.FOREX, "EURUSD"),
    "cfd": Shown("Demo CFDs", Kind.CFD, "IBUS500"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What a person or a program needs to try everything."""

    url: str
    email: str
    password: str
    team: str
    strategy_id: str
    webhook_url: str
    api_token: str
    account_id: str
    # By class.
    webhook_urls: dict[str, str]


class Command(BaseCommand):
    help = "Make (or find again) a demo user, team, simulated account, strategy and subscription, and show them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.SELF_CONTAINED or settings.DEBUG):
            raise CommandError(
                "The demo's sign-in is printed on the terminal, so it is made only where Halyard brings its own database "
                "or HALYARD_DEBUG is on."
            )
        try:
            demo = provide(timezone.now())
        except connections.ConnectionRefused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(asdict(demo)) if options["json"] else describe(demo))


@transaction.atomic
def provide(now: datetime) -> Demo:
    """Find each part, or make it. What a person has changed since stays, unless nothing would work without it."""
    user = _user()
    team = _team(user, now)
    account = _account(_connection(team, user, now), now)
    by_class = {name: _strategy(team, shown, user, now) for name, shown in CLASSES.items()}
    for each in by_class.values():
        _subscription(team, each, account, user, now)
    urls = {name: strategies.webhook_url(_endpoint(each, user, now)) for name, each in by_class.items()}
    strategy = by_class["stock"]
    return Demo(
        url=settings.PUBLIC_URL,
        email=EMAIL,
        password=password(),
        team=str(team.code),
        strategy_id=str(strategy.code),
        webhook_url=urls["stock"],
        api_token=_token(team, user, now),
        account_id=account.account_id,
        webhook_urls=urls,
    )


def describe(demo: Demo) -> str:
    """The demo in lines for people."""
    signal = f"curl -X POST {shlex.quote(demo.webhook_url)} -H 'Content-Type: application/json'"
    return "\n".join(
        [
            f"Open       {demo.url}",
            f"Sign in    {demo.email}   password: {demo.password}",
            f"Team       {TEAM} ({demo.team}), simulated account {demo.account_id}",
            f"Webhook    {demo.webhook_url}",
            *(f"  {name:<14} {url}" for name, url in demo.webhook_urls.items()),
            f"API token  {demo.api_token}",
            "",
            "Send a signal:",
            f"  {signal} -d {shlex.quote(json.dumps(EXAMPLE))}",
            "See what became of it:",
            f"  curl -H 'Authorization: Token {demo.api_token}' '{demo.url}/api/v1/signals/?limit=1'",
        ]
    )


def password() -> str:
    """The demo's password: made from this installation's own key, so that it is the same in every run and nowhere else."""
    letters = base64.b32encode(_derived("password"))[:20].decode().lower()
    return "-".join(letters[n : n + 5] for n in range(0, 20, 5))


def _user() -> User:
    user = User.objects.filter(email__iexact=EMAIL).first() or User.objects.create_user(EMAIL, password())
    if not user.is_active or not user.check_password(password()):
        user.is_active = True
        user.set_password(password())
        user.save()
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    return user


def _team(user: User, now: datetime) -> Team:
    own = user.memberships.filter(role=Role.OWNER, team__name=TEAM).select_related("team").order_by("id").first()
    team = own.team if own else teams.found_team(owner=user, name=TEAM, now=now)
    Team.objects.filter(pk=team.pk).update(is_demo=True)
    team.is_demo = True
    return team


def _connection(team: Team, user: User, now: datetime) -> Connection:
    # User names are unique among all installations that share one simulator.
    username = f"demo-{_derived('username').hex()[:10]}"
    connection = team.connections.filter(username=username, environment=Environment.SIMULATED).first()
    if connection is None:
        return connections.connect(
            team=team, actor=user, name="Simulated IBKR", username=username, environment=Environment.SIMULATED, now=now
        )
    if not connection.enabled:
        connections.enable(connection=connection, actor=user, now=now)
    return connection


def _account(connection: Connection, now: datetime) -> BrokerageAccount:
    known = connection.accounts.order_by("id").first()
    if known is not None:
        return known
    sim_account = SimAccount.objects.filter(user_id=connection.username).order_by("account_id").first()
    # The gateway will open exactly this account when it first meets the user: nobody needs to wait for it.
    number = sim_account.account_id if sim_account else account_id(connection.username)
    facts = AccountFacts(account_id=number, is_paper=True, title="Simulated account")
    account = user_accounts.save_accounts(connection=connection, facts=[facts], now=now)[0]
    # Its money is still unknown: the stream that keeps the session shall look.
    connections.verify(connection=connection, actor=None, now=now)
    return account


def _strategy(team: Team, shown: Shown, user: User, now: datetime) -> Strategy:
    strategy = team.strategies.filter(name=shown.strategy).first() or strategies.create_strategy(
        team=team, actor=user, name=shown.strategy, description=shown.description, asset_class=shown.kind, now=now
    )
    strategies.enable_strategy(strategy=strategy, actor=user, now=now)
    return strategy


def _endpoint(strategy: Strategy, user: User, now: datetime) -> WebhookEndpoint:
    live = strategy.endpoints.filter(enabled=True).order_by("id").first()
    return live or strategies.rotate_webhook(strategy=strategy, actor=user, now=now)


def _subscription(team: Team, strategy: Strategy, account: BrokerageAccount, user: User, now: datetime) -> None:
    subscription = strategy.subscriptions.filter(account=account).first() or subscriptions.subscribe(
        team=team, strategy=strategy, account=account, terms=Terms(allow_add=True), actor=user, now=now
    )
    subscriptions.enable(subscription=subscription, actor=user, now=now)


def _token(team: Team, user: User, now: datetime) -> str:
    secret = "hy_" + base64.urlsafe_b64encode(_derived("token")).rstrip(b"=").decode()
    if not ApiToken.objects.filter(token_hash=hashed(secret)).update(team=team, user=user, revoked_at=None):
        teams.issue_token(team=team, user=user, name="Demo", now=now, secret=secret)
    return secret


def _derived(what: str) -> bytes:
    """The same in every run of this installation, and nobody else's."""
    return hmac.digest(settings.SECRET_KEY.encode(), f"demo-{what}".encode(), "sha256")
