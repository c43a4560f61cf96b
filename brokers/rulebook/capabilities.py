"""What may be traded how: asset classes, the order-type matrix, and which model serves a class."""

from decimal import Decimal

from brokers.rulebook import rulesets, tables
from brokers.rulebook.answers import Accepted, Denied, Verdict
from brokers.rulebook.errors import UnknownWord, UnsupportedAssetClass
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.words import AccountType

_MODELS = tables.read("models")
ASSET_CLASSES: frozenset[str] = frozenset(_MODELS["asset_classes"])
DATA_ONLY: frozenset[str] = frozenset(_MODELS["data_only"])
EXPERIMENTAL: frozenset[tuple[str, str]] = frozenset((row[0], row[1]) for row in _MODELS["experimental"])
KINDS = ("fill", "fee", "buying_power", "settlement", "slippage", "margin_interest")


def asset_class_denied(asset_class: str, rules: Ruleset) -> Denied | None:
    if asset_class in ASSET_CLASSES:
        return None
    if asset_class in DATA_ONLY:
        return rules.deny("asset_class_not_tradable", asset_class=asset_class)
    return rules.deny("asset_class_not_supported", asset_class=asset_class)


def cell_denied(asset_class: str, order_type: str, rules: Ruleset) -> Denied | None:
    if (order_type, asset_class) in rules.cells:
        return None
    return rules.deny("order_type_not_supported_for_asset_class", order_type=order_type, asset_class=asset_class)


def order_type_supported(asset_class: str, order_type: str, rules: Ruleset | None = None) -> Verdict:
    """One cell of the matrix, with the reason when it is empty."""
    rules = rules or rulesets.load()
    denied = asset_class_denied(asset_class, rules)
    if denied is None and order_type not in rules.order_types:
        denied = rules.deny("order_type_not_supported", order_type=order_type)
    return denied or cell_denied(asset_class, order_type, rules) or Accepted(rules.provenance)


def model_for(kind: str, asset_class: str, account_type: str = AccountType.MARGIN) -> str:
    """The name of Lean's model that serves an asset class in an account of a type.

    UnknownWord for another kind or account type, UnsupportedAssetClass for another class.
    """
    if kind not in KINDS:
        raise UnknownWord(kind, kind="model kind", known=", ".join(KINDS))
    if asset_class not in ASSET_CLASSES:
        raise UnsupportedAssetClass(asset_class)
    row = _MODELS[kind]
    if AccountType.CASH in row:
        row = row[known_account_type(account_type)]
    name: str = row.get(asset_class, row["*"])
    return name


def known_account_type(account_type: str) -> str:
    if account_type not in ("cash", "margin"):
        raise UnknownWord(account_type, kind="account type", known="cash, margin")
    return account_type


def default_market(asset_class: str) -> str:
    """The market of a class whose instrument names none, as Lean has it; else UnsupportedAssetClass."""
    market: str | None = _MODELS["default_market"].get(asset_class)
    if market is None:
        raise UnsupportedAssetClass(asset_class)
    return market


def leverage(asset_class: str, account_type: str, rules: Ruleset | None = None) -> Decimal:
    """How many times its margin a position may be worth; UnsupportedAssetClass or UnknownWord where no table tells."""
    rules = rules or rulesets.load()
    if asset_class not in ASSET_CLASSES:
        raise UnsupportedAssetClass(asset_class)
    row = rules.leverages[known_account_type(account_type)]
    return row.get(asset_class, row["*"])
