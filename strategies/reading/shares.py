"""Parts of something, sent as a quantity: "50%", "half", "all". Never applied, but named as what they are."""

from __future__ import annotations

from decimal import Decimal

from strategies.domain.message.message import Action
from strategies.domain.message.refusals import invalid
from strategies.domain.numbers import plain
from strategies.reading.fields import number, shown

HUNDRED = Decimal(100)
_WORDS = {"all": HUNDRED, "full": HUNDRED, "whole": HUNDRED, "half": Decimal(50), "quarter": Decimal(25)}
_SIGNS = ("%", "percent", "pct")


def share(value: object) -> Decimal | None:
    """The percentage that a text such as "50%" or "half" means; None for anything else."""
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    for sign in _SIGNS:
        if text.endswith(sign):
            percent = number(text.removesuffix(sign))
            return percent if percent is not None and percent > 0 else None
    return None


def refuse_share(value: object, action: Action) -> None:
    """Refused, with the quantityType that says so, where the quantity is a part of something."""
    percent = share(value)
    if percent is None:
        return
    digits = plain(percent)
    if action is Action.EXIT and percent >= HUNDRED:
        sentence, hint = "Leave quantity out: exit closes the whole position.", '"action": "exit"'
    elif action is Action.EXIT:
        hint = f'"quantity": {digits}, "quantityType": "percent_of_position"'
        sentence = f"For {digits} % of the position send {hint}."
    else:
        hint = f'"quantity": {digits}, "quantityType": "percent_of_equity"'
        sentence = f"For {digits} % of the account send {hint}; of a position held, percent_of_position."
    raise invalid("invalid-quantity", f"quantity is {shown(value)}. {sentence}", field="quantity", hint=hint)
