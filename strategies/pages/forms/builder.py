"""The form of the template builder. It offers only choices that go together."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from brokers.domain.orders import FOR_AUCTIONS, MAY_BE_CAPPED, TOUCHED, TRAILING, OrderType, TimeInForce
from strategies.builder.message import (
    AS_HELD,
    AS_ORDERED,
    LIMIT_PRICED,
    PLACEHOLDERS,
    Choice,
    Slot,
    Source,
    filled,
    listed,
)
from strategies.domain.message.message import Action
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.models import Strategy
from strategies.pages.forms import builder_choices as choices
from strategies.pages.forms import targets
from strategies.pages.forms.builder_choices import Choices
from strategies.pages.shared import example_ticker
from strategies.reading import parse

# What names one option has its day, and a strike.
_ONE_CONTRACT = re.compile(r"\d{6}[CP]?\d")
# The form's field that each field of the message comes from.
_FIELDS = {
    "ticker": "ticker",
    "action": "action",
    "sentiment": "sentiment",
    "quantity": "quantity",
    "quantityType": "sizing",
    "orderType": "order_type",
    "limitPrice": "limit",
    "stopPrice": "stop",
    "touchPrice": "touch",
    "trailAmount": "trail_value",
    "trailPercent": "trail_value",
    "limitOffset": "limit_offset",
    "timeInForce": "time_in_force",
    "goodTillDate": "good_till",
    "extendedHours": "extended",
    "takeProfit": "take_profit_value",
    "stopLoss": "stop_loss_value",
    "stopLoss.limitPrice": "stop_loss_limit",
    "stopLoss.limitOffset": "stop_loss_offset",
    "stopLoss.moveAfter": "stop_loss_moves_after",
    "stopLoss.moveOffset": "stop_loss_moves_by",
    "stopLoss.moveTrailAmount": "stop_loss_moves_by",
    "stopLoss.moveTrailPercent": "stop_loss_moves_by",
    "optionType": "option_type",
    "expiration": "expiration",
    "price": "price",
    "signalId": "signal_id",
}
_ONE_OF_A_LIST = re.compile(r"\[\d+\]")
# Choices that need a value, and the field of that value.
_VALUES = {"trail": "trail_value", "take_profit": "take_profit_value", "stop_loss": "stop_loss_value"}


# A choice may change what is offered, so it reloads the whole form; typing reloads only the message.
_ON_CHANGE = {"hx-trigger": "change"}
_WHILE_TYPING = {"hx-trigger": "input changed delay:300ms", "hx-target": "#built", "hx-select": "#built"}


def _text(label: str, help_text: str = "", **attributes: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=120,
        help_text=help_text,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", **attributes}),
    )


def _choice(label: str, help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=False, help_text=help_text)


def _tick(label: str, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, help_text=help_text)


class BuilderForm(forms.Form):
    """Every field has an initial value, so that the page shows a message from the start."""

    source = forms.ChoiceField(label="Sent by", choices=choices.SOURCES, widget=forms.RadioSelect)
    ticker = _text("Ticker", autocapitalize="characters")
    action = forms.ChoiceField(label="Action")
    sentiment = _choice("Position after it", "The side the account must be on after the signal.")
    sizing = _choice("Size")
    quantity = _text("How much", inputmode="decimal", placeholder="1")
    order_type = _choice("Order type")
    limit = _text(
        "Limit price", "Empty: the market's price at that moment. =signal.price * 0.99 is below the alert's price."
    )
    stop = _text("Stop price", "Empty: the market's price at that moment.")
    touch = _text("Touch price", "A buy waits below the market, a sell above it.", placeholder="=signal.price * 0.99")
    trail = _choice("Trail by")
    trail_value = _text("Distance", inputmode="decimal", placeholder="1")
    limit_offset = _text("Limit beyond the stop by", "Empty: at the stop.", inputmode="decimal")
    time_in_force = _choice("Good for")
    good_till = _text(
        "Until", "A day, a moment, or how long from then. Halyard cancels what is left.", placeholder="+3 days"
    )
    extended = _tick("Outside regular hours too")
    take_profit = _choice("Take profit")
    take_profit_value = _text("Take profit at", inputmode="decimal", placeholder="10")
    take_profit_more = targets.more_field()
    take_profit_parts = targets.parts_field()
    stop_loss = _choice("Stop loss")
    stop_loss_mode = _choice("Stop loss by")
    stop_loss_value = _text("Stop loss at", inputmode="decimal", placeholder="5")
    stop_loss_limit = _text("Its limit price", "Empty: chosen with the stop price.")
    stop_loss_offset = _text("Its limit beyond the stop by", inputmode="decimal", placeholder="0.5")
    stop_loss_moves = _choice("Once targets have filled, the stop")
    stop_loss_moves_after = _text("After so many targets", "Empty: the first.", inputmode="numeric")
    stop_loss_moves_by = _text("By", inputmode="decimal", placeholder="0.1")
    option_type = _choice("Call or put")
    expiration = _text("Expiration", "A date such as 2026-12-18, or +30 days.", placeholder="+30 days")
    price = _tick("Price", "The price the alert saw: slippage is measured against it.")
    time = _tick("Time", "Guards against signals that come late or twice.")
    signal_id = _tick("Signal id")
    test = _tick("Test", "Everything is planned and nothing is sent.")
    sign = _tick("Signature", "An HMAC of the body, for strategies that ask for one.")

    def __init__(self, data: QueryDict, *, strategy: Strategy, now: datetime, address: str) -> None:
        """`address`: where the page fetches the form again when a choice changes."""
        self.kind, self.example, self.now = Kind(strategy.asset_class), example_ticker(strategy), now
        self.allowed = tuple(str(ticker).upper() for ticker in strategy.allowed_tickers)
        self.chosen = {name: data.get(name, "") for name in self.base_fields}
        if "source" not in data:
            self.chosen |= {"price": "on", "time": "on", "sizing": "fixed_quantity", "quantity": "1"}
        super().__init__(self.chosen)
        self._offer()
        for field in self.fields.values():
            typed = isinstance(field, forms.CharField) and not isinstance(field, forms.ChoiceField)
            field.widget.attrs |= {"hx-get": address, **(_WHILE_TYPING if typed else _ON_CHANGE)}

    def _offer(self) -> None:
        """Offer what goes together. A field that is not offered is neither shown nor used."""
        source = Source(self._pick("source", choices.SOURCES))
        slots = PLACEHOLDERS[source]
        action = self._pick("action", choices.actions(strategy_orders=Slot.ACTION in slots))
        sizing = self._pick("sizing", choices.sizings(action, self.kind))
        # A target says where the position ends, so a sentiment is not asked for.
        self._pick("sentiment", choices.sentiments(action) if sizing != AS_HELD else [])
        self._keep("quantity", sizing not in {"", AS_ORDERED, AS_HELD})
        self._offer_order(action)
        self._offer_brackets(action)
        is_option = self.kind.is_option and not _ONE_CONTRACT.search(self.chosen["ticker"].upper())
        self._pick("option_type", choices.OPTION_TYPES * is_option)
        self._keep("expiration", is_option)
        self._keep("price", Slot.PRICE in slots)
        self._keep("time", Slot.TIME in slots)
        self._keep("signal_id", (Slot.BAR in slots and Slot.ORDERID not in slots) or Slot.UNIQUE in slots)
        self._keep("sign", source in {Source.PYTHON, Source.CURL})
        self._describe(source)

    def _offer_order(self, action: str) -> None:
        order_type = self._pick("order_type", choices.order_types(action))
        self._keep("limit", order_type in LIMIT_PRICED)
        if order_type in MAY_BE_CAPPED:
            self.fields["limit"].help_text = "The worst price it may fill at. Empty: none."
        self._keep("stop", order_type in {"stop", "stop_limit"})
        if order_type == OrderType.LIMIT_IF_TOUCHED:
            self.fields["limit"].help_text = "Empty: the touch price."
        self._keep("touch", order_type in TOUCHED)
        self._pick("trail", choices.TRAILS * (order_type in TRAILING))
        self._keep("trail_value", order_type in TRAILING)
        self._keep("limit_offset", order_type == OrderType.TRAILING_STOP_LIMIT)
        orders = action not in {Action.CANCEL, Action.MODIFY}
        times = choices.times_in_force(order_type) if orders and order_type not in FOR_AUCTIONS else []
        if action == Action.MODIFY:
            times = choices.MOVED_ENDS
        self._keep("good_till", self._pick("time_in_force", times) == TimeInForce.GTD)
        self._keep("extended", orders and self.kind in {Kind.STOCK, Kind.OPTION})

    def _offer_brackets(self, action: str) -> None:
        enters, moves = action in choices.ENTRIES, action == Action.MODIFY
        profits, stops, modes = choices.TAKE_PROFITS, choices.STOP_TYPES, choices.STOP_MODES
        if moves:
            profits, stops, modes = choices.MOVED_TAKE_PROFITS, choices.MOVED_STOPS, choices.MOVED_STOP_MODES
        profit = self._pick("take_profit", profits * (enters or moves))
        self._keep("take_profit_value", bool(profit))
        for name in (targets.MORE, targets.PARTS):
            self._keep(name, bool(profit) and enters and self.kind is not Kind.OPTION)
        needs_a_leg = moves and not profit and not self.chosen["time_in_force"]
        if needs_a_leg and not self.chosen["stop_loss"] and not self.chosen["stop_loss_value"]:
            # Something to begin with: two percent below the alert's price.
            self.chosen |= {
                "stop_loss": "stop",
                "stop_loss_mode": "stopPrice",
                "stop_loss_value": "=signal.price * 0.98",
            }
        if needs_a_leg:
            # Something has to change: without a target and an end it is the stop.
            stops = [each for each in stops if each[0]]
        stop = self._pick("stop_loss", stops * (enters or moves))
        modes = choices.TRAILS if stop in TRAILING else modes
        mode = self._pick("stop_loss_mode", modes * bool(stop))
        self._keep("stop_loss_value", bool(stop))
        self._keep("stop_loss_offset", stop == OrderType.TRAILING_STOP_LIMIT)
        self._keep("stop_loss_limit", stop == "stop_limit" and mode == "stopPrice")
        several = "take_profit_more" in self.fields and bool(listed(self.chosen["take_profit_more"]))
        offered = choices.STOP_MOVES[: {"stop": 4, "stop_limit": 2}.get(stop, 0)] if several else []
        goes = self._pick("stop_loss_moves", offered)
        self._keep("stop_loss_moves_after", bool(goes))
        self._keep("stop_loss_moves_by", bool(goes))

    def _pick(self, name: str, offered: Choices) -> str:
        """Offer these, and return the chosen one: the first, when what was chosen is not among them. None removes the field."""
        if not offered:
            self._keep(name, False)
            return ""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = offered
        if self.chosen[name] not in dict(offered):
            self.chosen[name] = offered[0][0]
        return str(self.chosen[name])

    def _keep(self, name: str, offered: bool) -> None:
        """Remove a field that is not offered."""
        if not offered:
            del self.fields[name]
            self.chosen[name] = ""

    def _describe(self, source: Source) -> None:
        """Set the help texts that depend on the sender."""
        fills_in = Slot.TICKER in PLACEHOLDERS[source]
        self.fields["ticker"].help_text = "Empty: the chart's own." if fills_in else f"Empty: {self.example}."
        self.fields["ticker"].widget.attrs["placeholder"] = PLACEHOLDERS[source].get(Slot.TICKER, self.example)
        if "signal_id" in self.fields:
            span = "call" if Slot.UNIQUE in PLACEHOLDERS[source] else "bar and action"
            self.fields["signal_id"].help_text = f"One for each {span}: the same one twice trades once."

    def clean(self) -> dict[str, Any]:
        """Refuse whatever the webhook would refuse."""
        values: dict[str, Any] = super().clean() or {}
        for kind, value in _VALUES.items():
            if values.get(kind) and not values.get(value):
                self.add_error(value, "Write a number.")
        if values.get("sizing") and "quantity" in self.fields and not values.get("quantity"):
            self.add_error("quantity", "Write a number.")
        if str(values.get("sizing", "")).startswith("risk_") and not values.get("stop_loss"):
            self.add_error("sizing", "Sizing by risk needs a stop loss. Choose one below.")
        if str(values.get("stop_loss_moves", "")).startswith("trail") and not values.get("stop_loss_moves_by"):
            self.add_error("stop_loss_moves_by", "Write a number.")
        if "take_profit_parts" in self.fields and not self.errors:
            self._check_parts(values)
        if not self.errors:
            self._check(values)
        return values

    def _check_parts(self, values: dict[str, Any]) -> None:
        try:
            targets.sizes(values[targets.PARTS], 1 + len(listed(values[targets.MORE])))
        except forms.ValidationError as error:
            self.add_error(targets.PARTS, error)

    def _check(self, values: dict[str, Any]) -> None:
        body = filled(self.choice(values), self.now).encode()
        try:
            parse.parse(body, kind=self.kind, allowed_tickers=self.allowed, now=self.now)
        except Refused as refused:
            name = _FIELDS.get(refused.field) or _FIELDS.get(_ONE_OF_A_LIST.sub("", refused.field).partition(".")[0])
            self.add_error(name if name in self.fields else None, refused.message)

    def choice(self, values: dict[str, Any]) -> Choice:
        """The choices of a valid form."""
        chosen = values.get("option_type") or values.get("expiration")
        # A contract spelled out in full leaves no option to choose.
        example = self.example.split()[0] if chosen else self.example
        return Choice(**{**values, "source": Source(values["source"])}, example=example)
