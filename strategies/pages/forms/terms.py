"""The terms of a subscription as a form: every setting with its own words, in sections one can read from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.forms import BoundField
from django.utils import timezone

from strategies.display.labels import CHOICES, LABELS, said
from strategies.domain.message.message import Bracket
from strategies.domain.message.symbols import Kind
from strategies.domain.numbers import plain
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.effective import SIGNAL_FIELDS
from strategies.domain.terms.terms import DECIMALS, NAMES, Terms
from strategies.domain.terms.windows import DAYS
from strategies.pages.forms.windows import WindowsField, empty_row
from strategies.setup.strategy_settings import Unusable, read_tickers

NO_CHOICE = ("", "None")
AS_ENTRIES = ("", "As entries")
YES_NO = {"": None, "yes": True, "no": False}
# What of the terms stands in more than one field, by the field that shows what is wrong with it.
_SHOWN_AT = {"take_profit": "take_profit_value", "stop_loss": "stop_loss_value"}
# Fields a section shows at once; the others wait behind "more" while they say nothing unusual.
FIRST = frozenset(
    {
        "tickers",
        "sides",
        "allow_swap",
        "allow_add",
        "quantity",
        "quantity_type",
        "order_type",
        "time_in_force",
        "outside_rth",
        "take_profit_mode",
        "take_profit_value",
        "stop_loss_mode",
        "stop_loss_value",
        "stop_loss_type",
        "auto_submit",
        "approval_seconds",
    }
)


def word(name: str, help_text: str = "", *, none: tuple[str, str] | None = None, without: tuple[str, ...] = ()) -> Any:
    """A choice among the words of a setting; `none` is the choice of nothing."""
    choices = [(str(value), text) for value, text in CHOICES[name].items() if value not in without]
    return forms.ChoiceField(
        label=LABELS[name],
        choices=[*([none] if none else []), *choices],
        required=none is None,
        help_text=help_text,
    )


def number(name: str, help_text: str = "", label: str = "", *, required: bool = False) -> forms.DecimalField:
    """A decimal. Its bounds are the terms' own, with their sentence."""
    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.DecimalField(
        label=label or LABELS[name],
        max_digits=24,
        decimal_places=8,
        required=required,
        help_text=help_text,
        widget=widget,
    )


def whole(name: str, help_text: str = "", *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(label=LABELS[name], required=required, help_text=help_text)


def switch(name: str, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=LABELS[name], required=False, help_text=help_text)


class TermsForm(forms.Form):
    """`TermsForm(terms=terms)` shows terms, `terms()` of a valid form gives them back.

    `kind`: what the strategy trades, for reading tickers; without it they are taken as they are written.
    """

    tickers = forms.CharField(
        label=LABELS["tickers"],
        required=False,
        max_length=2000,
        help_text="Separated by spaces, at most 100; of futures the roots. Empty takes any.",
        widget=forms.TextInput(attrs={"placeholder": "Any", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    sides = word("sides", "Which positions signals may open. A signal against an open position closes it all the same.")
    allow_swap = switch(
        "allow_swap", "A sell while long closes it, waits for the fill, and opens short. Off, it only closes."
    )
    allow_add = switch(
        "allow_add", "Off, a second buy on a long position is rejected. A signal that says add adds anyway."
    )
    subtract_exit_quantity = switch(
        "subtract_exit_quantity", "Short 10, a buy of 15: closes 10 and opens 5. Off, it closes 10 and opens 15."
    )
    isolate_sides = switch("isolate_sides", "With one side only: positions of the other side are not closed either.")
    ignore_exits = switch("ignore_exits", "Nothing that would reduce a position is ordered.")
    close_only = switch("close_only", "Exits go on, entries are rejected. For winding down.")
    invert_puts = switch("invert_puts", "A buy of a put is read as a sell of it, and the other way round.")

    quantity = number("quantity", "Used where the signal says none, or may not. Empty: the signal has to bring one.")
    quantity_type = word("quantity_type", "Money and equity are the account's; risk is measured to the stop loss.")
    quantity_multiplier = number("quantity_multiplier", "0.5 trades half of what the signal says.", required=True)
    rounding = word("rounding", "IBKR takes whole units here.")

    order_type = word("order_type", "For signals that name none.")
    time_in_force = word("time_in_force")
    outside_rth = switch("outside_rth", "Limit and stop limit orders only; IBKR takes no others then.")
    market_price = word("market_price", "Which price of a quote an order is reckoned at.")
    trail_amount = number("trail_amount", "Of a trailing stop.")
    trail_percent = number("trail_percent", "Of a trailing stop, instead of the amount.")
    spread_amount = number("spread_amount", "A wider spread of bid and ask sends no entry.")
    spread_percent = number("spread_percent", "The same, in percent of the middle.")
    cancel_after = whole("cancel_after", "Seconds. What has not filled by then is canceled.", required=False)

    exit_order_type = word("exit_order_type", none=AS_ENTRIES)
    exit_time_in_force = word("exit_time_in_force", none=AS_ENTRIES)
    exit_outside_rth = forms.ChoiceField(
        label=LABELS["exit_outside_rth"], choices=[AS_ENTRIES, ("yes", "Yes"), ("no", "No")], required=False
    )
    exit_market_price = word("exit_market_price", none=AS_ENTRIES)
    exit_trail_amount = number("exit_trail_amount", "Empty: as entries.")
    exit_trail_percent = number("exit_trail_percent", "Empty: as entries.")
    exit_spread_amount = number("exit_spread_amount", "Empty: as entries.")
    exit_spread_percent = number("exit_spread_percent", "Empty: as entries.")
    exit_cancel_after = whole("exit_cancel_after", "Seconds. Empty: as entries.", required=False)

    stop_loss_mode = word(
        "stop_loss", "For signals that bring none. Kept at the broker until it fills or you leave.", none=NO_CHOICE
    )
    stop_loss_value = number("stop_loss", label="Stop loss value")
    stop_loss_type = word("stop_loss_type")
    take_profit_mode = word("take_profit", none=NO_CHOICE)
    take_profit_value = number("take_profit", label="Take profit value")
    breakeven_offset = number(
        "breakeven_offset", "So far on the good side of the average price, for the action breakeven."
    )

    windows = WindowsField(
        label=LABELS["windows"],
        required=False,
        help_text="From, up to and without the end; an end before the start is the next day's. Without a row it trades at any time.",
    )
    exits_outside_windows = switch("exits_outside_windows", "Off, a position may have to stay until the next window.")
    hours = word("hours", "By the calendar of the exchange.")
    market_closed = word("market_closed")

    working_entry = word("working_entry", "An entry of this subscription in the same ticker that has not filled.")
    cancel_orders = switch(
        "cancel_orders", "Every working order in the ticker, protection too, before an order is made."
    )
    cancel_wait_seconds = whole("cancel_wait_seconds", "Seconds for the broker to confirm; then nothing is sent.")
    exit_wait_seconds = whole("exit_wait_seconds", "Seconds for it to fill before the other side may be entered.")
    exit_unfilled = word("exit_unfilled")
    entry_time_to_live_seconds = whole("entry_time_to_live_seconds", "Seconds. A later entry is not sent.")
    exit_time_to_live_seconds = whole("exit_time_to_live_seconds", "Seconds. Exits deserve more patience.")

    max_quantity = number("max_quantity", "Units, an order. A larger entry is rejected.")
    max_amount = number("max_amount", "In the account's currency, an order.")
    max_position = number("max_position", "Units, in one ticker.")
    max_position_amount = number("max_position_amount", "In the account's currency, in one ticker.")
    max_trades_per_day = whole("max_trades_per_day", "A day begins at midnight in New York.", required=False)
    cooldown_seconds = whole("cooldown_seconds", "Seconds in which no other entry is made.", required=False)
    max_daily_loss = number("max_daily_loss", "Of the account, in its currency. Then entries stop until tomorrow.")
    max_daily_profit = number("max_daily_profit", "The same, for the day's goal.")
    collar_percent = number("collar_percent", "Percent of the last price. Farther away nothing is opened.")

    allow_overrides = switch("allow_overrides", "What a signal says counts, and the terms fill in the rest.")
    signal_fields = forms.MultipleChoiceField(
        label=LABELS["signal_fields"],
        required=False,
        choices=[(name, CHOICES["signal_fields"][name]) for name in SIGNAL_FIELDS],
        widget=forms.CheckboxSelectMultiple,
        help_text="While signals may not override everything.",
    )

    auto_submit = switch(
        "auto_submit", "Off, each plan waits on the approvals page until an approver sends it or declines."
    )
    approval_seconds = whole("approval_seconds", "Seconds. A plan that nobody answered by then is dropped.")

    def __init__(
        self, data: Any = None, *, terms: Terms | None = None, kind: Kind | None = None, now: datetime | None = None
    ) -> None:
        self.stated = terms or Terms()
        super().__init__(data, initial=self.initial_of(self.stated), auto_id="terms_%s")
        self.kind, self.now = kind, now

    @staticmethod
    def initial_of(terms: Terms) -> dict[str, Any]:
        """The fields of some terms, decimals as people write them. A leg with a type of its own shows it as the leg's type."""
        values = {name: getattr(terms, name) for name in NAMES if name in TermsForm.base_fields}
        values |= {name: plain(value) for name, value in values.items() if name in DECIMALS and value is not None}
        values |= {
            "tickers": " ".join(terms.tickers),
            "signal_fields": list(terms.signal_fields),
            "windows": [window.to_json() for window in terms.windows],
            "exit_outside_rth": next(word for word, value in YES_NO.items() if value is terms.exit_outside_rth),
        }
        for name, leg in (("take_profit", terms.take_profit), ("stop_loss", terms.stop_loss)):
            values |= {f"{name}_mode": leg.mode if leg else "", f"{name}_value": plain(leg.value) if leg else None}
        if terms.stop_loss is not None and terms.stop_loss.type:
            values["stop_loss_type"] = terms.stop_loss.type
        return {name: "" if value is None else value for name, value in values.items()}

    def clean_tickers(self) -> tuple[str, ...]:
        text = str(self.cleaned_data["tickers"])
        if self.kind is None:
            return tuple(dict.fromkeys(text.replace(",", " ").upper().split()))
        try:
            return read_tickers(text, self.kind, self.now or timezone.now())
        except Unusable as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        for name in ("take_profit", "stop_loss"):
            mode, value = self.cleaned_data.get(f"{name}_mode"), self.cleaned_data.get(f"{name}_value")
            if mode and value is None and f"{name}_value" not in self.errors:
                self.add_error(f"{name}_value", "Say how far. Or choose none.")
            if not mode and value is not None and f"{name}_mode" not in self.errors:
                self.add_error(f"{name}_mode", "Say what the value counts. Or leave it empty.")
        if not self.errors:
            for name, sentence in contradictions(self.terms()):
                self.add_error(_SHOWN_AT.get(name, name), sentence)
        return self.cleaned_data

    def terms(self) -> Terms:
        """The terms of a form whose fields can be read."""
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in NAMES if name in self.fields}
        values |= {name: value or None for name, value in values.items() if name in _WORDS}
        values["exit_outside_rth"] = YES_NO[values["exit_outside_rth"] or ""]
        values["signal_fields"] = tuple(values["signal_fields"])
        for name in ("take_profit", "stop_loss"):
            mode, value = self.cleaned_data[f"{name}_mode"], self.cleaned_data[f"{name}_value"]
            values[name] = Bracket(mode=mode, value=value).canonical(typed=True) if mode and value is not None else None
        plain_values = {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in values.items()
            if name != "windows"
        }
        return Terms.from_json({**plain_values, "windows": [each.to_json() for each in values["windows"]]})

    def sections(self) -> list[Section]:
        """The form from top to bottom."""
        shown = self.shown_terms()
        return [_section(self, shown, *spec) for spec in SECTIONS]

    def shown_terms(self) -> Terms | None:
        """What the fields say now; None where they cannot be read."""
        if not self.is_bound:
            return self.stated
        return self.terms() if self.is_valid() else None

    def window_rows(self) -> list[dict[str, Any]]:
        """The rows of trading windows with an empty one at the end, each with its days ticked or not."""
        rows = [*(self["windows"].value() or []), empty_row()]
        return [_row(str(number), row, spare=number == len(rows) - 1) for number, row in enumerate(rows)]

    def zones(self) -> tuple[str, ...]:
        """Names of time zones to choose from."""
        return _zones()

    def window_pattern(self) -> dict[str, Any]:
        """The row a script copies."""
        return _row("__n__", empty_row(), spare=False)


_WORDS = frozenset(name for name, field in TermsForm.base_fields.items() if type(field) is forms.ChoiceField)


@cache
def _zones() -> tuple[str, ...]:
    # Reading their names looks at hundreds of files.
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))


def _row(number: str, row: Mapping[str, Any], *, spare: bool) -> dict[str, Any]:
    days = [{"value": day, "label": day.capitalize(), "on": day in row["days"]} for day in DAYS]
    # Seconds are shown where somebody has set some.
    step = 1 if any(len(str(row[name])) > 5 for name in ("start", "end")) else 60
    return {
        "number": number,
        "days": days,
        "start": row["start"],
        "end": row["end"],
        "zone": row["zone"],
        "spare": spare,
        "step": step,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the form. `says` sums its settings up where it is closed; `unusual`: some of them are not as they start."""

    key: str
    title: str
    lead: str
    first: list[BoundField]
    more: list[BoundField]
    says: str
    opened: bool
    more_opened: bool


SECTIONS: tuple[tuple[str, str, str, bool, tuple[str, ...]], ...] = (
    (
        "trades",
        "What it trades",
        "",
        True,
        (
            "tickers",
            "sides",
            "allow_swap",
            "allow_add",
            "subtract_exit_quantity",
            "isolate_sides",
            "ignore_exits",
            "close_only",
            "invert_puts",
        ),
    ),
    ("size", "How much", "", True, ("quantity", "quantity_type", "quantity_multiplier", "rounding")),
    (
        "entries",
        "Orders for entries",
        "",
        True,
        (
            "order_type",
            "time_in_force",
            "outside_rth",
            "cancel_after",
            "market_price",
            "trail_amount",
            "trail_percent",
            "spread_amount",
            "spread_percent",
        ),
    ),
    (
        "protection",
        "Protection",
        "Travels with every entry.",
        True,
        (
            "stop_loss_mode",
            "stop_loss_value",
            "stop_loss_type",
            "take_profit_mode",
            "take_profit_value",
            "breakeven_offset",
        ),
    ),
    ("approval", "Approval", "", True, ("auto_submit", "approval_seconds")),
    (
        "exits",
        "Orders for exits",
        "What is left as it is works like an entry.",
        False,
        (
            "exit_order_type",
            "exit_time_in_force",
            "exit_outside_rth",
            "exit_cancel_after",
            "exit_market_price",
            "exit_trail_amount",
            "exit_trail_percent",
            "exit_spread_amount",
            "exit_spread_percent",
        ),
    ),
    ("when", "When", "", False, ("windows", "exits_outside_windows", "hours", "market_closed")),
    (
        "flow",
        "One after the other",
        "Orders that work already, waits, and what is too late.",
        False,
        (
            "working_entry",
            "cancel_orders",
            "cancel_wait_seconds",
            "exit_wait_seconds",
            "exit_unfilled",
            "entry_time_to_live_seconds",
            "exit_time_to_live_seconds",
        ),
    ),
    (
        "guards",
        "Guards of this subscription",
        "Only entries are held back; the tighter of these and the guards above it holds.",
        False,
        (
            "max_quantity",
            "max_amount",
            "max_position",
            "max_position_amount",
            "max_trades_per_day",
            "cooldown_seconds",
            "max_daily_loss",
            "max_daily_profit",
            "collar_percent",
        ),
    ),
    ("overrides", "What a signal may override", "", False, ("allow_overrides", "signal_fields")),
)
_FRESH = Terms()


def _section(
    form: TermsForm, shown: Terms | None, key: str, title: str, lead: str, always: bool, names: tuple[str, ...]
) -> Section:
    first = [name for name in names if not always or name in FIRST]
    more = [name for name in names if name not in first]
    return Section(
        key=key,
        title=title,
        lead=lead,
        first=[form[name] for name in first],
        more=[form[name] for name in more],
        says=_says(names, shown),
        opened=always or _speaks(form, shown, first),
        more_opened=_speaks(form, shown, more),
    )


def _terms_name(name: str) -> str:
    return name.removesuffix("_mode").removesuffix("_value") if name not in NAMES else name


def _unusual(names: tuple[str, ...] | list[str], shown: Terms) -> Iterator[str]:
    for name in dict.fromkeys(_terms_name(name) for name in names):
        if getattr(shown, name) != getattr(_FRESH, name):
            yield name


def _speaks(form: TermsForm, shown: Terms | None, names: list[str]) -> bool:
    """Whether some of these fields say something unusual, or something wrong."""
    if any(name in form.errors for name in names):
        return True
    if shown is not None:
        return any(True for _ in _unusual(names, shown))
    start = TermsForm.initial_of(_FRESH)
    return any(str(form[name].value() or "") != str(start[name] or "") for name in names if name in start)


def _says(names: tuple[str, ...], shown: Terms | None) -> str:
    if shown is None:
        return ""
    return " · ".join(f"{LABELS[name]}: {said(name, getattr(shown, name))}" for name in _unusual(names, shown))
