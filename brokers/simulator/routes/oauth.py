"""The three OAuth 1.0a requests: a request token, an access token, a live session token."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from brokers.simulator.calls import Call, Routes
from brokers.simulator.oauth import signatures
from brokers.simulator.oauth.oauth import OUT_OF_BAND, Consumer, Presented
from brokers.simulator.oauth.problems import badly_signed
from brokers.simulator.wire import Answer

ROUTES = Routes()

_HEX = re.compile(r"[0-9a-fA-F]{1,8192}")


def _signed(call: Call) -> Presented:
    if call.presented is None:
        raise badly_signed("there is no OAuth header")
    return call.presented


def _consumer(call: Call, signed: Presented) -> Consumer:
    """The consumer that signed this call with its signature key."""
    oauth = call.gateway.oauth
    consumer = oauth.consumer(signed)
    oauth.check_rsa(consumer, signed, slack_s=call.gateway.behaviour.oauth_slack_s)
    return consumer


@ROUTES.add("POST", "/oauth/request_token")
def request_token(call: Call) -> Answer:
    signed = _signed(call)
    consumer = _consumer(call, signed)
    callback = signed.signed.get("oauth_callback", "")
    if callback != OUT_OF_BAND and not _is_web_address(callback):
        raise badly_signed("oauth_callback is an http or https address, or oob")
    return Answer({"oauth_token": call.gateway.oauth.ask(consumer, callback, call.now).token})


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    printable = all(" " < character < "\x7f" for character in text)
    return printable and parts.scheme in {"http", "https"} and bool(parts.hostname) and len(text) <= 2000


@ROUTES.add("POST", "/oauth/access_token")
def access_token(call: Call) -> Answer:
    signed = _signed(call)
    consumer = _consumer(call, signed)
    granted = call.gateway.oauth.exchange(consumer, signed, call.now)
    call.gateway.store.save([granted])
    return Answer(
        {
            "is_paper": True,
            "oauth_token": granted.token,
            "oauth_token_secret": signatures.sealed(signatures.public_key(consumer.encryption_key), granted.secret),
        }
    )


@ROUTES.add("POST", "/oauth/live_session_token")
def live_session_token(call: Call) -> Answer:
    """Agree on a live session token; the access token's secret proves who asks, and is part of the result."""
    signed, oauth, behaviour = _signed(call), call.gateway.oauth, call.gateway.behaviour
    consumer = oauth.consumer(signed)
    granted = oauth.granted(consumer, signed)
    oauth.check_rsa(consumer, signed, prepend=granted.secret.hex(), slack_s=behaviour.oauth_slack_s)
    challenge = signed.signed.get("diffie_hellman_challenge", "")
    if not _HEX.fullmatch(challenge):
        raise badly_signed("diffie_hellman_challenge is not a number in hex")
    try:
        response, token = signatures.agree(
            prime=consumer.dh_prime, generator=consumer.dh_generator, challenge=challenge, secret=granted.secret
        )
    except ValueError:
        raise badly_signed("the challenge does not belong to this consumer's Diffie-Hellman prime") from None
    until = call.now + behaviour.lst_life_s
    oauth.open_session(granted, token, until)
    call.user.session.signed_in = True
    return Answer(
        {
            "diffie_hellman_response": response,
            "live_session_token_signature": signatures.proof(token, consumer.consumer_key),
            "live_session_token_expiration": int(until * 1000),
        }
    )
