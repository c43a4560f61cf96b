"""What a signal that modifies may say: at least one thing to change, and nothing that IBKR does not change in place."""

from __future__ import annotations

from brokers.domain.orders import TimeInForce
from strategies.domain.message.message import Action
from strategies.domain.message.refusals import invalid
from strategies.reading import fields
from strategies.reading.fields import names
from strategies.reading.sent import SentFields

ENTRY_ID_LENGTH = 120
_CHANGES = names("stopPrice limitPrice trailAmount trailPercent quantity stopLoss takeProfit goodTillDate timeInForce")
_OF_A_STOP = names("stopPrice trailAmount trailPercent")
_KEPT = names("orderType touchPrice limitOffset extendedHours")
# What Halyard keeps of an order itself: IBKR has both till they are canceled.
_ENDS = frozenset(map(str, (TimeInForce.GTC, TimeInForce.GTD)))
_EXAMPLE = '{"ticker": "SPY", "action": "modify", "stopPrice": 95}'


def check(sent: SentFields, action: Action) -> str | None:
    """The name of the entry whose orders are meant, None where the message names none; raises Refused."""
    entry_id = sent.read("entryId", _entry_id)
    if action is not Action.MODIFY:
        if entry_id is not None:
            raise invalid(
                "invalid-entry-id",
                f"entryId goes with modify, not with {action}. Leave it out.",
                field="entryId",
            )
        return None
    if sent.has_none_of(_CHANGES):
        raise invalid(
            "nothing-to-change",
            "modify says nothing to change. Send stopPrice, limitPrice, trailAmount, trailPercent, quantity, stopLoss, "
            "takeProfit or goodTillDate.",
            field="action",
            hint=_EXAMPLE,
        )
    for name in _KEPT:
        if name in sent.known:
            raise invalid(
                "invalid-modify",
                f"IBKR keeps the {name} of an order that works. Leave it out, or cancel the order and send a new one.",
                field=name,
            )
    if "timeInForce" in sent.known and str(sent.value("timeInForce")).strip().lower() not in _ENDS:
        raise invalid(
            "invalid-modify",
            "IBKR keeps the timeInForce of an order that works. Send gtc where it is to have no date any more, goodTillDate where it "
            "is to have another, or cancel the order and send a new one.",
            field="timeInForce",
        )
    leg = sent.value("stopLoss")
    if isinstance(leg, dict) and any(str(key).startswith("move") for key in leg):
        raise invalid(
            "invalid-modify",
            "stopLoss says when the stop moves, which goes with an entry. Send modify again when it is to move.",
            field="stopLoss",
        )
    stops = [name for name in _OF_A_STOP if name in sent.known]
    if stops and "stopLoss" in sent.known:
        raise invalid("invalid-modify", f"stopLoss and {stops[0]} both move a stop. Send one of them.", field=stops[0])
    if len(stops) > 1 and "stopPrice" in stops:
        raise invalid(
            "invalid-modify",
            f"stopPrice moves a stop that stands, and {stops[1]} one that trails. Send one of them.",
            field=stops[1],
        )
    return entry_id


def _entry_id(name: str, value: object) -> str:
    fields.refuse_placeholder(name, value)
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text or len(text) > ENTRY_ID_LENGTH or not text.isprintable():
        raise invalid(
            "invalid-entry-id",
            f"{name} is {fields.shown(value)}. Send the signalId, the orderId or a tag of the signal that entered.",
            field=name,
        )
    return text
