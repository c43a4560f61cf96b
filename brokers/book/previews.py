"""IBKR's previews of orders: what margin one would need, where no figure of today is on record.

A row is also the question. The connection's lane asks it when no order waits, and wakes the decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from brokers.domain.brokerage import Leg
from brokers.domain.orders import (
    OF_FUTURES,
    OPTIONS,
    AssetClass,
    Contract,
    Instrument,
    OrderIntent,
    OrderType,
    Role,
    Side,
)
from brokers.domain.snapshot import MarginPreview as PreviewValue
from brokers.domain.whatif.figures import OrderPreview
from brokers.models import BrokerageAccount, ContractLookup, MarginPreview
from brokers.postgres.notices import DECISIONS_CHANNEL, ORDERS_CHANNEL, keys, notify

# A decision that needs a preview waits this long for it, and then goes on without.
WAITED_FOR = timedelta(seconds=3)
# What IBKR did not tell is not asked about by every signal; what it told may soon have changed.
WITHHELD_FOR = timedelta(minutes=1)
ASKED_AGAIN_AFTER = timedelta(seconds=10)

# An account and a contract.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An order whose margin a decision waits for."""

    account_pk: int
    connection_pk: int
    conid: int
    side: Side
    quantity: Decimal


def asked_about(instrument: Instrument) -> bool:
    """Whether the margin of an instrument is a figure of its own, which tables may lack or have out of date."""
    return instrument.asset_class in OPTIONS | OF_FUTURES | {AssetClass.CFD}


def load(accounts: Collection[int], conids: Collection[int]) -> dict[Place, list[MarginPreview]]:
    """The previews of these contracts in these accounts, answered or not yet."""
    previews: dict[Place, list[MarginPreview]] = {}
    for row in MarginPreview.objects.filter(account__in=accounts, conid__in=conids).order_by("side"):
        previews.setdefault((row.account_id, row.conid), []).append(row)
    return previews


def value(row: MarginPreview) -> PreviewValue | None:
    """What IBKR said last; None where it has said nothing yet."""
    if row.as_of is None or row.previewed_quantity is None:
        return None
    return PreviewValue(
        side=Side(row.side),
        quantity=row.previewed_quantity,
        initial=row.initial,
        as_of=row.as_of,
        refusal=row.refusal,
        short=row.short,
    )


def may_come(row: MarginPreview | None, now: datetime) -> bool:
    """Whether it is worth waiting for a preview: nobody has asked, or somebody did a moment ago."""
    if row is None:
        return True
    if row.wanted_at is not None:
        return now - row.wanted_at < WAITED_FOR
    if row.answered_at is None:
        return True
    answered = row.as_of is not None and row.as_of >= row.answered_at
    return now - row.answered_at > (ASKED_AGAIN_AFTER if answered else WITHHELD_FOR)


def want(questions: Iterable[Question], now: datetime) -> None:
    """Ask for previews where nobody does already. Who asked first counts: a silent lane holds nobody up twice."""
    by_row = {(each.account_pk, each.conid, each.side): each for each in questions}
    if not by_row:
        return
    MarginPreview.objects.bulk_create(
        (
            MarginPreview(
                account_id=each.account_pk, conid=each.conid, side=str(each.side), quantity=each.quantity, wanted_at=now
            )
            for each in by_row.values()
        ),
        ignore_conflicts=True,
    )
    for each in by_row.values():
        MarginPreview.objects.filter(
            account=each.account_pk, conid=each.conid, side=str(each.side), wanted_at__isnull=True
        ).update(quantity=each.quantity, wanted_at=now)
    notify(ORDERS_CHANNEL, keys(each.connection_pk for each in by_row.values()))


def withdraw(places: Iterable[Place], now: datetime) -> None:
    """End the wait for previews: something stands behind the decision that waits, perhaps a way out."""
    withdrawn = set[int]()
    for account_pk, conid in set(places):
        waiting = MarginPreview.objects.filter(account=account_pk, conid=conid, wanted_at__isnull=False)
        if waiting.update(wanted_at=None, answered_at=now):
            withdrawn.add(account_pk)
    if withdrawn:
        accounts = BrokerageAccount.objects.filter(pk__in=withdrawn)
        notify(DECISIONS_CHANNEL, keys(accounts.values_list("connection", flat=True)))


def wanted_of(connection_pk: int) -> list[MarginPreview]:
    """The previews a lane has to ask for, those asked for first before the others."""
    rows = MarginPreview.objects.filter(account__connection=connection_pk, wanted_at__isnull=False)
    return list(rows.select_related("account").order_by("wanted_at", "pk")[:20])


def leg(row: MarginPreview) -> Leg | None:
    """The order to ask about, as a market order of the day; None where its contract is not known any more."""
    lookup = ContractLookup.objects.numbered(row.account.connection_id, row.conid).first()
    if lookup is None:
        return None
    contract: Contract = lookup.value()
    intent = OrderIntent(
        role=Role.ENTRY,
        instrument=contract.instrument,
        side=Side(row.side),
        type=OrderType.MARKET,
        quantity=row.quantity,
    )
    return Leg(intent=intent, reference="", contract=contract)


@transaction.atomic
def answer(row: MarginPreview, preview: OrderPreview | None, now: datetime) -> None:
    """Write IBKR's answer down and wake the decisions. None: it gave none; an earlier one stays, with its age."""
    values: dict[str, object] = {"wanted_at": None, "answered_at": now}
    if preview is not None:
        values |= {
            "previewed_quantity": row.quantity,
            "as_of": now,
            "initial": preview.initial_margin,
            "refusal": preview.refusal[:300],
            "short": preview.short,
        }
    MarginPreview.objects.filter(pk=row.pk).update(**values)
    notify(DECISIONS_CHANNEL, str(row.account.connection_id))
