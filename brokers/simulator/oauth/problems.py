"""How a signed request is refused: the broker's own words to the client, and the reason for who looks for it."""

from __future__ import annotations

from brokers.simulator.wire import Answer, error

INVALID_CONSUMER = error("id: 39687, error: invalid consumer", 401)
NOT_FOR_FIRST_PARTY = error("id: 39687, error: invalid consumer", 401)
INVALID_SIGNATURE = error("Invalid signature", 401)
TOKEN_EXPIRED = Answer(
    {"type": "/simple", "title": "Unauthorized", "status": 401, "detail": "Access token expired"},
    401,
    kind="application/problem+json",
)
GONE = Answer(text="Gone", status=410)


class Unauthorised(Exception):
    """A request whose signature is not accepted; `reason` is for the control plane, not for the client."""

    def __init__(self, answer: Answer, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


def badly_signed(reason: str, text: str = "") -> Unauthorised:
    """The signature, nonce or timestamp is wrong; `text` is what one way of signing would have signed."""
    return Unauthorised(INVALID_SIGNATURE, f"{reason}; signed should be, for one: {text}" if text else reason)


def no_secret(consumer_key: str) -> Answer:
    """No access token secret is known for this consumer."""
    return error(f"id: 118871, error: LST failed, error: No access secret key found for {consumer_key}", 401)
