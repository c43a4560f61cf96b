"""What somebody may ask of the template builder. Choices that make no sense together are not offered together."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict

from strategies.builder.message import AS_ORDERED, PLACEHOLDERS, Choice, Slot, Source, filled
from strategies.domain.message.message import Action
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind
from strategies.reading import parse

Choices = list[tuple[str, str]]

SOURCES: Choices = [
    (Source.TRADINGVIEW, "TradingView alert"),
    (Source.TRADINGVIEW_STRATEGY, "TradingView strategy"),
    (Source.TRENDSPIDER, "TrendSpider"),
    (Source.PINE, "Pine script"),
    (Source.PYTHON, "Python"),
    (Source.CURL, "curl"),
]
ENTRIES = {Action.BUY, Action.SELL, Action.ADD, Action.REVERSE, AS_ORDERED}
_SIDED = {Action.BUY, Action.SELL, AS_ORDERED}
_SIZINGS = {
    "fixed_quantity": "Shares or contracts",
    "dollar_amount": "An amount of money",
    "percent_of_equity": "Percent of the account",
    "risk_dollar_amount": "Risk: an amount",
    "risk_percent": "Risk: percent of account",
    "percent_of_position": "Percent of the position",
}
_ORDER_TYPES = {
    "market": "Market",
    "limit": "Limit",
    "stop": "Stop",
    "stop_limit": "Stop limit",
    "trailing_stop": "Trailing stop",
}
_TAKE_PROFITS: Choices = [
    ("", "None"),
    ("percent", "Percent from the entry"),
    ("amount", "Amount from the entry"),
    ("limitPrice", "At a price"),
    ("pnlAmount", "At a profit in money"),
]
_STOP_TYPES: Choices = [
    ("", "None"),
    ("stop", "Stop"),
    ("stop_limit", "Stop limit"),
    ("trailing_stop", "Trailing stop"),
]
_STOP_MODES: Choices = [
    ("percent", "Percent from the entry"),
    ("amount", "Amount from the entry"),
    ("stopPrice", "At a price"),
    ("pnlAmount", "At a loss in money"),
]
_TRAILS: Choices = [("trailPercent", "Percent"), ("trailAmount", "Amount")]
# Which field of the form a field of the message comes from.
_FIELDS = {
    "ticker": "ticker",
    "action": "action",
    "sentiment": "sentiment",
    "quantity": "quantity",
    "quantityType": "sizing",
    "orderType": "order_type",
    "limitPrice": "limit",
    "stopPrice": "stop",
    "trailAmount": "trail_value",
    "trailPercent": "trail_value",
    "timeInForce": "time_in_force",
    "extendedHours": "extended",
    "takeProfit": "take_profit_value",
    "stopLoss": "stop_loss_value",
    "stopLoss.limitPrice": "stop_loss_limit",
    "optionType": "option_type",
    "expiration": "expiration",
    "price": "price",
    "signalId": "signal_id",
}
# A value that must be there once its kind is chosen.
_VALUES = {"trail": "trail_value", "take_profit": "take_profit_value", "stop_loss": "stop_loss_value"}


# A choice may change what is offered, so the whole page follows it; while somebody types, only the message does.
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
    """Everything has a value to begin with, so that there is a message from the first look on."""

    source = forms.ChoiceField(label="Sent by", choices=SOURCES, widget=forms.RadioSelect)
    ticker = _text("Ticker", autocapitalize="characters")
    action = forms.ChoiceField(label="Action")
    sentiment = _choice("Position after it", "The side the account must be on when the signal is done.")
    sizing = _choice("Size")
    quantity = _text("How much", inputmode="decimal", placeholder="1")
    order_type = _choice("Order type")
    limit = _text("Limit price", "Empty: the market's price then. =signal.price * 0.99 is below the alert's price.")
    stop = _text("Stop price", "Empty: the market's price then.")
    trail = _choice("Trail by")
    trail_value = _text("Distance", inputmode="decimal", placeholder="1")
    time_in_force = _choice("Good for")
    extended = _tick("Outside regular hours too")
    take_profit = _choice("Take profit")
    take_profit_value = _text("Take profit at", inputmode="decimal", placeholder="10")
    stop_loss = _choice("Stop loss")
    stop_loss_mode = _choice("Stop loss by")
    stop_loss_value = _text("Stop loss at", inputmode="decimal", placeholder="5")
    stop_loss_limit = _text("Its limit price", "Empty: chosen with the stop price.")
    option_type = _choice("Call or put")
    expiration = _text("Expiration", "A date such as 2026-12-18, or +30 days.", placeholder="+30 days")
    price = _tick("Price", "The price the alert saw: slippage is measured against it.")
    time = _tick("Time", "Guards against signals that come late or twice.")
    signal_id = _tick("Signal id")
    test = _tick("Test", "Everything is planned and nothing is sent.")
    sign = _tick("Signature", "An HMAC of the body, for strategies that ask for one.")

    def __init__(
        self, data: QueryDict, *, kind: Kind, allowed: tuple[str, ...], example: str, now: datetime, address: str
    ) -> None:
        self.kind, self.allowed, self.example, self.now = kind, allowed, example, now
        given = {name: data.get(name, "") for name in self.base_fields}
        if "source" not in data:
            given |= {"price": "on", "time": "on", "sizing": "fixed_quantity", "quantity": "1"}
        self.given = given
        super().__init__(given)
        self._offer()
        for field in self.fields.values():
            typed = isinstance(field, forms.CharField) and not isinstance(field, forms.ChoiceField)
            field.widget.attrs |= {"hx-get": address, **(_WHILE_TYPING if typed else _ON_CHANGE)}

    def _offer(self) -> None:
        """Offer what goes together; what is not offered is neither shown nor used."""
        source = Source(self._pick("source", SOURCES))
        slots = PLACEHOLDERS[source]
        actions: Choices = [(each, each.capitalize()) for each in Action]
        if Slot.ACTION in slots:
            actions.insert(0, (AS_ORDERED, "As the strategy orders"))
        action = self._pick("action", actions)
        self._pick("sentiment", self._sentiments(action))
        sizing = self._pick("sizing", self._sizings(action))
        self._keep("quantity", sizing not in {"", AS_ORDERED})
        self._offer_order(action)
        self._offer_brackets(action)
        is_option = self.kind is Kind.OPTION and not self.given["ticker"].strip()[-1:].isdigit()
        self._pick(
            "option_type", [("", "As settled"), ("call", "Calls"), ("put", "Puts"), ("both", "By side")] * is_option
        )
        self._keep("expiration", is_option)
        self._keep("price", Slot.PRICE in slots)
        self._keep("time", Slot.TIME in slots)
        self._keep("signal_id", Slot.BAR in slots or Slot.UNIQUE in slots)
        self._keep("sign", source in {Source.PYTHON, Source.CURL})
        self._tell(source)

    def _offer_order(self, action: str) -> None:
        order_type = self._pick("order_type", self._order_types(action))
        self._keep("limit", order_type in {"limit", "stop_limit"})
        self._keep("stop", order_type in {"stop", "stop_limit"})
        self._pick("trail", _TRAILS * (order_type == "trailing_stop"))
        self._keep("trail_value", order_type == "trailing_stop")
        orders = action != Action.CANCEL
        times = [
            ("", "As the subscription says"),
            *((each, each.upper()) for each in ("day", "gtc", "opg", "cls", "ioc", "fok")),
        ]
        self._pick("time_in_force", times * orders)
        self._keep("extended", orders and self.kind in {Kind.STOCK, Kind.OPTION})

    def _offer_brackets(self, action: str) -> None:
        enters = action in ENTRIES
        profit = self._pick("take_profit", _TAKE_PROFITS * enters)
        self._keep("take_profit_value", bool(profit))
        stop = self._pick("stop_loss", _STOP_TYPES * enters)
        modes = _TRAILS if stop == "trailing_stop" else _STOP_MODES
        mode = self._pick("stop_loss_mode", modes * bool(stop))
        self._keep("stop_loss_value", bool(stop))
        self._keep("stop_loss_limit", stop == "stop_limit" and mode == "stopPrice")

    def _sentiments(self, action: str) -> Choices:
        if action not in _SIDED:
            return []
        found: Choices = [
            ("", "Not said"),
            ("bullish", "Bullish: long"),
            ("bearish", "Bearish: short"),
            ("flat", "Flat"),
        ]
        return (
            [*found[:1], (AS_ORDERED, "The strategy's market position"), *found[1:]] if action == AS_ORDERED else found
        )

    def _sizings(self, action: str) -> Choices:
        if action in {Action.CANCEL, Action.BREAKEVEN}:
            return []
        found: Choices = [("", "As the subscription says")]
        if action == AS_ORDERED:
            found.append((AS_ORDERED, "The strategy's own order size"))
        for name, label in _SIZINGS.items():
            if name.startswith("risk_") and action not in {*_SIDED, Action.ADD}:
                continue
            if name == "percent_of_position" and action not in {*_SIDED, Action.EXIT}:
                continue
            if self.kind is Kind.FUTURE and name not in {"fixed_quantity", "percent_of_position"}:
                continue
            found.append((name, label))
        return found

    def _order_types(self, action: str) -> Choices:
        if action == Action.CANCEL:
            return []
        names = ["stop", "stop_limit"] if action == Action.BREAKEVEN else list(_ORDER_TYPES)
        if action == Action.ADD:
            names.remove("trailing_stop")
        return [("", "As the subscription says"), *((name, _ORDER_TYPES[name]) for name in names)]

    def _pick(self, name: str, choices: Choices) -> str:
        """Offer these; what was asked for before and is not among them gives way to the first."""
        if not choices:
            self._keep(name, False)
            return ""
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
        if self.given[name] not in dict(choices):
            self.given[name] = choices[0][0]
        return str(self.given[name])

    def _keep(self, name: str, wanted: bool) -> None:
        if not wanted:
            del self.fields[name]
            self.given[name] = ""

    def _tell(self, source: Source) -> None:
        """Words that depend on the sender."""
        fills_in = Slot.TICKER in PLACEHOLDERS[source]
        self.fields["ticker"].help_text = "Empty: the chart's own." if fills_in else f"Empty: {self.example}."
        self.fields["ticker"].widget.attrs["placeholder"] = PLACEHOLDERS[source].get(Slot.TICKER, self.example)
        if "signal_id" in self.fields:
            each = "call" if Slot.UNIQUE in PLACEHOLDERS[source] else "bar and action"
            self.fields["signal_id"].help_text = f"One for each {each}: the same one twice trades once."

    def clean(self) -> dict[str, Any]:
        """Nothing is valid here that the webhook would refuse."""
        values: dict[str, Any] = super().clean() or {}
        for kind, value in _VALUES.items():
            if values.get(kind) and not values.get(value):
                self.add_error(value, "Write a number.")
        if values.get("sizing") and "quantity" in self.fields and not values.get("quantity"):
            self.add_error("quantity", "Write a number.")
        if str(values.get("sizing", "")).startswith("risk_") and not values.get("stop_loss"):
            self.add_error("sizing", "Sizing by risk needs a stop loss. Choose one below.")
        if not self.errors:
            self._check(values)
        return values

    def _check(self, values: dict[str, Any]) -> None:
        body = filled(self.choice(values), self.now).encode()
        try:
            parse.parse(body, kind=self.kind, allowed_tickers=self.allowed, now=self.now)
        except Refused as refused:
            name = _FIELDS.get(refused.field) or _FIELDS.get(refused.field.partition(".")[0])
            self.add_error(name if name in self.fields else None, refused.message)

    def choice(self, values: dict[str, Any]) -> Choice:
        """The choice of a valid form."""
        chosen = values.get("option_type") or values.get("expiration")
        # A contract spelled out in full leaves nothing to choose.
        example = self.example.split()[0] if chosen else self.example
        return Choice(**{**values, "source": Source(values["source"])}, example=example)
