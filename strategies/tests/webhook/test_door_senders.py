"""Who may send: addresses, TradingView alone, signatures; and who is believed about it."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from accounts.models import Team
from strategies.models import Refusal, SeenKey, Signal, Strategy, WebhookMinute
from strategies.tests import rows
from strategies.tests.webhook import doors
from strategies.webhook import intake
from strategies.webhook.passwords import password_for, signing_keys
from strategies.webhook.senders import SIGNATURE_HEADER, TOLERANCE_SECONDS, TRADINGVIEW_ADDRESSES

pytestmark = pytest.mark.django_db(transaction=True)

BODY = b'{"ticker":"SPY","action":"buy","quantity":1}'
TRADINGVIEW = "CN=TradingView Webhooks,O=TradingView\\, Inc.,L=Westerville,ST=Ohio,C=US"
PROXY = ("10.0.0.9", 4000)


@pytest.fixture
def strategy(team: Team) -> Strategy:
    return rows.strategy(team, timezone.now())


def ask(strategy: Strategy, **values: Any) -> Strategy:
    """Change what the strategy asks of its senders."""
    for name, value in values.items():
        setattr(strategy, name, value)
    strategy.save()
    return strategy


def send(strategy: Strategy, *, address: str = "203.0.113.7", **headers: str) -> doors.Response:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return doors.post(doors.path_of(strategy), BODY, headers=named, client=(address, 4000))


def signature(strategy: Strategy, body: bytes = BODY, *, at: float | None = None, key: str | None = None) -> str:
    endpoint = strategy.endpoints.get()
    moment = str(int(time.time() if at is None else at))
    secret = key or signing_keys(endpoint.code)[0]
    digest = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7", "198.51.100.200"])
def test_an_address_on_the_list_may_send(strategy: Strategy, address: str) -> None:
    ask(strategy, allowed_addresses=["203.0.113.7", "2001:db8::/64", "198.51.100.0/24"])
    assert send(strategy, address=address).status == 200


@pytest.mark.parametrize("address", ["203.0.113.8", "2001:db8:1::7", "52.89.214.238"])
def test_any_other_address_may_not(strategy: Strategy, address: str) -> None:
    ask(strategy, allowed_addresses=["203.0.113.7", "2001:db8::/64", "198.51.100.0/24"])
    answer = send(strategy, address=address)
    assert (answer.status, answer.code) == (400, "invalid-ip-address")
    assert address in answer.json["message"]
    assert Refusal.objects.get().message_code == "invalid-ip-address"
    # It is a stranger's, and uses up nothing of the limit.
    assert WebhookMinute.objects.get().taken == 0


@pytest.mark.parametrize("address", TRADINGVIEW_ADDRESSES)
def test_tradingview_only_takes_its_four_addresses(strategy: Strategy, address: str) -> None:
    ask(strategy, tradingview_only=True)
    assert send(strategy, address=address).status == 200
    assert send(strategy).code == "not-trading-view"


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        (TRADINGVIEW, 200),
        ("emailAddress=webhook-server@tradingview.com,CN=TradingView Webhooks,O=TradingView\\, Inc.", 200),
        ("/C=US/ST=Ohio/O=TradingView, Inc./CN=TradingView Webhooks", 200),
        ("CN=TradingView Webhooks,O=Somebody Else", 400),
        ("CN=TradingView Webhooks", 400),
        ("CN=Mallory,O=TradingView\\, Inc.,OU=CN=TradingView Webhooks", 400),
        ("CN=TradingView Webhooks,CN=Mallory,O=TradingView\\, Inc.", 400),
        ("not a name at all", 400),
    ],
)
def test_a_certificate_that_our_proxy_has_verified_is_as_good(strategy: Strategy, subject: str, status: int) -> None:
    ask(strategy, tradingview_only=True)
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"], CERTIFICATE_HEADER="X-Client-Subject"):
        answer = doors.post(
            doors.path_of(strategy),
            BODY,
            client=PROXY,
            headers=[("x-client-subject", subject), ("x-forwarded-for", "203.0.113.7")],
        )
    assert answer.status == status


def test_nobody_but_the_proxy_is_believed_about_certificates_and_addresses(strategy: Strategy) -> None:
    ask(strategy, tradingview_only=True)
    claims = [("x-client-subject", TRADINGVIEW), ("x-forwarded-for", TRADINGVIEW_ADDRESSES[0])]
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"], CERTIFICATE_HEADER="X-Client-Subject"):
        answer = doors.post(doors.path_of(strategy), BODY, headers=claims)
    assert answer.code == "not-trading-view"
    with override_settings(TRUSTED_PROXIES=["10.0.0.0/8"], CERTIFICATE_HEADER=""):
        answer = doors.post(doors.path_of(strategy), BODY, headers=claims[:1], client=PROXY)
    assert answer.code == "not-trading-view"


def test_a_signed_message_is_taken_where_signatures_are_required(strategy: Strategy) -> None:
    ask(strategy, signature_required=True)
    assert send(strategy, **{SIGNATURE_HEADER: signature(strategy)}).status == 200
    assert send(strategy).code == "signature-required"


def test_a_signature_may_be_half_of_a_rotation_old(strategy: Strategy) -> None:
    ask(strategy, signature_required=True)
    with override_settings(SERVER_KEYS=["older"]):
        old, path = signature(strategy), doors.path_of(strategy)
    with override_settings(SERVER_KEYS=["newer", "older"]):
        answer = doors.post(path, BODY, headers=[(SIGNATURE_HEADER, old)])
        assert answer.status == 200
        assert WebhookMinute.objects.get().old_key == 1
    with override_settings(SERVER_KEYS=["newer"]):
        assert doors.post(path, BODY).code == "invalid-password"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda strategy: signature(strategy, b"another body"), "invalid-signature"),
        (lambda strategy: signature(strategy, key=password_for(strategy.endpoints.get().code)), "invalid-signature"),
        (lambda strategy: signature(strategy, at=time.time() - 301), "signature-expired"),
        (lambda strategy: signature(strategy, at=time.time() + 301), "signature-expired"),
        (lambda strategy: "v1=" + "0" * 64, "invalid-signature"),
        (lambda strategy: "t=1,v1=zz", "invalid-signature"),
        (lambda strategy: "t=" + "9" * 400, "invalid-signature"),
    ],
)
def test_a_wrong_signature_is_refused_even_where_none_is_required(strategy: Strategy, make: Any, code: str) -> None:
    answer = send(strategy, **{SIGNATURE_HEADER: make(strategy)})
    assert (answer.status, answer.code) == (400, code)
    assert not Signal.objects.exists()


def test_our_own_test_button_works_whoever_may_send(strategy: Strategy) -> None:
    ask(strategy, tradingview_only=True, allowed_addresses=["192.0.2.1"], signature_required=True)
    sent = intake.send_test(strategy=strategy, message_body=BODY.decode(), actor=None, now=timezone.now())
    assert Signal.objects.get() == sent


def test_what_the_owner_changes_holds_for_the_next_delivery(strategy: Strategy) -> None:
    """The door remembers settings; it must not act on remembered ones."""
    path = doors.path_of(strategy)

    async def scenario(door: Any) -> list[str]:
        first = await doors.knock(door, path, BODY)
        await doors.in_thread(lambda: ask(strategy, allowed_addresses=["192.0.2.1"]))
        second = await doors.knock(door, path, {"ticker": "QQQ", "action": "buy"})
        return [str(first.status), second.code]

    assert doors.with_door(scenario) == ["200", "invalid-ip-address"]


def test_headers_are_kept_without_their_secrets(strategy: Strategy) -> None:
    send(
        strategy,
        User_Agent="Go-http-client/2.0",
        Authorization="Bearer abc",
        Cookie="session=1",
        X_Api_Key="k",
        Halyard_Signature=signature(strategy),
    )
    signal = Signal.objects.get()
    assert signal.headers["user-agent"] == "Go-http-client/2.0"
    assert {signal.headers[name] for name in ("authorization", "cookie", "x-api-key", "halyard-signature")} == {"•••"}
    assert "abc" not in str(signal.headers)


def test_of_many_long_headers_a_page_is_kept(strategy: Strategy) -> None:
    doors.post(doors.path_of(strategy), BODY, headers=[(f"x-{n}", "v" * 5_000) for n in range(200)])
    kept = Signal.objects.get().headers
    assert len(kept) == 30
    assert {len(value) for value in kept.values()} == {300}


def replay(strategy: Strategy, signed: str, body: bytes = BODY, **headers: str) -> doors.Response:
    named = [(SIGNATURE_HEADER, signed), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return doors.post(doors.path_of(strategy), body, headers=named)


def test_a_signed_message_that_somebody_caught_is_worth_nothing(strategy: Strategy) -> None:
    ask(strategy, signature_required=True, repeat_window_seconds=1)
    signed = signature(strategy)
    assert replay(strategy, signed).status == 200
    time.sleep(1.1)
    SeenKey.objects.filter(expires_at__lte=timezone.now()).delete()
    again = replay(strategy, signed)
    assert (again.status, again.json["messageCode"]) == (200, "duplicate-signal")
    assert replay(strategy, signed.replace(",", " , ")).json["messageCode"] == "duplicate-signal"
    assert Signal.objects.count() == 1
    left = SeenKey.objects.get().expires_at - timezone.now()
    assert left.total_seconds() > TOLERANCE_SECONDS


def test_the_same_message_signed_anew_is_a_new_one(strategy: Strategy) -> None:
    ask(strategy, signature_required=True)
    now = time.time()
    for at in (now - 2, now - 1, now):
        assert "messageCode" not in replay(strategy, signature(strategy, at=at)).json
    assert Signal.objects.count() == 3


def test_a_key_of_the_senders_inside_the_signed_body_still_counts(strategy: Strategy) -> None:
    ask(strategy, signature_required=True)
    body = b'{"ticker":"SPY","action":"buy","quantity":1,"signalId":"n-1"}'
    now = time.time()
    for at in (now - 1, now):
        assert replay(strategy, signature(strategy, body, at=at), body).status == 200
    assert Signal.objects.count() == 1


def test_a_caught_message_does_not_become_another_by_a_header_that_is_not_signed(strategy: Strategy) -> None:
    ask(strategy, signature_required=True)
    signed = signature(strategy)
    assert replay(strategy, signed).status == 200
    answer = replay(strategy, signed, Idempotency_Key="another")
    assert (answer.status, answer.code) == (400, "invalid-idempotency-key")
    assert "Put signalId into the body" in answer.json["message"]
    assert Signal.objects.count() == 1
