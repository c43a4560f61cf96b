"""What IBKR says an account may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Empty or None where IBKR does not say, and then nothing is refused for it.

    `clearing` is the account's state at IBKR's clearing ("open", "pending", "closed" ...), `asset_types` are IBKR's own
    words for what the user may trade, parted by commas: "STK,FUT,CASH".
    """

    lite: bool | None = None
    clearing: str = ""
    client_trades: bool | None = None
    asset_types: str = ""


NOT_SAID = Capabilities()
