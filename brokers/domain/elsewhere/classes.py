"""Classes of holdings by our names, those that Halyard cannot trade included, and the refusal to end one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brokers.domain.orders import AssetClass
from brokers.domain.sentences import all_of

# Where IBKR has not said what a holding is: its first list of a session may lack that.
UNKNOWN = "unknown"
CODE = "class-not-traded"
OTHER_CLASS = "held-as-another-class"
TRADED = frozenset(str(each) for each in AssetClass)

# With the article that sentences need.
_SPOKEN: Mapping[str, str] = {
    "stock": "a stock",
    "future": "a future",
    "forex": "a currency pair",
    "option": "an option",
    "future_option": "an option on a future",
    "cfd": "a CFD",
    "bond": "a bond",
    "bill": "a treasury bill",
    "fund": "a fund",
    "warrant": "a warrant",
    "structured_product": "a structured product",
    "crypto": "a cryptocurrency",
    "commodity": "a commodity",
    "index": "an index",
    "combination": "a combination",
}
CLASSES = frozenset(_SPOKEN)
# Those that Halyard has orders for, for a sentence.
_MANY: Mapping[AssetClass, str] = {
    AssetClass.STOCK: "stocks",
    AssetClass.FUTURE: "futures",
    AssetClass.FOREX: "currency pairs",
    AssetClass.OPTION: "options on shares and indices",
    AssetClass.FUTURE_OPTION: "options on futures",
    AssetClass.CFD: "CFDs",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done: a sentence with its stable code."""

    reason: str
    code: str = CODE


def is_traded(asset_class: str) -> bool:
    """Whether Halyard has orders for holdings of this class."""
    return asset_class in TRADED


def spoken(asset_class: str) -> str:
    """ "an option"; a class of IBKR's that has no name here by its own word."""
    return _SPOKEN.get(asset_class, f"of IBKR's class {asset_class.upper()}")


def label(asset_class: str) -> str:
    """The class as a table shows it: "option", "CFD"."""
    if asset_class == UNKNOWN:
        return "class not known"
    if asset_class == "cfd" or asset_class not in _SPOKEN:
        return asset_class.upper()
    return asset_class.replace("_", " ")


def mismatch(ticker: str, held_as: str, ordered_as: str) -> Refusal | None:
    """Why no order of a class is sent under the number of a contract that IBKR holds; None where both are the same class."""
    if held_as == ordered_as:
        return None
    reason = (
        f"IBKR holds this contract as {spoken(held_as)}, and the order for {ticker} is for {spoken(ordered_as)}. It was not "
        "sent. Close the position on its own page."
    )
    return no_way_out(ticker, held_as) or Refusal(reason, OTHER_CLASS)


def no_way_out(ticker: str, asset_class: str) -> Refusal | None:
    """Why Halyard sends no order to end a holding of this class; None where it can."""
    if is_traded(asset_class):
        return None
    if asset_class == UNKNOWN:
        reason = f"IBKR has not said what {ticker} is, so Halyard sends no order for it."
        return Refusal(f"{reason} Try again in a minute, or close it in IBKR's own app.")
    reason = f"{ticker} is {spoken(asset_class)}, and Halyard trades {all_of(_MANY.values())} only."
    return Refusal(f"{reason} Close it in IBKR's own app.")
