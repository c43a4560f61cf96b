"""`manage.py demo`."""

from __future__ import annotations

import json
import re
from datetime import datetime
from importlib import import_module
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client, override_settings

from accounts.models import ApiToken, AuditEntry, Membership, Role, Team, User, hashed
from brokers.connections import connections
from brokers.domain.live_money import Consent
from brokers.domain.orders import AssetClass
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Connection
from brokers.simulator.books import numbers
from brokers.simulator.gateway.gateway import Gateway
from strategies.models import Strategy, Subscription, WebhookEndpoint
from strategies.webhook.passwords import matching_key

pytestmark = pytest.mark.django_db


def demo(*options: str) -> str:
    out = StringIO()
    call_command("demo", *options, stdout=out, stderr=out)
    return out.getvalue()


def demo_json() -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(demo("--json"))
    return shown


def test_it_prints_one_json_object_with_everything_needed(settings: Any) -> None:
    shown = demo_json()
    assert list(shown)[:7] == ["url", "email", "password", "team", "strategy_id", "webhook_url", "api_token"]
    told = {name: value for name, value in shown.items() if name != "webhook_urls"}
    assert all(isinstance(value, str) and value for value in told.values())
    assert shown["url"] == settings.PUBLIC_URL
    assert shown["email"] == "demo@halyard.local"
    assert Team.objects.get(code=shown["team"]).name == "Demo team"
    assert Strategy.objects.get(code=shown["strategy_id"]).name == "Demo strategy"


def test_it_leaves_an_enabled_subscription_on_a_simulated_account() -> None:
    shown = demo_json()
    subscriptions = Subscription.objects.select_related("account__connection", "terms", "strategy")
    subscription = subscriptions.get(strategy__code=shown["strategy_id"])
    assert subscription.enabled
    assert str(subscription.strategy.code) == shown["strategy_id"]
    assert subscription.account.connection.environment == "simulated"
    assert subscription.account.connection.enabled
    assert subscription.account.is_paper
    assert subscription.terms is not None
    terms = subscription.terms.value()
    assert (terms.allow_add, str(terms.sides), terms.quantity) == (True, "both", None)


def test_it_asks_whoever_keeps_the_session_to_look_at_the_account() -> None:
    demo_json()
    assert Connection.objects.get().wants_verify


def test_the_webhook_url_carries_the_right_password() -> None:
    path = demo_json()["webhook_url"].split("/trading/webhook/")[1]
    code, password = path.split("/")
    endpoint = Strategy.objects.get(name="Demo strategy").endpoints.get()
    assert code == str(endpoint.code)
    assert matching_key(endpoint.code, password) == 0


def test_it_has_a_strategy_that_an_account_follows_for_every_class() -> None:
    shown = demo_json()
    urls = shown["webhook_urls"]
    assert list(urls) == ["stock", "option", "index_option", "future", "future_option", "forex", "cfd"]
    assert urls["stock"] == shown["webhook_url"]
    classes = {name: "option" if name == "index_option" else name for name in urls}
    for name, url in urls.items():
        code = url.split("/trading/webhook/")[1].split("/")[0]
        strategy = WebhookEndpoint.objects.select_related("strategy").get(code=code, enabled=True).strategy
        assert strategy.asset_class == classes[name]
        assert strategy.subscriptions.get().enabled
        assert strategy.description.startswith("Takes ")
    assert set(urls) == {str(each) for each in AssetClass} | {"index_option"}


def test_one_can_sign_in_with_what_it_prints() -> None:
    shown = demo_json()
    assert Client().login(email=shown["email"], password=shown["password"])
    membership = Membership.objects.select_related("user").get()
    assert (membership.user.email, membership.role) == (shown["email"], Role.OWNER)


def test_its_password_is_this_installations_own(settings: Any) -> None:
    first = demo_json()["password"]
    assert first != "halyard-demo-sails"
    settings.SECRET_KEY = "another installation's"
    second = demo_json()["password"]
    assert second != first
    assert re.fullmatch(r"([a-z2-7]{5}-){3}[a-z2-7]{5}", second)
    assert User.objects.get().check_password(second)


def test_its_team_never_holds_a_live_connection(client: Client, now: datetime) -> None:
    demo_json()
    team = Team.objects.get()
    assert team.is_demo
    with pytest.raises(connections.ConnectionRefused, match="the demo's team") as refusal:
        connections.connect(
            team=team,
            actor=None,
            name="Live",
            username="u1234567",
            environment=Environment.LIVE,
            base_url="https://127.0.0.1:5000/v1/api",
            now=now,
        )
    assert refusal.value.code == "demo-team"
    client.force_login(User.objects.get())
    form = {"name": "Live", "environment": "live", "username": "u1234567", "confirm_live": "on", "account_number": "U7"}
    page = client.post(f"/teams/{team.code}/connections/new/", {**form, "base_url": "https://127.0.0.1:5000/v1/api"})
    assert page.status_code == 422
    assert "the demo&#x27;s team" in page.text
    assert not Connection.objects.filter(environment="live").exists()


def test_postgres_refuses_its_live_connection_whoever_makes_it() -> None:
    demo_json()
    with pytest.raises(IntegrityError, match="a demo team never holds a live connection"), transaction.atomic():
        Connection.objects.update(environment="live")
    connection = Connection.objects.get()
    connection.pk, connection.code, connection.username = None, uuid4(), "another"
    connection.environment = "live"
    with pytest.raises(IntegrityError, match="a demo team never holds a live connection"), transaction.atomic():
        connection.save(force_insert=True)


def test_a_live_connection_of_a_team_that_became_the_demos_is_not_switched_on_again(team: Team, now: datetime) -> None:
    live = connections.connect(
        team=team,
        actor=None,
        name="Live",
        username="u1234567",
        environment=Environment.LIVE,
        base_url="https://127.0.0.1:5000/v1/api",
        consent=Consent(email_verified=True, second_factor=True, confirmed=True, typed=("U1234567",)),
        now=now,
    )
    connections.disable(connection=live, actor=None, now=now)
    Team.objects.update(is_demo=True)
    live.refresh_from_db()
    with pytest.raises(connections.ConnectionRefused, match="trades no real money"):
        connections.enable(connection=live, actor=None, now=now)


def test_the_password_that_every_demo_once_had_is_taken_away() -> None:
    demo_json()
    user = User.objects.get()
    user.set_password("halyard-demo-sails")
    user.save()
    migration = import_module("accounts.migrations.0003_demo_teams")
    Team.objects.update(is_demo=False)
    migration.close_what_everybody_can_open(apps, None)
    user.refresh_from_db()
    assert not user.check_password("halyard-demo-sails")
    assert Team.objects.get().is_demo
    # A password of somebody's own choice stays.
    user.set_password("a sail of my own")
    user.save()
    migration.close_what_everybody_can_open(apps, None)
    user.refresh_from_db()
    assert user.check_password("a sail of my own")


def test_the_token_opens_the_demo_team() -> None:
    shown = demo_json()
    token = ApiToken.objects.select_related("team").get(token_hash=hashed(shown["api_token"]))
    assert str(token.team.code) == shown["team"]
    assert token.revoked_at is None


def test_a_second_run_prints_the_same_and_makes_nothing() -> None:
    first = demo_json()
    entries = AuditEntry.objects.count()
    assert demo_json() == first
    counts = [model.objects.count() for model in (User, Team, Connection, BrokerageAccount, Strategy, Subscription)]
    assert counts == [1, 1, 1, 1, 7, 7]
    assert AuditEntry.objects.count() == entries


def test_it_makes_usable_again_what_was_switched_off() -> None:
    first = demo_json()
    User.objects.get().set_password("something else")
    Connection.objects.update(enabled=False)
    Strategy.objects.update(enabled=False)
    Subscription.objects.update(enabled=False)
    ApiToken.objects.update(revoked_at=User.objects.get().date_joined)
    assert demo_json() == first
    assert Connection.objects.get().enabled
    assert not Strategy.objects.filter(enabled=False).exists()
    assert not Subscription.objects.filter(enabled=False).exists()
    assert ApiToken.objects.get().revoked_at is None
    assert User.objects.get().check_password(first["password"])


def test_a_rotated_webhook_is_printed_instead_of_a_disabled_one() -> None:
    first = demo_json()
    WebhookEndpoint.objects.filter(strategy__name="Demo strategy").update(enabled=False)
    second = demo_json()
    assert second["webhook_url"] != first["webhook_url"]
    live = WebhookEndpoint.objects.get(strategy__name="Demo strategy", enabled=True)
    assert str(live.code) in second["webhook_url"]


def test_terms_that_a_person_has_set_stay() -> None:
    demo_json()
    subscription = Subscription.objects.get(strategy__name="Demo strategy")
    assert subscription.terms is not None
    subscription.terms.values |= {"allow_add": False}
    subscription.terms.save()
    demo_json()
    terms = Subscription.objects.get(strategy__name="Demo strategy").terms
    assert terms is not None
    assert terms.value().allow_add is False


def test_people_are_given_a_command_to_paste() -> None:
    shown = demo_json()
    printed = demo()
    assert f"{shown['email']}   password: {shown['password']}" in printed
    assert (
        f'curl -X POST {shown["webhook_url"]} -H \'Content-Type: application/json\' -d \'{{"ticker": "AAPL"' in printed
    )
    assert shown["api_token"] in printed


@override_settings(SELF_CONTAINED=False, DEBUG=False)
def test_it_refuses_in_production_and_makes_nothing() -> None:
    with pytest.raises(CommandError, match="only where Halyard brings its own database"):
        demo("--json")
    assert not User.objects.exists()


@override_settings(SIMULATOR=False)
def test_it_refuses_without_a_simulator_and_makes_nothing() -> None:
    with pytest.raises(CommandError, match="no simulated broker"):
        demo("--json")
    assert not User.objects.exists()


def test_the_gateway_opens_the_account_that_the_demo_named() -> None:
    shown = demo_json()
    username = Connection.objects.get().username
    assert shown["account_id"] == numbers.account_id(username)
    opened = Gateway.account_id(type("Fresh", (), {"taken_ids": set()})(), username)
    assert opened == shown["account_id"]
