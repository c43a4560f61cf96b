"""Several take profits in a form: the further targets and their parts, each as a list in one field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from brokers.domain.orders import MoveTo, StopMove
from strategies.builder.message import listed
from strategies.domain.message.message import MOST_RUNGS, Bracket, Ladder, Rung
from strategies.domain.numbers import plain
from strategies.reading.fields import number

MORE, PARTS = "take_profit_more", "take_profit_parts"
_LONGEST = 300


def _field(label: str, help_text: str, placeholder: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": placeholder})
    return forms.CharField(label=label, required=False, max_length=_LONGEST, help_text=help_text, widget=widget)


def more_field() -> forms.CharField:
    return _field(
        "Further targets",
        f"Beyond the first, separated by spaces, each further from the entry; {MOST_RUNGS} targets at most.",
        "4 6",
    )


def parts_field() -> forms.CharField:
    return _field(
        "Parts of the targets",
        "Of the entry, for each target: 50% 30% 20%, or units: 5 3 2. Empty: equal parts. What is left over stays under the "
        "stop alone.",
        "50% 30% 20%",
    )


def moves_field() -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Once targets have filled, the stop",
        choices=[
            ("", "Stays"),
            (str(MoveTo.BREAK_EVEN), "Goes to break-even"),
            (str(MoveTo.TRAIL_AMOUNT), "Trails by an amount"),
            (str(MoveTo.TRAIL_PERCENT), "Trails by percent"),
        ],
        required=False,
        help_text="In place at IBKR, with several targets: break-even is the average price at which the entry has filled.",
    )


def after_field() -> forms.IntegerField:
    return forms.IntegerField(
        label="After so many targets", required=False, min_value=1, max_value=MOST_RUNGS, help_text="Empty: the first."
    )


def move(to: str, by: Decimal | None, after: int | None) -> StopMove | None:
    """What becomes of the stop, by what the fields say."""
    return None if not to else StopMove(after=after or 1, to=MoveTo(to), by=by or Decimal(0))


def written_move(rule: StopMove | None) -> dict[str, Any]:
    """The values of the fields of a stop that moves."""
    if rule is None:
        return {"stop_loss_moves": "", "stop_loss_moves_by": None, "stop_loss_moves_after": None}
    by = plain(rule.by) if rule.by else None
    return {"stop_loss_moves": str(rule.to), "stop_loss_moves_by": by, "stop_loss_moves_after": rule.after}


def sizes(text: str, count: int) -> list[tuple[str, Decimal]]:
    """For each of `count` targets its part: ("%", 50) or ("", 3); empty for equal parts. Raises ValidationError."""
    entries = listed(text)
    if not entries:
        return []
    if len(entries) != count:
        raise forms.ValidationError(
            f"There are {count} targets and {len(entries)} parts. Write one for each, or none.", "parts-and-targets"
        )
    found: list[tuple[str, Decimal]] = []
    for entry in entries:
        unit = "%" if entry.endswith("%") else ""
        value = number(entry.removesuffix("%"))
        if value is None:
            raise forms.ValidationError(f"{entry[:20]} is no part. Write it like 50%, or like 3.", "no-part")
        found.append((unit, value))
    return found


def read(mode: str, first: Decimal, more: str, parts: str) -> Bracket | Ladder:
    """One take profit or several, by what the fields say; raises ValidationError, whose first argument names the field."""
    values = [first]
    for entry in listed(more)[:MOST_RUNGS]:
        value = number(entry)
        if value is None:
            raise forms.ValidationError({MORE: f"{entry[:20]} is no number. Write them like 4 6."})
        values.append(value)
    try:
        each = sizes(parts, len(values))
    except forms.ValidationError as error:
        raise forms.ValidationError({PARTS: error.messages}) from None
    if len(values) == 1 and not each:
        return Bracket(mode=mode, value=first)
    brackets = [Bracket(mode=mode, value=value) for value in values]
    if not each:
        return Ladder(tuple(Rung(target=bracket) for bracket in brackets))
    return Ladder(
        tuple(
            Rung(target=bracket, percent=size) if unit else Rung(target=bracket, quantity=size)
            for bracket, (unit, size) in zip(brackets, each, strict=True)
        )
    )


def written(profit: Bracket | Ladder | None) -> dict[str, Any]:
    """The values of the fields of a take profit, the first target's included."""
    if not isinstance(profit, Ladder):
        value = plain(profit.value) if profit else None
        return {"take_profit_mode": profit.mode if profit else "", "take_profit_value": value, MORE: "", PARTS: ""}
    first, *further = (rung.target for rung in profit.rungs)
    percents = [f"{plain(rung.percent)}%" for rung in profit.rungs if rung.percent is not None]
    parts = percents or [plain(rung.quantity) for rung in profit.rungs if rung.quantity is not None]
    return {
        "take_profit_mode": first.mode,
        "take_profit_value": plain(first.value),
        MORE: " ".join(plain(each.value) for each in further),
        PARTS: " ".join(parts),
    }
