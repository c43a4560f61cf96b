"""Names of options: a holding gets one name, by a lane or by the stream; names that IBKR does not know are forgotten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from brokers.book.views import NotYet
from brokers.domain.actions import options
from brokers.domain.brokerage import PositionFacts
from brokers.domain.contracts.combos import legs_of
from brokers.domain.contracts.options import SETTLED_AT_OPEN, named
from brokers.domain.orders import OPTIONS, AssetClass, Contract
from brokers.models import BrokerageAccount, ContractLookup, Position, UnexplainedChange
from brokers.models.unclaimed import EXPLAINED_WITHIN

# IBKR is asked again after some hours anyway: a "no" of the day before is of use to nobody.
KEPT, AT_ONCE = timedelta(days=1), 10_000


def under_own_names(account: BrokerageAccount, held: Mapping[int, PositionFacts]) -> dict[int, PositionFacts]:
    """The holdings by number, with those of two names under their own: by their last day of trade, as orders name them.

    IBKR's lists name an option that settles at an open by the day of that, and one on a future by its class and month, without
    its day. Who has found its contract reads its own name, who has not reads IBKR's; so it is taken from what the connection
    knows.
    """
    two_names = [conid for conid, fact in held.items() if _has_two_names(fact)]
    if not two_names:
        return dict(held)
    known = ContractLookup.objects.of_contracts().filter(
        connection=account.connection_id,
        asset_class__in=OPTIONS,
        status=ContractLookup.Status.FOUND,
        conid__in=two_names,
    )
    # Asked for by both days the contract is known by both names; the own one is the earlier.
    own = {conid: ticker for conid, ticker in known.order_by("-ticker").values_list("conid", "ticker") if conid}
    return {conid: replace(fact, ticker=own.get(conid, fact.ticker)) for conid, fact in held.items()}


def gone(accounts: Collection[int], now: datetime) -> dict[tuple[int, int], str]:
    """The names of options that IBKR's list lacks of late while no fill explains it, by account and contract: a split may have made
    others of them, which its next list shows."""
    rows = UnexplainedChange.objects.filter(account__in=accounts, asset_class=str(AssetClass.OPTION))
    of_late = rows.filter(since__gt=now - EXPLAINED_WITHIN).exclude(quantity=0).exclude(before=0)
    return {(pk, conid): ticker for pk, conid, ticker in of_late.values_list("account_id", "conid", "ticker")}


def is_gone(ticker: str) -> NotYet:
    """What is waited for where an option is gone from the list."""
    return NotYet(
        waiting_for=f"IBKR's next list of positions, as it lists no {ticker} any more and no fill explains it yet"
    )


def settled(
    account_pk: int,
    contract: Contract,
    positions: Mapping[tuple[int, int], Position],
    missing: Mapping[tuple[int, int], str],
) -> NotYet | None:
    """What is waited for where IBKR lists an option, or a leg of a combo, by a name that a split makes of its own: until that is
    written down, nobody knows of which contract a size and a price are. So it is where nothing of it is listed any more (`missing`, of `gone`)."""
    instrument = contract.instrument
    if instrument.asset_class is not AssetClass.OPTION:
        return None
    rows = {conid: positions.get((account_pk, conid)) for conid in legs_of(contract.conid) or (contract.conid,)}
    listed = {conid: row.ticker for conid, row in rows.items() if row is not None and row.quantity}
    lacking = [missing[account_pk, conid] for conid in rows if (account_pk, conid) in missing]
    if lacking and not listed:
        # What is held still, as where one leg was assigned, leaves at once.
        return is_gone(lacking[0] or instrument.ticker)
    other = options.called_otherwise(contract.conid, instrument.ticker, listed)
    return (
        None if other is None else NotYet(waiting_for=f"IBKR's word on {instrument.ticker}, which it lists as {other}")
    )


def _has_two_names(fact: PositionFacts) -> bool:
    name = named(fact.ticker)
    on_future = fact.asset_class == AssetClass.FUTURE_OPTION
    return on_future or (name is not None and name.underlying in SETTLED_AT_OPEN)


def forget_unknown(now: datetime) -> int:
    """Delete names and rules of options that IBKR has not found since yesterday; returns how many. A strategy can try
    thousands, and each is a row. Where a person is asked to choose it stays."""
    unknown = ContractLookup.objects.filter(
        asset_class__in=OPTIONS,
        status=ContractLookup.Status.UNKNOWN,
        conid=None,
        candidates__isnull=True,
        asked_at__lt=now - KEPT,
    )
    return unknown.filter(pk__in=unknown.order_by("pk").values("pk")[:AT_ONCE]).delete()[0]
