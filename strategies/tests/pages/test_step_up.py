"""What moves real money or shows a secret asks for a fresh proof on every page; what stops or tightens never does."""

from __future__ import annotations

import datetime as dt
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.entrance.step_up import PROVED_AT
from accounts.models import Team, User
from accounts.tests.entrance.factors import with_app
from brokers.models import BrokerageAccount, Connection
from strategies.models import Guard, Signal, Strategy, Subscription
from strategies.setup import strategies, subscriptions
from strategies.tests import rows
from strategies.webhook.passwords import signing_keys

pytestmark = pytest.mark.django_db
LATER = dt.timedelta(minutes=11)
HEADER = {"part": "header", "header": "X-Gateway-Secret", "secret": "0123456789abcdef-of-a-proxy"}


@pytest.fixture
def stale(alice: User, team: Team) -> Client:
    """Alice's browser, eleven minutes after she signed in."""
    client = Client()
    with time_machine.travel(timezone.now() - LATER, tick=False):
        client.force_login(alice)
    return client


@pytest.fixture
def live_connection(team: Team) -> Connection:
    return Connection.objects.create(
        team=team, name="Live", username="alice1", environment="live", base_url="https://gateway.example/v1/api"
    )


@pytest.fixture
def follower(team: Team, live_connection: Connection, now: datetime) -> Subscription:
    """An enabled subscription of a live account."""
    account = BrokerageAccount.objects.create(
        team=team, connection=live_connection, account_id="U1234567", is_paper=False
    )
    return rows.subscription(rows.strategy(team, now), account, now)


def asks(answer: Any) -> bool:
    """Whether the answer leads to the confirmation, and to nothing else."""
    return bool(answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/reauthenticate/"))


def fresh(client: Client) -> Client:
    session = client.session
    session[PROVED_AT] = timezone.now().timestamp()
    session.save()
    return client


def test_what_a_gateways_proxy_is_shown_takes_a_proof(stale: Client, team: Team, live_connection: Connection) -> None:
    page = f"/teams/{team.code}/connections/{live_connection.code}/proxy/"

    assert asks(stale.get(page))
    assert asks(stale.post(page, HEADER))

    live_connection.refresh_from_db()
    assert not live_connection.secrets.open()
    # It carries a secret, so it is kept nowhere meanwhile.
    assert HEADER["secret"] not in str(dict(stale.session))
    assert fresh(stale).post(page, HEADER).headers["Location"] == page
    live_connection.refresh_from_db()
    assert live_connection.secrets.open()["proxy_secret"] == HEADER["secret"]


def test_a_paper_gateways_secret_is_one_too(stale: Client, team: Team, live_connection: Connection) -> None:
    Connection.objects.update(environment="paper")
    page = f"/teams/{team.code}/connections/{live_connection.code}/proxy/"
    assert asks(stale.post(page, HEADER))


def test_a_webhooks_password_is_shown_on_no_page_without_a_proof(stale: Client, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    endpoint = strategy.endpoints.get()
    page = f"/teams/{team.code}/strategies/{strategy.code}/"
    secret = strategies.webhook_url(endpoint).rpartition("/")[2]

    assert stale.get(page).status_code == 200
    assert asks(stale.get(page, {"reveal": str(endpoint.code)}))
    assert asks(stale.get(f"/teams/{team.code}/webhooks/{endpoint.code}/secret/"))
    script = {"sec-fetch-mode": "cors"}
    copied = stale.get(f"{page}build/text/", {"source": "curl", "sign": "on"}, headers=script)
    assert copied.status_code == 403
    assert copied.headers["Halyard-Confirm"].startswith("/accounts/reauthenticate/")
    assert secret not in copied.text

    assert secret in fresh(stale).get(page, {"reveal": str(endpoint.code)}).text


def test_a_text_to_paste_that_holds_a_secret_takes_a_proof(stale: Client, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    endpoint = strategy.endpoints.get()
    held = {strategies.webhook_url(endpoint), signing_keys(endpoint.code)[0]}
    copy = f"/teams/{team.code}/strategies/{strategy.code}/build/text/"
    for source in ("tradingview", "curl", "python", "javascript"):
        choice = {"source": source, "sign": "on"}
        text = fresh(stale).get(copy, choice).text
        session = stale.session
        session[PROVED_AT] = (timezone.now() - LATER).timestamp()
        session.save()
        again = stale.get(copy, choice)
        if any(secret in text for secret in held):
            assert asks(again), source
        else:
            assert again.text == text, source


def test_a_strategy_with_live_followers_is_switched_on_with_a_proof(
    stale: Client, team: Team, follower: Subscription
) -> None:
    switch = f"/teams/{team.code}/strategies/{follower.strategy.code}/switch/"
    page = f"/teams/{team.code}/strategies/{follower.strategy.code}/"

    assert stale.post(switch, {"enabled": "no"}).headers["Location"] == page  # stopping asks for nothing
    assert asks(stale.post(switch, {"enabled": "yes"}))
    assert not Strategy.objects.get().enabled
    assert fresh(stale).post(switch, {"enabled": "yes"}).headers["Location"] == page
    assert Strategy.objects.get().enabled


def test_a_strategy_without_live_followers_is_switched_on_at_once(
    stale: Client, team: Team, follower: Subscription, now: datetime
) -> None:
    subscriptions.disable(subscription=follower, actor=None, now=now)
    switch = f"/teams/{team.code}/strategies/{follower.strategy.code}/switch/"
    stale.post(switch, {"enabled": "no"})
    assert not asks(stale.post(switch, {"enabled": "yes"}))


def test_a_signal_by_hand_to_a_live_account_takes_a_proof(stale: Client, team: Team, follower: Subscription) -> None:
    page = f"/teams/{team.code}/signals/try/"
    signal = {"strategy": str(follower.strategy.code), "action": "buy", "ticker": "AAPL", "quantity": "1"}

    assert stale.post(page, {**signal, "check": "yes"}).status_code == 200  # a rehearsal sends nothing
    assert asks(stale.post(page, signal))
    assert not Signal.objects.exists()
    assert not asks(fresh(stale).post(page, signal))


def test_answers_to_a_live_brokers_questions_take_a_proof_and_no_answers_none(
    stale: Client, team: Team, live_connection: Connection
) -> None:
    page = f"/teams/{team.code}/connections/{live_connection.code}/exits/"
    assert asks(stale.post(page, {"confirms_exits": "yes"}))
    assert not Connection.objects.get().confirms_exits
    fresh(stale).post(page, {"confirms_exits": "yes"})
    assert Connection.objects.get().confirms_exits


@pytest.mark.parametrize(
    ("tight", "loose"),
    [
        ({"what": "limits", "max_quantity": "5"}, {"what": "limits", "max_quantity": "50"}),
        ({"what": "limits", "max_quantity": "5"}, {"what": "limits"}),
        ({"what": "restricted", "restricted": "GME"}, {"what": "restricted", "restricted": ""}),
        (
            {"what": "lockout", "length": "240", "reason": "News"},
            {"what": "lockout", "length": "15", "reason": "Enough"},
        ),
    ],
)
def test_tightening_asks_for_nothing_and_loosening_takes_a_proof(
    stale: Client, team: Team, tight: dict[str, str], loose: dict[str, str]
) -> None:
    page = f"/teams/{team.code}/guards/team/{team.code}/"
    assert stale.post(page, tight).headers["Location"] == page
    before = Guard.objects.values().get()

    assert asks(stale.post(page, loose))
    assert Guard.objects.values().get() == before
    assert fresh(stale).post(page, loose).headers["Location"] == page
    assert Guard.objects.values().get() != before


def test_a_known_password_is_not_enough_to_change_it_where_there_is_a_second_factor(stale: Client, alice: User) -> None:
    with_app(alice)
    page = "/accounts/password/change/"
    change = {"oldpassword": "alice's password", "password1": "quite another one 7", "password2": "quite another one 7"}
    for answer in (stale.get(page), stale.post(page, change)):
        assert answer.headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    alice.refresh_from_db()
    assert alice.check_password("alice's password")


def test_an_operator_looks_at_once_and_changes_with_a_proof(stale: Client, alice: User, bob: User) -> None:
    with_app(alice)
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    page = f"/admin/accounts/user/{bob.pk}/change/"

    assert stale.get(page).status_code == 200
    assert stale.post(page, {"is_staff": "on"}).headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_active) == (False, True)
    fresh(stale).post(page, {"is_staff": "on"})
    bob.refresh_from_db()
    assert (bob.is_staff, bob.is_active) == (True, False)
