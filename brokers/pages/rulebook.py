"""The rulebook as a person looks it up: what IBKR takes, charges, requires, and when it settles."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import team_for
from brokers.rulebook import rulesets
from brokers.rulebook.lookup import fees as fee_tables
from brokers.rulebook.lookup import hours, tables
from brokers.rulebook.rulesets import Ruleset

WORDS = {
    "equity": "Shares",
    "option": "Options",
    "forex": "Currencies",
    "future": "Futures",
    "future_option": "Future options",
    "index_option": "Index options",
    "cfd": "CFDs",
}
RULESETS = {
    "seed": "The model Halyard decides by",
    "lean": "The reference model, quirks included",
    "ibkr_current": "IBKR's own schedule, where it differs",
}
# One schedule serves both kinds of options.
FEES_OF = {"option": "Options and index options"}
REJECTIONS = (
    ("R01", "IBKR takes no such order: its type, size or time in force."),
    ("R03", "The table lacks the margin of the future. Paper and live accounts only."),
    ("R04", "The account's available funds do not carry it."),
    ("R05", "The account may not trade it: Lite, not open, or without the permission."),
)
CHOICES = [("seed", "Halyard's (seed)"), ("ibkr_current", "IBKR's current"), ("lean", "Reference (lean)")]


class Calculator(forms.Form):
    """One order, as far as fee and margin ask about it."""

    # Chosen above the calculator, for the whole page.
    rules = forms.ChoiceField(choices=CHOICES, required=False, widget=forms.HiddenInput)
    asset_class = forms.ChoiceField(label="What", choices=[(name, WORDS[name]) for name in tables.CALCULATED])
    symbol = forms.CharField(
        label="Symbol",
        max_length=12,
        help_text="A future's product, such as ES; a pair, such as EURUSD.",
        widget=forms.TextInput(attrs={"autocapitalize": "characters", "spellcheck": "false"}),
    )
    quantity = forms.DecimalField(label="Quantity", max_digits=12, decimal_places=4, help_text="A negative one sells.")
    price = forms.DecimalField(label="Price", max_digits=16, decimal_places=8, min_value=Decimal("0.00000001"))


FIRST = {"rules": rulesets.DEFAULT, "asset_class": "equity", "symbol": "SPY", "quantity": "100", "price": "250"}


@require_GET
def rulebook(request: HttpRequest, team_code: UUID) -> HttpResponse:
    team_for(request.user, team_code)
    form = Calculator({**FIRST, **request.GET.dict()})
    values = form.cleaned_data if form.is_valid() else {}
    rules = rulesets.load(values.get("rules") or rulesets.DEFAULT)
    now = timezone.now()
    today = now.date()
    figures = None
    if values:
        figures = tables.calculate(
            values["asset_class"], values["symbol"], values["quantity"], values["price"], rules=rules, today=today
        )
    context = {
        "form": form,
        "figures": figures,
        "rules": rules,
        "about": RULESETS[rules.name],
        "choices": CHOICES,
        "today": today,
        **_tables(rules, now),
    }
    return render(request, "brokers/rulebook.html", context, status=422 if form.errors else 200)


def _tables(rules: Ruleset, now: datetime) -> dict[str, object]:
    """Everything the page shows of the tables, in people's words."""
    fees: dict[str, list[fee_tables.FeeRow]] = {}
    for row in fee_tables.fees(rules):
        fees.setdefault(row.asset_class, []).append(row)
    return {
        "classes": [WORDS[name] for name in tables.CLASSES],
        "matrix": [
            (row.order_type, [(WORDS[cell.asset_class], cell.state) for cell in row.cells])
            for row in tables.matrix(rules)
        ],
        "fees": [{"id": name, "label": FEES_OF.get(name, WORDS[name]), "rows": rows} for name, rows in fees.items()],
        "sizes": tables.sizes(rules),
        "margins": _labelled(tables.margins(rules)),
        "settlements": _labelled(tables.settlements(rules)),
        "futures": tables.future_margins(now.date()),
        "hours": hours.hours(now),
        "rejections": REJECTIONS,
        "reasons": tables.reasons(),
    }


def _labelled(rows: Iterable[tables.ClassRow]) -> list[dict[str, str]]:
    return [{"label": WORDS[row.asset_class], "margin": row.margin, "cash": row.cash} for row in rows]
