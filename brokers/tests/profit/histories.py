"""Histories of one contract in one account, as the simulator's books and as our trades have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from brokers.domain.actions.reading import Ratio
from brokers.domain.profit.facts import Effect, Fill, Rate, Split, as_corrected
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.instrument import Instrument
from brokers.simulator.catalogue.relisted import Split as Listed
from brokers.simulator.exchange import accounting, corporate
from brokers.simulator.exchange.records import Account, Execution, Position
from brokers.simulator.tests.exchange.exchange import Exchange

D = Decimal
BEGIN = datetime(2026, 3, 2, 15, tzinfo=UTC)
TODAY = date(2026, 12, 1)
# In US dollars, euros, pence, yen and dollars of Hong Kong; a future and a CFD beside shares.
AAPL, SAP, SEVEN_HUNDRED, TOYOTA, VOD, DAX, IBUS500 = (
    265598,
    880000000,
    880000007,
    880000008,
    880000009,
    500622612,
    700900000,
)
CONTRACTS = {each.conid: each for each in catalogue.everything(TODAY)}
SHARES = (AAPL, SAP, SEVEN_HUNDRED, TOYOTA, VOD)
RENUMBERED = 930_000_001
RATIOS = (Ratio(new=2, old=1), Ratio(new=3, old=2), Ratio(new=1, old=10), Ratio(new=10, old=7), Ratio(new=1, old=1))


@dataclass(frozen=True)
class History:
    """Reports of fills as a broker sends them, corrections and all, and splits."""

    contract: Instrument
    reports: tuple[Fill, ...]
    splits: tuple[Split, ...]


@st.composite
def histories(draw: st.DrawFn, owners: int = 1) -> History:
    """Up to fourteen events: entries, exits, parts, flips, splits that may renumber, and corrections that may be late."""
    contract = CONTRACTS[draw(st.sampled_from([*SHARES, DAX, IBUS500]))]
    reports: list[Fill] = []
    splits: list[Split] = []
    conid, at = contract.conid, BEGIN
    for number in range(draw(st.integers(1, 14))):
        at += timedelta(minutes=draw(st.integers(1, 2_000)))
        kind = draw(st.sampled_from(["fill", "fill", "fill", "fill", "correction", "split"]))
        if kind == "split" and contract.conid in SHARES and len(splits) < 2:
            becomes = RENUMBERED + len(splits) if draw(st.booleans()) else conid
            splits.append(Split(conid_before=conid, conid=becomes, at=at, ratio=draw(st.sampled_from(RATIOS))))
            conid = becomes
        elif kind == "correction" and reports:
            told = draw(st.sampled_from(reports))
            # As the broker sends it: the same fill at another price, of another size.
            reports.append(
                replace(
                    told,
                    revision=number + 1,
                    price=draw(prices()),
                    quantity=draw(sizes()) * (1 if told.quantity > 0 else -1),
                )
            )
        else:
            reports.append(draw(_fill(f"f{number}", conid, at, owners)))
    return History(contract, tuple(reports), tuple(splits))


def prices() -> st.SearchStrategy[Decimal]:
    return st.integers(1, 40_000).map(lambda cents: D(cents) / 100)


def sizes() -> st.SearchStrategy[Decimal]:
    return st.integers(1, 90).map(D)


@st.composite
def _fill(draw: st.DrawFn, name: str, conid: int, at: datetime, owners: int) -> Fill:
    return Fill(
        execution_id=name,
        conid=conid,
        owner=draw(st.integers(1, owners)),
        effect=draw(st.sampled_from([Effect.OPENS, Effect.EITHER])),
        quantity=draw(sizes()) * draw(st.sampled_from([1, -1])),
        price=draw(prices()),
        fee=draw(st.integers(0, 900).map(lambda cents: D(cents) / 100)),
        at=at,
        rate=Rate(draw(st.integers(50, 1_500).map(lambda part: D(part) / 1000)), at),
    )


def booked(history: History, currency: str) -> tuple[Account, Instrument]:
    """What the simulator's books say of the history, as it is after the last correction, and the contract of after it."""
    exchange = Exchange(find=lambda conid: _listed(history.contract, conid))
    account = exchange.open(base=currency, cash="0")
    contract, rate = history.contract, D(1)
    fills = as_corrected(history.reports)
    events: list[tuple[datetime, int, Fill | Split]] = [(each.at, 0, each) for each in fills]
    events += [(each.at, 1, each) for each in history.splits]
    for number, (_, _, event) in enumerate(sorted(events, key=lambda each: each[:2])):
        if isinstance(event, Split):
            contract = replace(contract, conid=event.conid)
            change = _as_listed(event, number)
            corporate.split(exchange, change, contract, adjusts=False, price=D(100))
        else:
            rate = event.rate.value if event.rate else D(1)
            accounting.apply(account, _execution(event, number, contract), contract, _at(rate))
    return account, contract


def _at(rate: Decimal) -> Callable[[str, str], Decimal]:
    return lambda source, target: D(1) if source == target else rate


def _listed(contract: Instrument, conid: int) -> Instrument | None:
    return replace(contract, conid=conid)


def _as_listed(split: Split, number: int) -> Listed:
    return Listed(
        number=number,
        conid=split.conid_before,
        becomes=split.conid,
        new=split.ratio.new,
        old=split.ratio.old,
        at=split.at.timestamp(),
    )


def _execution(fill: Fill, number: int, contract: Instrument) -> Execution:
    return Execution(
        number=number,
        order_id=number,
        account_id="SIM1",
        username="alice",
        conid=contract.conid,
        side="BUY" if fill.quantity > 0 else "SELL",
        quantity=abs(fill.quantity),
        price=fill.price,
        commission=fill.fee or D(0),
        net_amount=D(0),
        exchange="SMART",
        reference="",
        executed_at=fill.at.timestamp(),
        currency=contract.currency,
    )


def position_of(account: Account, contract: Instrument) -> Position:
    held = account.positions.get(contract.conid)
    return held or Position(account_id=account.account_id, conid=contract.conid)
