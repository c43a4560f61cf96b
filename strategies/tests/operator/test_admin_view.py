"""The operator's tables: they open, they change nothing, they show no secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from accounts import teams
from accounts.models import ApiToken, Invitation, Role, Team, User
from accounts.vault.fields import Sealed
from brokers.models import Connection
from strategies.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client, settings: Any) -> User:
    settings.STAFF_SECOND_FACTOR = False
    made = User.objects.create_superuser("operator@example.com", "operator's password")
    client.force_login(made)
    return made


def test_every_table_opens_and_none_can_be_added_to(
    client: Client, operator: User, alice: User, team: Team, now: datetime
) -> None:
    rows.walk(team, now)
    for model in admin.site._registry:
        if model._meta.app_label in {"accounts", "brokers", "strategies"}:
            path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            assert client.get(path).status_code == 200, path
            assert client.get(f"{path}add/").status_code == 403, path
            row = model._default_manager.first()
            if row is not None:
                assert client.get(f"{path}{row.pk}/change/").status_code == 200, path


def test_it_shows_no_secret(client: Client, operator: User, alice: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    Connection.objects.update(secrets=Sealed(b"sealed-secret"))
    teams.issue_token(team=team, user=alice, name="Reports", now=now)
    teams.invite(team=team, actor=alice, role=Role.VIEWER, note="", now=now)
    token, invitation = ApiToken.objects.get(), Invitation.objects.get()
    pages = [
        client.get(f"/admin/brokers/connection/{walk.account.connection_id}/change/").text,
        client.get(f"/admin/accounts/apitoken/{token.pk}/change/").text,
        client.get(f"/admin/accounts/invitation/{invitation.pk}/change/").text,
        client.get(f"/admin/accounts/user/{alice.pk}/change/").text,
    ]
    for secret in ("sealed-secret", token.token_hash, invitation.token_hash, alice.password):
        assert all(secret not in page for page in pages)


def test_it_is_closed_to_everybody_else(client: Client, alice: User, team: Team) -> None:
    client.force_login(alice)
    assert client.get("/admin/brokers/order/").status_code == 302
