"""API tokens at the door, and what every list of the API has in common: refusals, pages, filters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from accounts import teams
from accounts.models import ApiToken, Membership, Team, User, hashed
from accounts.tests.api.client import Api
from brokers.tests import rows


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return Api(team, alice)


def test_without_a_token_the_answer_is_401_in_json(db: None) -> None:
    answer = Client().get("/api/v1/orders/")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.json() == {
        "code": "not-authenticated",
        "message": "Authentication credentials were not provided.",
    }


def test_a_signed_in_browser_is_not_a_token(alice: User, team: Team, client: Client) -> None:
    client.force_login(alice)
    assert client.get("/api/v1/orders/").status_code == 401


@pytest.mark.parametrize("header", ["Token hy_wrong", "Token", "Token two words", "token hy_wrong"])
def test_a_wrong_token_is_401_with_its_code(db: None, header: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/api/v1/orders/")
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid-token"


def test_a_revoked_token_is_401(api: Api, now: datetime) -> None:
    ApiToken.objects.update(revoked_at=now)
    assert api.refused("orders/", 401) == {
        "code": "invalid-token",
        "message": "This token is unknown or was revoked. Make a new one on the team page.",
    }


def test_the_token_of_a_removed_member_is_401(team: Team, alice: User, bob: User, now: datetime) -> None:
    api = Api(team, bob)
    teams.remove(membership=Membership.objects.get(team=team, user=bob), actor=alice, now=now)
    assert api.refused("orders/", 401)["code"] == "invalid-token"


def test_the_token_of_a_membership_that_is_gone_is_401_even_unrevoked(team: Team, bob: User) -> None:
    api = Api(team, bob)
    Membership.objects.filter(team=team, user=bob).delete()
    assert api.refused("orders/", 401)["code"] == "invalid-token"


def test_the_token_of_an_inactive_user_is_401(api: Api, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert api.refused("orders/", 401)["code"] == "invalid-token"


def test_a_token_of_one_team_never_opens_another_team_of_the_same_person(
    team: Team, alice: User, now: datetime
) -> None:
    other = teams.found_team(owner=alice, name="Alice's second team", now=now)
    mine = rows.connection(other)
    assert Api(team, alice).get("connections/")["results"] == []
    assert [each["id"] for each in Api(other, alice).get("connections/")["results"]] == [str(mine.code)]


def test_only_the_digest_of_a_token_is_kept(api: Api) -> None:
    token = ApiToken.objects.get()
    assert api.secret.startswith("hy_")
    assert token.token_hash == hashed(api.secret)
    assert token.prefix == api.secret[:8]
    assert api.secret not in str(token)


def test_its_last_use_is_noted_once_a_minute(api: Api) -> None:
    api.get("orders/")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    api.get("orders/")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    api.get("orders/")
    latest = ApiToken.objects.get().last_used_at
    assert latest is not None
    assert latest >= first


def test_pages_go_forward_and_back_without_losing_or_repeating_a_row(api: Api, team: Team) -> None:
    made = [str(rows.connection(team).code) for _ in range(7)][::-1]
    pages, url = [], "/api/v1/connections/?limit=3"
    while url:
        page = api.client.get(url).json()
        pages.append([each["id"] for each in page["results"]])
        last, url = page, page["next"]
    assert pages == [made[:3], made[3:6], made[6:]]
    back = api.client.get(last["previous"]).json()
    assert [each["id"] for each in back["results"]] == made[3:6]
    front = api.client.get(back["previous"]).json()
    assert [each["id"] for each in front["results"]] == made[:3]
    assert front["previous"] is None


def test_a_row_that_arrives_meanwhile_does_not_shift_the_next_page(api: Api, team: Team) -> None:
    made = [str(rows.connection(team).code) for _ in range(4)][::-1]
    page = api.get("connections/", limit=2)
    rows.connection(team)
    page = api.client.get(page["next"]).json()
    assert [each["id"] for each in page["results"]] == made[2:]


def test_a_cursor_tells_nothing_about_primary_keys(api: Api, team: Team) -> None:
    first, second = rows.connection(team), rows.connection(team)
    assert first.pk < second.pk
    cursor = api.get("connections/", limit=1)["next"].split("cursor=")[1].split("&")[0]
    assert cursor.startswith("gAAAA")


@pytest.mark.parametrize("cursor", ["x", "cD0xMg==", "é"])
def test_a_made_up_cursor_is_refused(api: Api, cursor: str) -> None:
    answer = api.refused("orders/", cursor=cursor)
    assert (answer["code"], answer["field"]) == ("invalid-cursor", "cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "", "1e3", "99999999"])
def test_a_limit_that_is_no_number_of_rows_is_refused(api: Api, limit: str) -> None:
    answer = api.refused("orders/", limit=limit)
    assert (answer["code"], answer["field"]) == ("invalid-limit", "limit")
    assert answer["message"].endswith("Use a whole number from 1 to 200.")


def test_a_limit_above_the_greatest_gives_the_greatest(api: Api, team: Team) -> None:
    rows.connection(team)
    assert len(api.get("connections/", limit=201)["results"]) == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"status": "done"}, "invalid-status"),
        ({"status": ""}, "invalid-status"),
        ({"account": "12"}, "invalid-account"),
        ({"since": "yesterday"}, "invalid-since"),
        ({"since": "2026-11-20"}, "invalid-since"),
        ({"since": "2026-11-20T15:00:00"}, "invalid-since"),
        ({"since": "2026-13-45T15:00:00Z"}, "invalid-since"),
        ({"tikcer": "AAPL"}, "unknown-filter"),
    ],
)
def test_a_filter_that_cannot_be_obeyed_is_refused_by_name(api: Api, query: dict[str, str], code: str) -> None:
    answer = api.refused("orders/", **query)
    assert (answer["code"], answer["field"]) == (code, next(iter(query)))


def test_a_refused_status_says_which_there_are(api: Api) -> None:
    message = api.refused("connections/", status="up")["message"]
    assert message == (
        "'up' is not a status. Use one or more of: "
        "signed_out, connecting, active, competing, resetting, unreachable, refused, paused, "
        "not_opened, pending, revoked, certificate_refused, encryption_failed."
    )


@pytest.mark.parametrize("path", ["orders/12/", "orders/nothing/", "nothing/", "orders/%00/"])
def test_an_address_where_nothing_is_answers_404_in_json(api: Api, path: str) -> None:
    assert api.refused(path, 404)["code"] == "not-found"


def test_a_forgotten_slash_is_put_right(api: Api) -> None:
    answer = api.ask("orders")
    assert (answer.status_code, answer.headers["Location"]) == (301, "/api/v1/orders/")


def test_the_index_lists_what_there_is(api: Api) -> None:
    assert sorted(api.get("")) == [
        "accounts",
        "adoptions",
        "calls",
        "connections",
        "contract-choices",
        "decisions",
        "executions",
        "foreign-orders",
        "group-changes",
        "groups",
        "guards",
        "messages",
        "notices",
        "orders",
        "pnl",
        "positions",
        "questions",
        "record",
        "refusals",
        "signals",
        "splits",
        "strategies",
        "subscriptions",
        "trades",
        "unclaimed-orders",
    ]


def test_the_description_is_public_and_names_every_list(db: None) -> None:
    answer = Client().get("/api/v1/schema/", {"format": "json"})
    assert answer.status_code == 200
    described = answer.json()
    assert len([path for path in described["paths"] if path.endswith("/") and "{" not in path]) >= 9
    assert described["components"]["securitySchemes"]["token"]["name"] == "Authorization"
    assert "Location" not in answer.headers


def test_too_many_questions_are_told_to_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rest_framework.throttling.UserRateThrottle.rate", "2/min", raising=False)
    # Tests that run beside this one count in the same Valkey, for users with the same key in databases of their own.
    monkeypatch.setattr("rest_framework.throttling.UserRateThrottle.scope", f"test-{uuid4()}")
    api.get("orders/")
    api.get("orders/")
    answer = api.ask("orders/")
    assert answer.status_code == 429
    assert answer.json()["code"] == "throttled"
    assert int(answer.headers["Retry-After"]) > 0


def test_reading_goes_on_while_redis_is_away(api: Api, settings: Any) -> None:
    nowhere = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    with override_settings(CACHES=nowhere):
        assert api.get("orders/")["results"] == []


def test_a_cursor_is_good_for_one_team_and_one_list(api: Api, team: Team, alice: User, charlie: User) -> None:
    for n in range(3):
        rows.connection(team, username=f"u{n}", now=timezone.now())
    cursor = parse_qs(urlsplit(api.get("connections/", limit=1)["next"]).query)["cursor"][0]
    assert len(api.get("connections/", limit=1, cursor=cursor)["results"]) == 1
    other = teams.found_team(owner=alice, name="Another", now=timezone.now())
    for asked in (Api(other, alice), Api(teams.found_team(owner=charlie, name="C", now=timezone.now()), charlie)):
        assert asked.refused("connections/", 400, cursor=cursor)["code"] == "invalid-cursor"
    assert api.refused("orders/", 400, cursor=cursor)["code"] == "invalid-cursor"
    # Another token of the same team goes on where the first one stopped.
    assert len(Api(team, alice).get("connections/", cursor=cursor)["results"]) == 2
