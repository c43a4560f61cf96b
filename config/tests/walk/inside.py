"""What a test does among the product's own: run in a process of the product's, which prints what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from django.utils import timezone

from config.tests.product import ROOT, Product


def run(product: Product, call: str) -> Any:
    """What a function of this module returns in the product's settings and on its database."""
    code = f"import json; from config.tests.walk import inside; print(json.dumps(inside.{call}))"
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    printed = subprocess.check_output(command, cwd=ROOT, env=product.environment, text=True, timeout=300)
    return json.loads(printed.strip().splitlines()[-1])


def connect(username: str, base_url: str) -> int:
    """A paper connection of the demo's team; its key."""
    from accounts.models import Team
    from brokers.connections import connections
    from brokers.domain.sessions import Environment

    made = connections.connect(
        team=Team.objects.get(is_demo=True),
        actor=None,
        name="Night",
        username=username,
        environment=Environment.PAPER,
        base_url=base_url,
        now=timezone.now(),
    )
    return made.pk


def yielding(addresses: dict[str, str]) -> dict[str, str]:
    """A paper connection of the demo's team for each user, which leaves its session to others; their codes."""
    from brokers.models import Connection

    made = {username: connect(username, base_url) for username, base_url in addresses.items()}
    Connection.objects.filter(pk__in=made.values()).update(ownership="yield")
    return {username: str(Connection.objects.get(pk=pk).code) for username, pk in made.items()}


def follow(connection_pk: int, **terms: dict[str, Any]) -> dict[str, str]:
    """A strategy of each name that the connection's account follows on these terms; the address of its webhook."""
    from brokers.models import BrokerageAccount
    from strategies.domain.plan.plan import Terms
    from strategies.domain.terms.terms import RestartEntries
    from strategies.setup import strategies, subscriptions

    account, now, urls = BrokerageAccount.objects.get(connection=connection_pk), timezone.now(), {}
    for name, values in terms.items():
        if "restart_entries" in values:
            values["restart_entries"] = RestartEntries(values["restart_entries"])
        strategy = strategies.create_strategy(team=account.team, actor=None, name=name, now=now)
        made = subscriptions.subscribe(
            team=account.team, strategy=strategy, account=account, terms=Terms(**values), actor=None, now=now
        )
        subscriptions.enable(subscription=made, actor=None, now=now)
        urls[name] = strategies.webhook_url(strategy.endpoints.get())
    return urls


def neighbour(name: str) -> dict[str, str]:
    """A team of its own with a simulated account that takes any stock: its user name at the broker, its webhook's URL, and
    how its owner signs in."""
    from allauth.account.models import EmailAddress

    from accounts import teams
    from accounts.models import User

    now, password = timezone.now(), "a password of theirs"
    owner = User.objects.create_user(f"{name}@example.com", password)
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    team = teams.found_team(owner=owner, name=name, now=now)
    sign_in = {"email": owner.email, "password": password, "team": str(team.code)}
    return {**_trading(team, owner, name), **sign_in}


def crowd(count: int) -> list[dict[str, str]]:
    """A team with so many simulated accounts, each with a strategy: their user names at the broker and their webhooks' URLs."""
    from accounts import teams
    from accounts.models import User

    owner = User.objects.create_user("crowd@example.com", "a password of theirs")
    team = teams.found_team(owner=owner, name="crowd", now=timezone.now())
    return [_trading(team, owner, f"crowd-{number}") for number in range(count)]


def _trading(team: Any, owner: Any, name: str) -> dict[str, str]:
    """A connection of the team with one simulated account that follows a strategy, in any stock and again and again."""
    from brokers.connections import connections, user_accounts
    from brokers.domain.brokerage import AccountFacts
    from brokers.domain.sessions import Environment
    from brokers.simulator.books.numbers import account_id
    from strategies.domain.plan.plan import Terms
    from strategies.setup import strategies, subscriptions

    now, username = timezone.now(), f"demo-{name}"
    connection = connections.connect(
        team=team, actor=owner, name=name, username=username, environment=Environment.SIMULATED, now=now
    )
    facts = AccountFacts(account_id=account_id(username), is_paper=True, title="Simulated account")
    account = user_accounts.save_accounts(connection=connection, facts=[facts], now=now)[0]
    connections.verify(connection=connection, actor=None, now=now)
    strategy = strategies.create_strategy(team=team, actor=owner, name=name, now=now)
    made = subscriptions.subscribe(
        team=team, strategy=strategy, account=account, terms=Terms(allow_add=True), actor=owner, now=now
    )
    subscriptions.enable(subscription=made, actor=owner, now=now)
    return {"username": username, "url": strategies.webhook_url(strategy.endpoints.get())}


def look() -> None:
    """What a worker does every half minute."""
    from brokers.tasks import tell_owners

    tell_owners()
