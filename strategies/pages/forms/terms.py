"""The terms of a subscription as a form: a field for every setting, in its own words."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from brokers.domain.orders import StopMove
from brokers.domain.protection.choices import EXPLAINED, MissingStop
from brokers.domain.protection.choices import LABELS as MISSING_STOP_LABELS
from strategies.display.labels import CHOICES, LABELS
from strategies.domain.message import lists
from strategies.domain.message.message import Bracket, Ladder
from strategies.domain.message.options import expiration
from strategies.domain.message.symbols import Kind
from strategies.domain.numbers import plain
from strategies.domain.terms.contradictions import contradictions
from strategies.domain.terms.effective import SIGNAL_FIELDS
from strategies.domain.terms.terms import DECIMALS, NAMES, Terms
from strategies.pages.forms import targets
from strategies.pages.forms.sections import Section, sections
from strategies.pages.forms.setting_fields import (
    AS_ENTRIES,
    BY_THEMSELVES,
    NO_CHOICE,
    OF_THE_SIGNAL,
    number,
    switch,
    whole,
    word,
)
from strategies.pages.forms.windows import WindowsField, empty_row, row_context, zones
from strategies.setup.strategy_settings import Unusable, read_tickers

YES_NO = {"": None, "yes": True, "no": False}
_YES_OR_NO = ("exit_outside_rth", "legs_outside_rth")
# Settings that take more than one field, and the field that shows their errors.
_SHOWN_AT = {"take_profit": "take_profit_value", "stop_loss": "stop_loss_value"}


class TermsForm(forms.Form):
    """`TermsForm(terms=terms)` shows terms; `terms()` of a valid form returns them as changed.

    `kind`: what the strategy trades, for reading tickers; without it, tickers are kept as typed.
    """

    tickers = forms.CharField(
        label=LABELS["tickers"],
        required=False,
        max_length=2000,
        help_text="Separated by spaces, at most 100; for futures, the roots. Empty takes any.",
        widget=forms.TextInput(attrs={"placeholder": "Any", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    sides = word("sides", "Which positions signals may open. A signal against an open position still closes it.")
    allow_swap = switch(
        "allow_swap", "A sell while long closes it, waits for the fill, and opens short. Off, it only closes."
    )
    allow_add = switch(
        "allow_add", "Off, a second buy on a long position is rejected. A signal that says add adds anyway."
    )
    subtract_exit_quantity = switch(
        "subtract_exit_quantity",
        "Long 45, a sell of 90: closes 45, opens 45 short. Off, it opens 90 short. TradingView's quantity includes the exit.",
    )
    isolate_sides = switch("isolate_sides", "With one side only: positions of the other side are not closed either.")
    ignore_exits = switch("ignore_exits", "Nothing that would reduce a position is ordered.")
    close_only = switch("close_only", "Exits go on, entries are rejected. For winding down.")
    invert_puts = switch("invert_puts", "A buy of a put is read as a sell of it, and the other way round.")
    option_type = word("option_type", "For signals that name a share and not the option.", none=OF_THE_SIGNAL)
    option_expiration = forms.CharField(
        label=LABELS["option_expiration"],
        required=False,
        max_length=20,
        help_text='A date, or how far ahead it is: "+1 week", "+30 days". The first day of expiry from then on.',
        widget=forms.TextInput(attrs={"placeholder": "The signal's", "autocomplete": "off"}),
    )
    option_strikes_away = whole(
        "option_strikes_away",
        "0 is at the money, 2 the second strike out of it, -1 the first one in it.",
        required=False,
    )
    option_spread_percent = number(
        "option_spread_percent",
        "Of the middle of bid and ask. With a wider one, or without a live bid and ask, no option is entered. Empty: not asked.",
    )
    index_option_spread_percent = number(
        "index_option_spread_percent", "The same of options on indices and on futures."
    )
    close_ending_minutes = whole(
        "close_ending_minutes",
        "Minutes before the close of its last day at which an option is closed at the market. Empty: it ends by itself, and "
        "the dashboard warns on its last two days.",
        required=False,
    )

    quantity = number(
        "quantity", "Used when the signal has no quantity, or may not set one. Empty: every signal needs one."
    )
    quantity_type = word("quantity_type", "Money and equity are the account's; risk is measured to the stop loss.")
    quantity_multiplier = number("quantity_multiplier", "0.5 trades half of what the signal says.", required=True)
    rounding = word("rounding", "IBKR takes whole units here.")

    order_type = word("order_type", "For signals that name none.")
    time_in_force = word("time_in_force")
    good_till_days = whole(
        "good_till_days",
        "With the choice of a date alone: so many days from the decision, at most 90. IBKR has no such date; Halyard cancels.",
        required=False,
    )
    outside_rth = switch("outside_rth", "Orders with a limit only; IBKR takes no others then.")
    market_price = word("market_price", "The price of a quote that orders are computed from.")
    trail_amount = number("trail_amount", "Of a trailing stop.")
    trail_percent = number("trail_percent", "Of a trailing stop, instead of the amount.")
    spread_amount = number("spread_amount", "With a wider spread of bid and ask, no entry is sent.")
    spread_percent = number("spread_percent", "The same, in percent of the middle.")
    cancel_after = whole("cancel_after", "Seconds. What has not filled by then is canceled.", required=False)

    exit_order_type = word("exit_order_type", none=AS_ENTRIES)
    exit_time_in_force = word("exit_time_in_force", none=AS_ENTRIES)
    exit_good_till_days = whole("exit_good_till_days", "Empty: as entries.", required=False)
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
        "stop_loss",
        "For signals that bring none. Kept at the broker until it fills or the position is closed.",
        none=NO_CHOICE,
    )
    stop_loss_value = number("stop_loss", label="Stop loss value")
    stop_loss_type = word("stop_loss_type")
    stop_loss_limit_offset = number(
        "stop_loss_limit_offset", "Of a trailing stop limit. Behind its limit it fills no more, and the position stays."
    )
    stop_loss_moves = targets.moves_field()
    stop_loss_moves_by = number(
        "stop_loss", "Of break-even: so far on the profitable side. Of a trail: its distance.", "By"
    )
    stop_loss_moves_after = targets.after_field()
    take_profit_mode = word("take_profit", none=NO_CHOICE)
    take_profit_value = number("take_profit", label="Take profit value")
    take_profit_more = targets.more_field()
    take_profit_parts = targets.parts_field()
    legs_from_fill = switch(
        "legs_from_fill",
        "Distances are counted from the price that the signal was decided at. On, from the one at which the entry has filled "
        "too: its stop and target are moved there once it fills no more.",
    )
    legs_outside_rth = forms.ChoiceField(
        label=LABELS["legs_outside_rth"],
        choices=[BY_THEMSELVES, ("yes", "Yes"), ("no", "No")],
        required=False,
        help_text="A stop that sleeps until the open does not protect a position through the night.",
    )
    missing_stop = forms.ChoiceField(
        label=LABELS["missing_stop"],
        choices=[(str(each), f"{MISSING_STOP_LABELS[each]}. {EXPLAINED[each]}") for each in MissingStop],
        widget=forms.RadioSelect,
        help_text="Of an entry or a position that was to have one. A stop that you placed at IBKR yourself counts.",
    )
    breakeven_offset = number(
        "breakeven_offset",
        "How far beyond the average price, on the profitable side, the action breakeven puts the stop.",
    )

    windows = WindowsField(
        label=LABELS["windows"],
        required=False,
        help_text="The end is the first moment outside; an end before the start means the next day. Without a row it trades at any time.",
    )
    exits_outside_windows = switch("exits_outside_windows", "Off, a position may have to stay until the next window.")
    hours = word("hours", "By the calendar of the exchange.")
    market_closed = word("market_closed")
    restart_entries = word("restart_entries", "Exits always wait, and leave first when it is over.")
    restart_minutes = whole("restart_minutes", "Minutes. An entry that leaves later than that is not sent.")

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
    preview_above = number(
        "preview_above",
        "In the account's currency. A larger entry waits for IBKR's preview, and is not sent where IBKR would refuse it or "
        "gives none. Ways out never wait.",
    )
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
        self.stored = terms or Terms()
        super().__init__(data, initial=self.initial_of(self.stored), auto_id="terms_%s")
        self.kind, self.now = kind, now

    @staticmethod
    def initial_of(terms: Terms) -> dict[str, Any]:
        """Terms as the fields' values, with decimals as people write them. A stop loss with a type of its own shows that."""
        values = {name: getattr(terms, name) for name in NAMES if name in TermsForm.base_fields}
        values |= {name: plain(value) for name, value in values.items() if name in DECIMALS and value is not None}
        values |= {
            "tickers": " ".join(terms.tickers),
            "signal_fields": list(terms.signal_fields),
            "windows": [window.to_json() for window in terms.windows],
            **{name: next(w for w, value in YES_NO.items() if value is getattr(terms, name)) for name in _YES_OR_NO},
        }
        stop = terms.stop_loss
        values |= {"stop_loss_mode": stop.mode if stop else "", "stop_loss_value": plain(stop.value) if stop else None}
        values |= targets.written(terms.take_profit) | targets.written_move(stop.moves if stop else None)
        if terms.stop_loss is not None and terms.stop_loss.type:
            values["stop_loss_type"] = terms.stop_loss.type
        return {name: "" if value is None else value for name, value in values.items()}

    def clean_tickers(self) -> tuple[str, ...]:
        text = str(self.cleaned_data["tickers"])
        if self.kind is None:
            return tuple(dict.fromkeys(lists.words(text)))
        try:
            return read_tickers(text, self.kind, self.now or timezone.now())
        except Unusable as error:
            raise forms.ValidationError(str(error), error.code) from error

    def clean_option_expiration(self) -> str | None:
        text = str(self.cleaned_data["option_expiration"]).strip()
        return expiration(text) or text or None

    def clean(self) -> dict[str, Any]:
        for name in ("take_profit", "stop_loss"):
            mode, value = self.cleaned_data.get(f"{name}_mode"), self.cleaned_data.get(f"{name}_value")
            if mode and value is None and f"{name}_value" not in self.errors:
                self.add_error(f"{name}_value", "Say how far. Or choose none.")
            if not mode and value is not None and f"{name}_mode" not in self.errors:
                self.add_error(f"{name}_mode", "Say what the value counts. Or leave it empty.")
        if self.cleaned_data.get("stop_loss_moves") and not self.cleaned_data.get("stop_loss_mode"):
            self.add_error("stop_loss_mode", "Choose a stop loss, which is to move. Or let none move.")
        has_targets = self.cleaned_data.get("take_profit_mode")
        for name in (targets.MORE, targets.PARTS):
            if self.cleaned_data.get(name) and not has_targets and name not in self.errors:
                self.add_error("take_profit_mode", "Say what the targets count. Or leave them empty.")
        if has_targets and not self.errors:
            try:
                self._targets()
            except forms.ValidationError as error:
                self.add_error(None, error)
        if not self.errors:
            for name, sentence in contradictions(self.terms()):
                self.add_error(_SHOWN_AT.get(name, name), sentence)
        return self.cleaned_data

    def terms(self) -> Terms:
        """The terms that a valid form says."""
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in NAMES if name in self.fields}
        values |= {name: value or None for name, value in values.items() if name in _WORDS}
        values |= {name: YES_NO[values[name] or ""] for name in _YES_OR_NO}
        values["signal_fields"] = tuple(values["signal_fields"])
        mode, value = self.cleaned_data["stop_loss_mode"], self.cleaned_data["stop_loss_value"]
        stop = Bracket(mode=mode, value=value, moves=self._moves()) if mode and value is not None else None
        profit = self._targets()
        values["stop_loss"] = None if stop is None else stop.canonical(typed=True)
        values["take_profit"] = None if profit is None else profit.canonical(typed=True)
        plain_values = {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in values.items()
            if name != "windows"
        }
        return Terms.from_json({**plain_values, "windows": [window.to_json() for window in values["windows"]]})

    def _moves(self) -> StopMove | None:
        said = self.cleaned_data
        return targets.move(said["stop_loss_moves"], said["stop_loss_moves_by"], said["stop_loss_moves_after"])

    def _targets(self) -> Bracket | Ladder | None:
        said = self.cleaned_data
        mode, value = said["take_profit_mode"], said["take_profit_value"]
        if not mode or value is None:
            return None
        return targets.read(mode, value, said[targets.MORE], said[targets.PARTS])

    def sections(self) -> list[Section]:
        """The form from top to bottom."""
        return sections(self, self.shown_terms(), self.initial_of(Terms()))

    def shown_terms(self) -> Terms | None:
        """The terms that the fields say now; None where they cannot be read."""
        if not self.is_bound:
            return self.stored
        return self.terms() if self.is_valid() else None

    def window_rows(self) -> list[dict[str, Any]]:
        """The rows of trading windows with an empty one at the end, each with its days ticked or not."""
        rows = [*(self["windows"].value() or []), empty_row()]
        return [row_context(str(number), row, spare=number == len(rows) - 1) for number, row in enumerate(rows)]

    def zones(self) -> tuple[str, ...]:
        """The names of time zones to choose from."""
        return zones()

    def window_pattern(self) -> dict[str, Any]:
        """The row a script copies."""
        return row_context("__n__", empty_row(), spare=False)


_WORDS = frozenset(name for name, field in TermsForm.base_fields.items() if type(field) is forms.ChoiceField)
