"""What the pages of trades and of profit are narrowed and sorted by; all of it lives in their addresses."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.models import Team
from brokers.models import BrokerageAccount
from strategies.models import Owner, Strategy, Trade
from strategies.pages.shared import offer_rows
from strategies.profit.reading import Scope


class _Days(forms.Form):
    """A part of the team's trades, and its days."""

    strategy = forms.ModelChoiceField(
        label="Strategy", queryset=Strategy.objects.none(), to_field_name="code", empty_label="All", required=False
    )
    account = forms.ModelChoiceField(
        label="Account",
        queryset=BrokerageAccount.objects.none(),
        to_field_name="code",
        empty_label="All",
        required=False,
    )
    ticker = forms.CharField(label="Ticker", required=False, max_length=40)
    owner = forms.ChoiceField(label="Whose", choices=[("", "All"), *Owner.choices], required=False)
    first = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any, *, team: Team) -> None:
        super().__init__(data)
        self.team = team
        offer_rows(self, "strategy", team.strategies.order_by("name"))
        offer_rows(self, "account", team.accounts.order_by("account_id"))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        first, last = values.get("first"), values.get("last")
        for name in ("first", "last"):
            if (day := values.get(name)) is not None and not 1970 < day.year < 2200:
                self.add_error(name, "Choose a day between 1971 and 2199.")
        if first and last and last < first:
            self.add_error("last", "This is before the day it begins with. Choose a later one.")
        return values

    @property
    def scope(self) -> Scope:
        """What the form asks about; a filter that cannot be read narrows nothing, and says so beside it."""
        values = self.cleaned_data if self.is_bound and self.is_valid() else {}
        strategy, account = values.get("strategy"), values.get("account")
        return Scope(
            team=self.team.pk,
            strategy=None if strategy is None else strategy.pk,
            account=None if account is None else account.pk,
            owner=values.get("owner") or "",
            ticker=(values.get("ticker") or "").strip().upper(),
            first=values.get("first"),
            last=values.get("last"),
        )

    @property
    def narrows(self) -> bool:
        return self.is_valid() and any(self.cleaned_data.values())


class TradeFilter(_Days):
    status = forms.ChoiceField(label="Status", choices=[("", "All"), *Trade.Status.choices], required=False)

    def trades(self) -> QuerySet[Trade]:
        rows = self.scope.trades()
        status = self.cleaned_data.get("status") if self.is_valid() else ""
        return rows.filter(status=status) if status else rows


BY = [
    ("strategy", "Strategy"),
    ("ticker", "Ticker"),
    ("account", "Account"),
    ("subscription", "Subscription"),
    ("owner", "Whose"),
]


class ProfitFilter(_Days):
    by = forms.ChoiceField(label="Sums by", choices=BY, required=False)
