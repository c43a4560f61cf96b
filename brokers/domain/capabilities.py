"""What IBKR says an account may do."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "STK": "shares",
    "OPT": "options",
    "CASH": "currencies",
    "FUT": "futures",
    "FOP": "options on futures",
    "CFD": "CFDs",
}


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

    @property
    def classes(self) -> list[tuple[str, bool]]:
        """Each class of instruments with whether the account may trade it; empty where IBKR does not say."""
        allowed = {word.strip() for word in self.asset_types.split(",")}
        classes = [(kind, word in allowed) for word, kind in KINDS.items()]
        return classes if any(may for _, may in classes) else []

    @property
    def trouble(self) -> str:
        """Why IBKR takes no orders for it, the gravest reason first; empty where none is known."""
        if self.lite:
            return "This is an IBKR Lite account: IBKR takes no orders for it through the API."
        if self.clearing not in {"", "open"}:
            return f"IBKR lists this account as {self.clearing}."
        if self.client_trades is False:
            return "IBKR has trading by the client switched off in this account."
        return ""

    @property
    def sentence(self) -> str:
        """The one thing a person has to know of it."""
        if trouble := self.trouble:
            return trouble
        kinds = [kind for kind, may in self.classes if may]
        return f"IBKR lets it trade {', '.join(kinds)}." if kinds else "IBKR has not said what this account may trade."


NOT_SAID = Capabilities()
