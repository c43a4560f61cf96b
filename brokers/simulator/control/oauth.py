"""The control plane's part for signed requests: registering consumers, granting tokens, ending sessions."""

from __future__ import annotations

import re
from typing import Any

from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.oauth import signatures
from brokers.simulator.oauth.oauth import NOBODY, PARTIES, STATES, USERNAME, Consumer
from brokers.simulator.wire import Answer, error

_CONSUMER_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


def control_oauth(gateway: Gateway, method: str, parts: list[str], body: dict[str, Any]) -> Answer:
    """Answer one control request; `parts` is the path below /sim/v1/oauth."""
    try:
        match method, parts:
            case "GET", ["consumers"]:
                return Answer([_shown(c) for c in gateway.oauth.consumers.values()])
            case "POST", ["consumers"]:
                return _register(gateway, body)
            case "POST", ["consumers", key]:
                return _change(gateway, key, body)
            case "POST", ["consumers", key, "tokens"]:
                return _grant(gateway, key, body)
            case "POST", ["consumers", key, "revoke"]:
                return _revoke(gateway, key, body)
            case "POST", ["expire"]:
                return Answer({"expired": gateway.oauth.expire(body.get("username"))})
            case "POST", ["live_usernames"]:
                gateway.oauth.live_usernames = set(map(str, body.get("usernames") or []))
                return Answer({"usernames": sorted(gateway.oauth.live_usernames)})
            case "GET", ["refusals"]:
                return Answer(list(gateway.oauth.refusals))
    except (ValueError, TypeError) as problem:
        return error(str(problem))
    return error("Not Found", 404)


def _register(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Register a consumer with its public keys, or give one new keys."""
    key = str(body.get("consumer_key") or "")
    if not _CONSUMER_KEY.fullmatch(key):
        raise ValueError("consumer_key is 1 to 64 letters, digits, dashes and underscores.")
    prime, generator = _numbers(body)
    signatures.check_prime(prime, generator)
    consumer = Consumer(
        consumer_key=key,
        name=str(body.get("name") or key)[:100],
        party=_one_of("party", body.get("party", "third"), PARTIES),
        signature_key=str(body.get("signature_key") or ""),
        encryption_key=str(body.get("encryption_key") or ""),
        dh_prime=prime,
        dh_generator=generator,
        state=_one_of("state", body.get("state", "active"), STATES),
    )
    for pem in (consumer.signature_key, consumer.encryption_key):
        signatures.public_key(pem)
    gateway.oauth.consumers[key] = consumer
    gateway.store.save([consumer])
    return Answer(_shown(consumer), 201)


def _numbers(body: dict[str, Any]) -> tuple[int, int]:
    if body.get("dh_params"):
        return signatures.dh_numbers(str(body["dh_params"]))
    if not body.get("dh_prime"):
        raise ValueError("Give dh_params, the content of dhparam.pem, or dh_prime in hex.")
    return int(str(body["dh_prime"]), 16), int(body.get("dh_generator", 2))


def _one_of(name: str, value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}.")
    return str(value)


def _change(gateway: Gateway, key: str, body: dict[str, Any]) -> Answer:
    """Move a consumer to another state."""
    consumer = _known(gateway, key)
    consumer.state = _one_of("state", body.get("state"), STATES)
    gateway.store.save([consumer])
    return Answer(_shown(consumer))


def _grant(gateway: Gateway, key: str, body: dict[str, Any]) -> Answer:
    """What the broker's self-service page gives to the owner of a first-party consumer."""
    consumer, username = _known(gateway, key), str(body.get("username") or "")
    if not USERNAME.fullmatch(username) or username == NOBODY:
        raise ValueError("username is 1 to 64 letters, digits, dots, dashes and underscores.")
    gateway.user(username)
    granted = gateway.oauth.grant(consumer, username)
    gateway.store.save([granted])
    sealed = signatures.sealed(signatures.public_key(consumer.encryption_key), granted.secret)
    return Answer({"access_token": granted.token, "access_token_secret": sealed, "username": username}, 201)


def _revoke(gateway: Gateway, key: str, body: dict[str, Any]) -> Answer:
    """What a user does on the broker's page of the programs that they have let in."""
    consumer, username = _known(gateway, key), str(body.get("username") or "")
    revoked = gateway.oauth.revoke(consumer, username)
    gateway.store.save([t for t in gateway.oauth.tokens.values() if t.consumer_key == key and t.username == username])
    return Answer({"revoked": revoked})


def _known(gateway: Gateway, key: str) -> Consumer:
    if (consumer := gateway.oauth.consumers.get(key)) is None:
        raise ValueError(f"No consumer has the key {key}. POST /sim/v1/oauth/consumers registers one.")
    return consumer


def _shown(consumer: Consumer) -> dict[str, Any]:
    return {
        "consumer_key": consumer.consumer_key,
        "name": consumer.name,
        "party": consumer.party,
        "state": consumer.state,
        "realm": consumer.realm,
    }
