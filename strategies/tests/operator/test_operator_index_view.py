"""The operator's overview: made as documented, by task, in English, with every table there is."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.test import Client

from accounts.models import Team, User
from accounts.readonly import TASKS
from accounts.tests.entrance.factors import with_app
from brokers.models import Closing, ExchangeRate
from strategies.models import Guard
from strategies.tests import rows

pytestmark = pytest.mark.django_db
DOCS = (Path(settings.BASE_DIR) / "docs" / "operations.md").read_text()
PASSWORD = "a sail for the operator"


@pytest.fixture
def operator(client: Client) -> User:
    made = with_app(User.objects.create_superuser("operator@example.com", PASSWORD))
    client.force_login(made)
    return made


def test_the_first_sign_in_of_an_operator_goes_as_documented(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "manage.py createsuperuser --email" in DOCS
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", email="Operator@Example.com", verbosity=0)
    door = client.get("/admin/", follow=True)
    assert door.request["PATH_INFO"] == "/accounts/login/"
    form = {"login": "operator@example.com", "password": PASSWORD, "next": "/admin/"}
    page = client.post("/accounts/login/", form, follow=True)
    # As documented, too: the second step comes first.
    assert page.request["PATH_INFO"] == "/accounts/2fa/"
    with_app(User.objects.get(email="operator@example.com"))
    assert "What do you come for?" in client.get("/admin/").text


def test_the_overview_goes_by_task(client: Client, operator: User) -> None:
    page = client.get("/admin/").text
    captions = re.findall(r"<caption>([^<]+)</caption>", page)
    assert captions == list(TASKS)
    assert all(f"**{task}**" in DOCS for task in TASKS)
    assert "Models in the" not in page
    assert all(name in page for name in ("E-mail addresses", "Second steps", "Groups of operators"))
    assert not any(name in page for name in ("Email addresses", "Authenticators", "Log entries"))
    assert page.count('href="/admin/strategies/guard/"') == 1


@pytest.mark.parametrize("label", ["accounts", "brokers", "strategies"])
def test_every_table_of_ours_is_there(label: str) -> None:
    missing = [
        model.__name__ for model in apps.get_app_config(label).get_models() if not admin.site.is_registered(model)
    ]
    assert missing == []


def test_every_table_has_a_task_and_a_name_in_english() -> None:
    for model, table in admin.site._registry.items():
        assert getattr(table, "task", None) in TASKS, model
        names = (str(model._meta.verbose_name), str(model._meta.verbose_name_plural))
        assert not any(re.search(r"ys$|sss$|[a-z][A-Z]|_", name) for name in names), names
        assert model._meta.verbose_name != model._meta.verbose_name_plural
    labels = {model._meta.app_label for model in admin.site._registry}
    app_names = [str(apps.get_app_config(label).verbose_name) for label in labels]
    assert len(set(app_names)) == len(app_names)
    assert not {"Accounts", "Brokers", "MFA"} & set(app_names)


def test_guards_closings_and_rates_are_read_there(client: Client, operator: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    Guard.objects.create(
        team=team, level="team", halt="everything", halt_reason="The feed is late", halted_at=now, halted_by=operator
    )
    Closing.objects.create(
        team=team, account=walk.account, conid=1, ticker="AAPL", asset_class="stock", reason="By hand", asked_at=now
    )
    ExchangeRate.objects.create(connection=walk.account.connection, source="EUR", target="USD", rate="1.08", as_of=now)
    assert "The feed is late" in client.get("/admin/strategies/guard/").text
    assert "AAPL" in client.get("/admin/brokers/closing/?status__exact=open").text
    assert "EUR" in client.get("/admin/brokers/exchangerate/?q=EUR").text
    for path in ("strategies/guard", "brokers/closing", "brokers/exchangerate"):
        answer = client.post(f"/admin/{path}/1/delete/", {"post": "yes"})
        assert answer.status_code in {302, 403}, path
    assert (Guard.objects.count(), Closing.objects.count(), ExchangeRate.objects.count()) == (1, 1, 1)


def test_a_lost_second_step_is_taken_away_and_never_shown(client: Client, operator: User, alice: User) -> None:
    step = Authenticator.objects.create(user=alice, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    assert "JBSWY3DPEHPK3PXP" not in client.get(f"/admin/mfa/authenticator/{step.pk}/change/").text
    client.post(f"/admin/mfa/authenticator/{step.pk}/delete/", {"post": "yes"})
    assert not Authenticator.objects.filter(user=alice).exists()


def test_the_key_of_a_session_is_never_shown(client: Client, operator: User, alice: User) -> None:
    session = UserSession.objects.create(user=alice, ip="192.0.2.7", session_key="a" * 32, user_agent="Laptop")
    page = client.get(f"/admin/usersessions/usersession/{session.pk}/change/").text
    assert "Laptop" in page
    assert "a" * 32 not in page


def test_a_helper_sees_only_the_tables_of_their_group(client: Client) -> None:
    helper = with_app(User.objects.create_user("helper@example.com", "a sail for the helper", is_staff=True))
    client.force_login(helper)
    assert "No table is open to you." in client.get("/admin/").text
    assert client.get("/admin/strategies/guard/").status_code == 403


def test_only_operators_are_shown_the_way(client: Client, operator: User, alice: User) -> None:
    assert 'href="/admin/"' in client.get("/you/").text
    client.force_login(alice)
    assert 'href="/admin/"' not in client.get("/you/").text


def test_a_table_wears_our_colours_writes_our_dates_and_says_when_it_is_empty(
    client: Client, operator: User, team: Team, now: datetime
) -> None:
    page = client.get("/admin/accounts/team/").text
    assert "css/operator.css" in page
    assert f"{now:%Y-%m-%d %H:%M:%S}" in page
    empty = client.get("/admin/strategies/guard/").text
    assert "There are no guards yet. The first one shows here by itself." in empty
    unfit = client.get("/admin/accounts/team/?q=nobody").text
    assert 'Nothing fits what is asked for. <a href="?">Show all teams</a>' in unfit
    assert "There are no" not in page
