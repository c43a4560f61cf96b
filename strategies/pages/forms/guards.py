"""The forms of guards: limits, a lockout, restricted tickers, a stop."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms

from brokers.book.day_ledger import day_end
from strategies.control.flatten import DAYS
from strategies.control.limits import LIMITS_OF, LONGEST_REASON
from strategies.domain.clockwork import MOST_MINUTES, WEEK, Schedule
from strategies.domain.decide.guards import Halt, Level
from strategies.domain.message import lists
from strategies.models import Guard

_AMOUNTS = {
    "max_quantity": ("Units an order", "Shares or contracts."),
    "max_amount": ("Worth of an order", "In the account's currency."),
    "max_position": ("Units a position", "With everything that could still fill."),
    "max_position_amount": ("Worth of a position", "In the account's currency, with what could still fill."),
    "max_daily_loss": ("Loss a day", "Realised and not, after fees. Reached, it locks entries until tomorrow."),
    "max_daily_profit": ("Profit a day", "A goal: reached, it locks entries until tomorrow."),
}
_COUNTS = {
    "max_trades_per_day": ("Entries a day", "From midnight in New York."),
    "cooldown_seconds": ("Seconds between entries", "Longer is tighter."),
    "uncounted_from": (
        "Uncounted orders that stop entries",
        "Orders placed elsewhere whose money nobody tells: futures, options, and what has no price. 1 stops at the first.",
    ),
}


class LimitsForm(forms.Form):
    """The limits of one level; an empty field sets none."""

    def __init__(self, data: Any = None, *, level: Level, guard: Guard) -> None:
        super().__init__(data, initial={name: getattr(guard, name) for name in LIMITS_OF[level]})
        for name in LIMITS_OF[level]:
            label, text = (_AMOUNTS | _COUNTS)[name]
            options: dict[str, Any] = {"label": label, "help_text": text, "required": False}
            if name in _COUNTS:
                self.fields[name] = forms.IntegerField(min_value=1, max_value=2_000_000_000, **options)
            else:
                self.fields[name] = forms.DecimalField(
                    max_digits=23,
                    decimal_places=8,
                    min_value=0,
                    widget=forms.TextInput(attrs={"inputmode": "decimal"}),
                    **options,
                )
                if (value := self.initial[name]) is not None:
                    self.initial[name] = f"{value.normalize():f}"


class ReasonForm(forms.Form):
    """The reason of a stop, a lockout, or their end; it is kept with it."""

    reason = forms.CharField(
        label="Why",
        max_length=LONGEST_REASON,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="A few words. Every page shows them until it is over, and they stay on record.",
        error_messages={"required": "Say why, in a few words: they are kept, and others read them."},
    )


class StopForm(ReasonForm):
    """A stop: of entries or of everything, with the positions closed or kept."""

    how = forms.ChoiceField(
        choices=[(str(Halt.ENTRIES), "Entries"), (str(Halt.EVERYTHING), "Everything")], initial=str(Halt.ENTRIES)
    )
    flatten = forms.BooleanField(required=False)
    field_order = ("how", "flatten", "reason")


class LockoutForm(ReasonForm):
    """A lockout: for how long no entry is made."""

    LONG = (("15", "15 minutes"), ("60", "1 hour"), ("240", "4 hours"), ("day", "until the next trading day"))
    length = forms.ChoiceField(label="For", choices=LONG, initial="60")
    field_order = ("length", "reason")

    def until(self, now: datetime) -> datetime:
        """The end of a valid form's lockout."""
        length = self.cleaned_data["length"]
        return day_end(now) if length == "day" else now + timedelta(minutes=int(length))


class RestrictedForm(forms.Form):
    """Tickers in which no position may be opened."""

    restricted = forms.CharField(
        label="Tickers",
        required=False,
        max_length=5000,
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "placeholder": "GME AMC", "spellcheck": "false"}),
        help_text="Separated by spaces or commas, at most 100; for futures, the roots. Positions in them can still be closed.",
    )

    def tickers(self) -> list[str]:
        """The tickers of a valid form."""
        return lists.words(str(self.cleaned_data["restricted"]))


class FlattenForm(forms.Form):
    """When the positions of a level are closed by the clock."""

    NEVER, BEFORE, AT = "", "before", "at"
    when = forms.ChoiceField(
        label="Close its positions",
        required=False,
        choices=[(NEVER, "Not by the clock"), (BEFORE, "Before US shares close"), (AT, "At a time of day")],
    )
    minutes = forms.IntegerField(
        label="So many minutes before",
        required=False,
        min_value=1,
        max_value=MOST_MINUTES,
        help_text="Half days are known: there it is so many minutes before their earlier close.",
    )
    at = forms.TimeField(label="At", required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    zone = forms.CharField(
        label="In the time zone", required=False, max_length=64, help_text="Such as America/New_York."
    )
    days = forms.MultipleChoiceField(
        label="On",
        choices=[(str(number), name) for number, name in enumerate(DAYS)],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    def __init__(self, data: Any = None, *, schedule: Schedule | None, zone: str) -> None:
        initial: dict[str, Any] = {"zone": zone, "minutes": 15, "days": [str(day) for day in sorted(WEEK)]}
        if schedule is not None:
            initial["days"] = [str(day) for day in sorted(schedule.days)]
            if schedule.minutes_before_close is not None:
                initial |= {"when": self.BEFORE, "minutes": schedule.minutes_before_close}
            else:
                initial |= {"when": self.AT, "at": schedule.at, "zone": schedule.zone}
        super().__init__(data, initial=initial)

    def schedule(self) -> Schedule | None:
        """The schedule of a valid form; None where nothing is closed by the clock."""
        values = self.cleaned_data
        days = frozenset(int(day) for day in values["days"])
        if values["when"] == self.BEFORE:
            # Left empty it is refused as no number of minutes.
            return Schedule(days=days, minutes_before_close=values["minutes"] or 0)
        if values["when"] == self.AT:
            return Schedule(days=days, at=values["at"], zone=values["zone"].strip())
        return None
