"""What a connection knows of contracts, and readings of signals about them, for tests."""

from __future__ import annotations

from datetime import datetime

from brokers.models import Connection, ContractLookup


def knows(
    connection: Connection, now: datetime, ticker: str = "AAPL", conid: int = 265598, *, asset_class: str = "stock"
) -> ContractLookup:
    """The connection has found the ticker at IBKR."""
    return ContractLookup.objects.create(
        connection=connection,
        ticker=ticker,
        asset_class=asset_class,
        status="found",
        conid=conid,
        answered_at=now,
        increments=[],
    )


def reading(action: str = "buy", ticker: str = "AAPL", quantity: str | None = "10") -> dict[str, object]:
    """A signal's reading: action, stock and, unless it is None, quantity."""
    fields: dict[str, object] = {"action": action, "instrument": {"class": "stock", "symbol": ticker}}
    return fields if quantity is None else {**fields, "quantity": {"value": quantity, "type": "fixed_quantity"}}
