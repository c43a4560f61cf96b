"""What the account itself rules out: Lite accounts, accounts that are not open, and what it was not permitted to trade.

A fact that the broker did not tell refuses nothing.
"""

from brokers.rulebook.answers import Caution, Denied
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import Instrument, Permissions
from brokers.rulebook.words import SECURITY_TYPES, AssetClass

REASONS = frozenset(
    {
        "lite_account",
        "account_not_open",
        "client_trading_disabled",
        "asset_class_not_permitted",
        "no_trading_permission",
    }
)
OVER = frozenset({"closed", "abandoned", "rejected"})
PEOPLE_SAY: dict[str, str] = {
    AssetClass.EQUITY: "shares",
    AssetClass.OPTION: "options",
    AssetClass.FOREX: "currencies",
    AssetClass.FUTURE: "futures",
    AssetClass.FUTURE_OPTION: "options on futures",
    AssetClass.INDEX_OPTION: "index options",
    AssetClass.CFD: "CFDs",
}


def permission_denied(instrument: Instrument, permissions: Permissions, rules: Ruleset) -> Denied | None:
    """The broadest reason first: the account, then the kind of thing, then the thing itself."""
    if permissions.lite:
        return rules.deny("lite_account")
    if permissions.clearing in OVER:
        return rules.deny("account_not_open", status=permissions.clearing)
    if permissions.client_trades is False:
        return rules.deny("client_trading_disabled")
    allowed, asset_class = permissions.security_types, instrument.asset_class
    if allowed and asset_class in PEOPLE_SAY and SECURITY_TYPES[asset_class] not in allowed:
        return rules.deny("asset_class_not_permitted", kind=PEOPLE_SAY[asset_class])
    if permissions.instrument is False:
        return rules.deny("no_trading_permission", symbol=instrument.symbol or "this instrument")
    return None


def opening_caution(permissions: Permissions, rules: Ruleset) -> Caution | None:
    """An account that is still being opened: the broker may take its orders, or not."""
    if permissions.clearing in OVER or permissions.clearing in ("", "open"):
        return None
    return rules.caution("account_still_opening", status=permissions.clearing)
