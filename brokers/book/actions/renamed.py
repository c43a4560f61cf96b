"""Options that a split of their share has made others of: what waits in them, and how their contracts are asked for anew."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from brokers.book.options import memory
from brokers.domain.contracts.options import named
from brokers.domain.orders import AssetClass, OrderStatus, Role
from brokers.models import ContractLookup, CorporateAction, Order
from brokers.models.options import combos
from brokers.postgres.notices import ORDERS_CHANNEL, notify


def is_changed(ticker: str) -> bool:
    """Whether an option is of a class whose terms a split has changed, which is closed and never opened."""
    name = named(ticker)
    return name is not None and bool(name.series)


def opens_what_is_only_closed(order: Order, action: CorporateAction) -> bool:
    """Whether an order that waits would open a contract whose terms the split has changed."""
    return order.role == Role.ENTRY and bool(action.ticker_before) and is_changed(action.ticker)


def combos_that_wait(action: CorporateAction) -> list[Order]:
    """Orders for combos with the option of before that have not left; locked. Their legs are others now, and their prices."""
    waiting = combos.with_leg(action.account_id, action.conid_before).filter(status=str(OrderStatus.CREATED))
    met = waiting.filter(created_at__lte=action.seen_at)
    return list(met.select_for_update(of=("self",)).order_by("pk"))


def ask_for(action: CorporateAction, at: datetime) -> None:
    """Ask IBKR for the contract of now under its own name, and for combos with it, and what the name of before means: another
    contract, or none."""
    connection = action.account.connection_id
    known = ContractLookup.objects.of_contracts().filter(connection=connection, asset_class=str(AssetClass.OPTION))
    gone = {"bid": None, "ask": None, "last": None, "quote_as_of": None}
    known.filter(conid=action.conid_before).exclude(ticker=action.ticker).update(
        **gone,
        conid=None,
        replaced_conid=F("conid"),
        replaced_at=at,
        status=ContractLookup.Status.WANTED,
        asked_at=at,
    )
    if (before := named(action.ticker_before)) is not None:
        # What IBKR said of the chain earlier today lists numbers that are no contracts any more.
        memory.forget(connection, sorted({before.underlying, before.root}), at)
    option = str(AssetClass.OPTION)
    tickers = [action.ticker, *sorted(combos.names_with(action.account_id, action.conid, at))]
    ContractLookup.objects.bulk_create(
        [
            ContractLookup(connection_id=connection, ticker=ticker, asset_class=option, asked_at=at)
            for ticker in tickers
        ],
        ignore_conflicts=True,
    )
    # Its orders of before bear the other number.
    named_now = ContractLookup.objects.filter(connection=connection, ticker=action.ticker, asset_class=option)
    named_now.update(replaced_conid=action.conid_before, replaced_at=at)
    notify(ORDERS_CHANNEL, str(connection))
