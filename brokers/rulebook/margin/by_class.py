"""How much of each asset class an account may open now: a function of its values and of the model that serves the class."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.rulebook import rulesets
from brokers.rulebook.capabilities import leverage, model_for
from brokers.rulebook.margin.security import margin_remaining
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import ZERO, Account
from brokers.rulebook.words import AccountType, AssetClass

# In the order in which people read them.
SHOWN = (
    AssetClass.EQUITY,
    AssetClass.OPTION,
    AssetClass.INDEX_OPTION,
    AssetClass.FUTURE,
    AssetClass.FUTURE_OPTION,
    AssetClass.FOREX,
    AssetClass.CFD,
)


class Counts(StrEnum):
    """What of an order is held against the buying power of its class: its value, the premium that is paid, its margin, or
    the currency that it is paid with."""

    VALUE = "value"
    PREMIUM = "premium"
    MARGIN = "margin"
    CURRENCY = "currency"


LABELS = {
    AssetClass.EQUITY: "shares",
    AssetClass.OPTION: "options on shares",
    AssetClass.INDEX_OPTION: "options on indices",
    AssetClass.FUTURE: "futures",
    AssetClass.FUTURE_OPTION: "options on futures",
    AssetClass.FOREX: "currencies",
    AssetClass.CFD: "CFDs",
}
# What of an order the figure is held against.
_OF = {Counts.VALUE: "", Counts.PREMIUM: " of premium", Counts.MARGIN: " for margins", Counts.CURRENCY: ""}
_MEANINGS = {
    Counts.PREMIUM: "of premium, paid in full; what a written one needs, IBKR's preview says",
    Counts.MARGIN: "for margins, which IBKR's preview says of each order",
    Counts.CURRENCY: "each currency pays for itself",
}
_COUNTS = {
    "OptionMarginModel": Counts.PREMIUM,
    "FutureMarginModel": Counts.MARGIN,
    "FuturesOptionsMarginModel": Counts.MARGIN,
    "CashBuyingPowerModel": Counts.CURRENCY,
}


@dataclass(frozen=True, slots=True)
class ClassPower:
    """What an account may open of one class, in the account's currency; never below zero.

    `amount` is None where it is no figure of the account: each currency pays for itself. `times` is how often the margin the
    value may be. `today` is the broker's own figure where it lends more for the moment than may be held overnight, else None.
    """

    asset_class: str
    counts: Counts
    times: Decimal
    amount: Decimal | None
    today: Decimal | None = None

    @property
    def label(self) -> str:
        """What is opened, as people call it: "shares"."""
        return LABELS[AssetClass(self.asset_class)]

    @property
    def meaning(self) -> str:
        """What the figure is held against, in a few words."""
        if self.counts is not Counts.VALUE:
            return _MEANINGS[self.counts]
        return (
            "of value, paid in full" if self.times == 1 else f"of value, at {self.times.normalize():f} times the margin"
        )

    def sentence(self, currency: str) -> str:
        """ "Buying power for shares: 50,000.00 USD." "" where there is no figure."""
        if self.amount is None:
            return ""
        lent = "" if self.today is None else f"; for today IBKR's own {self.today:,.2f}"
        return f"Buying power for {self.label}: {self.amount:,.2f} {currency}{_OF[self.counts]}{lent}."

    @property
    def most(self) -> Decimal | None:
        """What the broker takes at this moment."""
        return self.amount if self.today is None else self.today


def power_of(
    asset_class: str, account: Account, told: Decimal | None = None, *, rules: Ruleset | None = None
) -> ClassPower:
    """The buying power of a class. `told` is the broker's own buying power, which is about shares; None: it has told none.

    Raises UnsupportedAssetClass for a class that is not traded, UnknownWord for a type of account that is none.
    """
    rules = rules or rulesets.load()
    counts = _COUNTS.get(model_for("buying_power", asset_class, account.type), Counts.VALUE)
    if counts is Counts.CURRENCY:
        return ClassPower(asset_class, counts, Decimal(1), None)
    times = leverage(asset_class, account.type, rules) if counts is Counts.VALUE else Decimal(1)
    amount = max(_free(account), ZERO) * times
    lends = asset_class == AssetClass.EQUITY and account.type == AccountType.MARGIN
    return ClassPower(
        asset_class, counts, times, amount, told if lends and told is not None and told > amount else None
    )


def powers(account: Account, told: Decimal | None = None, *, rules: Ruleset | None = None) -> tuple[ClassPower, ...]:
    """The buying power of every class."""
    rules = rules or rulesets.load()
    return tuple(power_of(each, account, told, rules=rules) for each in SHOWN)


def _free(account: Account) -> Decimal:
    """Money that new positions may use as margin: the broker's own figure where we have it."""
    if account.available is not None:
        return account.available
    return margin_remaining(account) - account.total_value * account.required_free_fraction


__all__ = ["LABELS", "SHOWN", "ClassPower", "Counts", "power_of", "powers"]
