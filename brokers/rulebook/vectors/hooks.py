"""What the model leaves to an account: leverage of its own, slippage and interest, which are none unless it wants some."""

from decimal import Decimal

from brokers.rulebook.capabilities import ASSET_CLASSES, model_for
from brokers.rulebook.errors import FixedLeverage, UnsupportedAssetClass

FIXED_LEVERAGE = frozenset(
    {"OptionMarginModel", "FutureMarginModel", "FuturesOptionsMarginModel", "CashBuyingPowerModel"}
)


def set_leverage(asset_class: str, account_type: str, requested: Decimal) -> Decimal:
    """The leverage after a change; a class whose leverage is fixed refuses."""
    if requested != 1 and model_for("buying_power", asset_class, account_type) in FIXED_LEVERAGE:
        raise FixedLeverage(asset_class)
    return requested


def slippage(_asset_class: str) -> Decimal:
    """No slippage is modelled; the hook stays for accounts that want some."""
    if _asset_class not in ASSET_CLASSES:
        raise UnsupportedAssetClass(_asset_class)
    return Decimal(0)


def margin_interest(asset_class: str, balance: Decimal, days: int) -> Decimal:
    """No margin interest is charged; the hook takes what a later schedule would need."""
    if asset_class not in ASSET_CLASSES:
        raise UnsupportedAssetClass(asset_class)
    return balance * days * 0


def day_trading_leverage(*, exchange_open: bool, closing_soon: bool) -> Decimal:
    """Pattern day trading: four times while open, two times when closed or about to close. Not the default."""
    return Decimal(4) if exchange_open and not closing_soon else Decimal(2)
