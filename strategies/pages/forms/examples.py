"""The examples beside a form of terms: their own small form, and the context that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from brokers.models import BrokerageAccount
from strategies.display.effective import settings_in_effect
from strategies.display.one_line import describe_message
from strategies.domain.message import options, symbols
from strategies.domain.message.message import Message
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import Kind, Symbol
from strategies.domain.message.wishes import NO_WISH
from strategies.domain.numbers import plain
from strategies.domain.terms.doubts import doubts
from strategies.domain.terms.terms import Terms
from strategies.models import Strategy
from strategies.pages.shared import example_ticker
from strategies.rehearsal.contracts import last_price
from strategies.rehearsal.preview import examples, last_signals, recent
from strategies.rehearsal.scenes import Scene, example_messages
from strategies.setup.subscriptions import defaults_of

LOOKS = [("examples", "Examples"), ("signals", "Last signals"), ("settings", "What holds")]
WHEN = [("next", "When it trades next"), ("now", "Now")]
HELD = [("flat", "Flat"), ("long", "Long"), ("short", "Short")]


def number(label: str, help_text: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        max_digits=24,
        decimal_places=8,
        min_value=Decimal("0.00000001"),
        required=False,
        help_text=help_text,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


class ExampleForm(forms.Form):
    """Which examples to show, and the scene that they assume."""

    look = forms.ChoiceField(label="Show", choices=LOOKS, required=False, widget=forms.RadioSelect)
    ticker = forms.CharField(
        label="Ticker",
        max_length=40,
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false"}),
    )
    price = number("At a price of")
    quantity = number("The signal says")
    position = forms.ChoiceField(label="Held before", choices=HELD, required=False)
    held = number("As many as")
    when = forms.ChoiceField(label="As if it came", choices=WHEN, required=False)
    of = forms.CharField(label="For", max_length=40, required=False, widget=forms.Select)

    def __init__(self, data: Any, *, strategy: Strategy, price: Decimal | None, form_id: str) -> None:
        initial = {
            "look": "examples",
            "ticker": example_ticker(strategy),
            "price": plain(price if price is not None else Decimal(100)),
            "quantity": Decimal(10),
            "position": "flat",
            "held": Decimal(10),
            "when": "next",
            "of": "0",
        }
        # It is bound even when nothing was sent, so that the page shows examples from the start.
        was_sent = data is not None and any(key.startswith("example-") for key in data)
        values = data if was_sent else {f"example-{name}": str(value) for name, value in initial.items()}
        super().__init__(values, prefix="example", auto_id="%s")
        self.strategy = strategy
        self.symbol: Symbol | None = None
        for field in self.fields.values():
            # They stand outside the form that they are sent with.
            field.widget.attrs["form"] = form_id

    def clean_ticker(self) -> str:
        text, kind, now = str(self.cleaned_data["ticker"]), Kind(self.strategy.asset_class), timezone.now()
        try:
            self.symbol = options.symbol_of(text, kind, NO_WISH, now)
        except Refused as refused:
            raise forms.ValidationError(refused.message) from refused
        return text

    @property
    def looks_at(self) -> str:
        return str(self.cleaned_data.get("look") or "examples")

    def scene(self) -> Scene | None:
        """The scene of a form whose ticker can be read."""
        if not self.is_valid() or self.symbol is None:
            return None
        values = self.cleaned_data
        sign = {"long": 1, "short": -1}.get(values["position"], 0)
        return Scene(
            symbol=self.symbol,
            price=values["price"],
            quantity=values["quantity"],
            position=sign * (values["held"] or Decimal(10)),
            at_once=values["when"] == "now",
        )

    def choose_message(self, scene: Scene | None) -> Message | None:
        """The message whose settings to show. Its field offers the examples and the last signals."""
        offered: dict[str, tuple[str, Message]] = {}
        if scene:
            offered = {str(n): titled for n, titled in enumerate(example_messages(scene))}
        for signal in reversed(recent(self.strategy)):
            message = Message.from_reading(signal.reading)
            offered[str(signal.code)] = (f"{signal.received_at:%d %b %H:%M} UTC: {describe_message(message)}", message)
        widget = self.fields["of"].widget
        assert isinstance(widget, forms.Select)
        widget.choices = [(key, title) for key, (title, _) in offered.items()]
        chosen = str(self.data.get("example-of", "0"))
        return next((offered[key][1] for key in (chosen, *offered) if key in offered), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Terms to show in examples, with the strategy and the account they are for. None: unreadable terms, no account."""

    strategy: Strategy
    account: BrokerageAccount | None
    terms: Terms | None


def beside(data: Any, trial: Trial, *, form_id: str, now: datetime, ask: bool = False) -> dict[str, Any]:
    """The context of the examples beside a form of terms. `ask`: IBKR may be asked about unknown contracts."""
    strategy, account, terms = trial.strategy, trial.account, trial.terms
    start = _start_price(strategy, account, now)
    form = ExampleForm(data, strategy=strategy, price=start, form_id=form_id)
    scene = form.scene()
    message = form.choose_message(scene)
    context: dict[str, Any] = {
        "example": form,
        "example_form_id": form_id,
        "look": form.looks_at,
        "example_terms": terms,
    }
    if terms is None:
        return context
    context["doubts"] = doubts(terms)
    match form.looks_at:
        case "signals":
            context["preview"] = last_signals(strategy, terms, account, scene, now, ask=ask)
        case "settings" if message is not None:
            own = None if strategy.defaults is None else defaults_of(strategy)
            context |= {"values": settings_in_effect(message, terms, own), "message": describe_message(message)}
        case _ if scene is not None:
            context["preview"] = examples(terms, account, scene, now, ask=ask)
    return context


def _start_price(strategy: Strategy, account: BrokerageAccount | None, now: datetime) -> Decimal | None:
    """The last known price of the strategy's example ticker."""
    try:
        symbol = symbols.read(example_ticker(strategy), Kind(strategy.asset_class), now)
    except (Refused, KeyError):
        return None
    return last_price(account, symbol, now)
