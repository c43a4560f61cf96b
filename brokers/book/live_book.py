"""Our live book: the broker's word on money, positions and contracts, kept fresh so that decisions need no call."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce

from brokers import live
from brokers.book import day_ledger, quotes, rates
from brokers.domain.brokerage import AccountSummary, PositionFacts
from brokers.domain.orders import (
    IN_FLIGHT,
    WAITING,
    WORKING,
    AssetClass,
    Contract,
    Instrument,
    OrderStatus,
    OrderType,
    Resize,
    Role,
    Side,
    TimeInForce,
)
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Quote, Snapshot, WorkingOrder
from brokers.models import BrokerageAccount, ContractLookup, EquityPoint, Execution, Order, Position
from brokers.postgres import notices

# Who decides finds the channels of the book beside the book.
DECISIONS_CHANNEL, ORDERS_CHANNEL, STOP = notices.DECISIONS_CHANNEL, notices.ORDERS_CHANNEL, notices.STOP
keys, notify = notices.keys, notices.notify
CURVE_EVERY = timedelta(minutes=1)
ASK_AGAIN_AFTER = timedelta(hours=6)
# A permission asked for in Client Portal is soon there; who lacks one should not have to wait for us.
PERMISSION_AGAIN_AFTER = timedelta(minutes=10)
_NAMES_ITS_MONTH = re.compile(r"[A-Z0-9]+[FGHJKMNQUVXZ]\d{4}")
MAY_FILL = [str(status) for status in WAITING | IN_FLIGHT | WORKING]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The book cannot show this now; `waiting_for` completes the sentence "waiting for ..."."""

    waiting_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The broker does not know the instrument; the reason is its sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A snapshot, and how certain its position is.

    `unsettled` is the signed quantity of fills we heard of since the position was read. The position may or may not
    contain them, so a caller takes a decision only when it would be the same either way.
    `wants` names the currencies whose rates into the account's are on their way: `snapshot.rates` lacks them.
    """

    snapshot: Snapshot
    unsettled: Decimal = Decimal(0)
    wants: frozenset[str] = frozenset()

    @property
    def missing_rate(self) -> NotYet | None:
        """What a decision that cannot do without an exchange rate waits for; None where IBKR has none to give."""
        if not self.wants:
            return None
        return NotYet(waiting_for=f"IBKR's rate from {', '.join(sorted(self.wants))} to {self.snapshot.currency}")

    @property
    def alternatives(self) -> tuple[Snapshot, ...]:
        """The snapshot, and how it would look if the position did not yet contain the fills."""
        if not self.unsettled:
            return (self.snapshot,)
        return self.snapshot, replace(self.snapshot, position=self.snapshot.position + self.unsettled)


@dataclass
class Book:
    """What we hold about some accounts and instruments, loaded with a handful of queries for a whole batch."""

    now: datetime
    lookups: dict[tuple[int, str, str], ContractLookup] = field(default_factory=dict)
    positions: dict[tuple[int, int], Position] = field(default_factory=dict)
    working: dict[tuple[int, int], list[WorkingOrder]] = field(default_factory=lambda: defaultdict(list))
    unsettled: dict[tuple[int, int], Decimal] = field(default_factory=dict)
    # Margin set aside for orders planned within the same batch, by account: they are not at the broker yet.
    reserved: dict[int, Decimal] = field(default_factory=dict)
    rates: rates.Rates = field(default_factory=rates.Rates)

    def lookup(self, account: BrokerageAccount, instrument: Instrument) -> ContractLookup | None:
        """The broker's identity of the instrument, as far as it was asked for."""
        return self.lookups.get((account.connection_id, str(instrument.asset_class), instrument.ticker))

    def has_fresh_quote(self, account: BrokerageAccount, instrument: Instrument) -> bool:
        """Whether a plan that needs a quote can be made now."""
        lookup = self.lookup(account, instrument)
        return lookup is not None and quotes.is_fresh(lookup, self.now)

    def quote_is_coming(self, account: BrokerageAccount, instrument: Instrument) -> bool:
        """Whether a fresh quote was asked for less than three seconds ago: worth waiting for, if the plan needs one."""
        lookup = self.lookup(account, instrument)
        return lookup is not None and quotes.is_coming(lookup, self.now)

    def shows_no_quote(self, account: BrokerageAccount, instrument: Instrument) -> bool:
        """Whether IBKR was asked within the last minute and showed no fresh quote: the decision goes on, and says so."""
        lookup = self.lookup(account, instrument)
        return lookup is not None and quotes.is_withheld(lookup, self.now)

    def view(self, account: BrokerageAccount, instrument: Instrument) -> View | NotYet | Unknown:
        """What the book shows for one account and instrument. Never reads a stale or missing book as "no position"."""
        lookup = self.lookup(account, instrument)
        if lookup is None or lookup.status == ContractLookup.Status.WANTED:
            return NotYet(waiting_for=f"IBKR's contract for {instrument.ticker}")
        if lookup.status == ContractLookup.Status.UNKNOWN:
            return Unknown(reason=lookup.reason)
        if account.book_as_of is None:
            return NotYet(waiting_for="the first look at the account's positions")
        if self.now - account.book_as_of > timedelta(seconds=settings.BOOK_FRESH_SECONDS):
            return NotYet(waiting_for="a fresh look at the account's positions")
        contract = lookup.value()
        key = (account.pk, contract.conid)
        position = self.positions.get(key)
        exchange = (account.connection_id, contract.currency, account.currency)
        rate = self.rates.known.get(exchange)
        snapshot = Snapshot(
            account_id=account.account_id,
            contract=contract,
            position=position.quantity if position else Decimal(0),
            average_cost=position.average_cost if position else None,
            working=tuple(self.working.get(key, ())),
            equity=account.equity,
            buying_power=account.buying_power,
            currency=account.currency,
            quote=quotes.shown(lookup),
            as_of=account.book_as_of,
            available_funds=self._available(account),
            cash=account.cash,
            mark=position.market_price if position else None,
            account_type=account.margin,
            environment=Environment(account.connection.environment),
            capabilities=account.capabilities,
            unrealized_pnl=account.unrealized_pnl,
            permitted=None if lookup.permitted is None else account.account_id in lookup.permitted,
            rates={} if rate is None else {contract.currency: rate},
        )
        wants = frozenset({contract.currency} if exchange in self.rates.coming else ())
        return View(snapshot=snapshot, unsettled=self.unsettled.get(key, Decimal(0)), wants=wants)

    def count_fill(self, account_pk: int, conid: int, side: Side, quantity: Decimal) -> None:
        """Count a fill that the position may or may not contain yet."""
        key = (account_pk, conid)
        self.unsettled[key] = self.unsettled.get(key, Decimal(0)) + side.sign * quantity

    def add(self, account_pk: int, conid: int, order: WorkingOrder) -> None:
        """Count an order that was planned a moment ago, within the same batch."""
        self.working[(account_pk, conid)].append(order)

    def resize(self, account_pk: int, conid: int, resizes: Iterable[Resize]) -> None:
        """Count orders as smaller that were made so a moment ago, within the same batch."""
        totals = {each.reference: each.quantity for each in resizes}
        known = self.working.get((account_pk, conid), [])
        known[:] = [
            replace(each, remaining=totals[each.reference] - each.filled) if each.reference in totals else each
            for each in known
        ]

    def cancel(self, account_pk: int, conid: int, references: Collection[str]) -> None:
        """Count orders as being canceled that were so a moment ago, within the same batch."""
        known = self.working.get((account_pk, conid), [])
        known[:] = [
            replace(each, status=OrderStatus.PENDING_CANCEL) if each.reference in references else each for each in known
        ]

    def reserve(self, account_pk: int, margin: Decimal) -> None:
        """Set margin aside for orders that were planned a moment ago, within the same batch."""
        self.reserved[account_pk] = self.reserved.get(account_pk, Decimal(0)) + margin

    def _available(self, account: BrokerageAccount) -> Decimal | None:
        if account.available_funds is None:
            return None
        funds: Decimal = account.available_funds - self.reserved.get(account.pk, Decimal(0))
        return funds


def load(wanted: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime, *, ask: bool = True) -> Book:
    """The book for these accounts and instruments; contracts not asked for yet are asked for now, unless told not to."""
    book = Book(now=now)
    pairs = list(wanted)
    if not pairs:
        return book
    accounts = {account.pk: account for account, _ in pairs}
    tickers = {instrument.ticker for _, instrument in pairs}
    connections = {account.connection_id for account in accounts.values()}
    for lookup in ContractLookup.objects.filter(connection__in=connections, ticker__in=tickers):
        book.lookups[(lookup.connection_id, lookup.asset_class, lookup.ticker)] = lookup
    if ask:
        _ask_for_missing(book, pairs, now)
    book.rates = rates.load(_exchanged(book, pairs), now, ask=ask)
    conids = {lookup.conid for lookup in book.lookups.values() if lookup.conid is not None}
    # In this order: what changes meanwhile is seen twice, as an order that may fill or as a fill that may not be in the
    # position yet, and a decision waits. Positions first, it could be seen not at all.
    _read_working(book, accounts, conids)
    _read_unsettled(book, accounts, conids)
    for position in Position.objects.filter(account__in=accounts, conid__in=conids):
        book.positions[(position.account_id, position.conid)] = position
    return book


def _read_working(book: Book, accounts: Collection[int], conids: Collection[int]) -> None:
    working = Order.objects.filter(account__in=accounts, conid__in=conids, status__in=MAY_FILL)
    for order in (
        working.select_related("parent")
        .only(
            "account_id",
            "conid",
            "reference",
            "role",
            "side",
            "type",
            "quantity",
            "filled_quantity",
            "status",
            "limit_price",
            "stop_price",
            "trail_amount",
            "trail_percent",
            "time_in_force",
            "outside_rth",
            "ticket_id",
            "changed_at",
            "resize_to",
            "keeps_its_size",
            "parent__reference",
        )
        .order_by("pk")
    ):
        book.add(order.account_id, order.conid, working_order(order))


def _read_unsettled(book: Book, accounts: Collection[int], conids: Collection[int]) -> None:
    """Fills that the positions may not contain: heard of since these were read, by their own report or by their order's."""
    read = F("account__book_as_of")
    newer = Execution.objects.filter(account__in=accounts, conid__in=conids).filter(
        Q(account__book_as_of__isnull=True) | Q(seen_at__gt=read)
    )
    for row in newer.values("account_id", "conid", "side").annotate(total=Sum("quantity")):
        book.count_fill(row["account_id"], row["conid"], Side(row["side"]), row["total"])
    # An order can be known to have filled before its executions come home.
    orders = Order.objects.filter(account__in=accounts, conid__in=conids).filter(
        Q(status__in=MAY_FILL, filled_quantity__gt=0) | Q(status=str(OrderStatus.FILLED), filled_at__gt=read)
    )
    told = orders.annotate(known=Coalesce(Sum("executions__quantity"), Decimal(0))).filter(
        filled_quantity__gt=F("known")
    )
    for account_pk, conid, side, filled, known in told.values_list(
        "account_id", "conid", "side", "filled_quantity", "known"
    ):
        book.count_fill(account_pk, conid, Side(side), filled - known)


def _exchanged(book: Book, pairs: Sequence[tuple[BrokerageAccount, Instrument]]) -> set[rates.Key]:
    """The rates these accounts need: from the currency of a contract into their own."""
    return {
        (account.connection_id, lookup.currency, account.currency)
        for account, instrument in pairs
        if (lookup := book.lookup(account, instrument)) is not None
        and lookup.status == ContractLookup.Status.FOUND
        and lookup.currency != account.currency
    }


def want_quotes(book: Book, pairs: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime) -> None:
    """Ask for fresh quotes of these instruments where the book has none; afterwards `book.quote_is_coming` says so.

    Call it in the transaction that keeps the decision waiting: the lane is woken when that commits.
    """
    found = (book.lookup(account, instrument) for account, instrument in pairs)
    quotes.want((each for each in found if each is not None), now)


def working_order(order: Order) -> WorkingOrder:
    """The domain value of an order that may still fill."""
    return WorkingOrder(
        reference=order.reference,
        role=Role(order.role),
        side=Side(order.side),
        type=OrderType(order.type),
        remaining=order.remaining
        if order.resize_to is None
        else max(order.resize_to - order.filled_quantity, Decimal(0)),
        status=OrderStatus(order.status),
        filled=order.filled_quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
        time_in_force=TimeInForce(order.time_in_force),
        outside_rth=order.outside_rth,
        parent=order.parent.reference if order.parent else "",
        ticket=str(order.ticket_id),
        since=order.changed_at,
        keeps_its_size=order.keeps_its_size,
    )


def _ask_for_missing(book: Book, pairs: Sequence[tuple[BrokerageAccount, Instrument]], now: datetime) -> None:
    """Write the questions down; the connection's lane asks them and the answer wakes the decision."""
    missing: dict[tuple[int, str, str], ContractLookup] = {}
    for account, instrument in pairs:
        key = (account.connection_id, str(instrument.asset_class), instrument.ticker)
        known = book.lookups.get(key)
        if known is None:
            missing[key] = ContractLookup(
                connection_id=account.connection_id,
                ticker=instrument.ticker,
                asset_class=instrument.asset_class,
                asked_at=now,
            )
        elif now - known.asked_at > _believed_for(known, account) or _has_rolled(known, now):
            # A symbol can be listed later and a permission given; an old "no" is believed for a while only.
            ContractLookup.objects.filter(pk=known.pk).update(status=ContractLookup.Status.WANTED, asked_at=now)
            known.status = ContractLookup.Status.WANTED
            notify(ORDERS_CHANNEL, str(account.connection_id))
    if missing:
        ContractLookup.objects.bulk_create(missing.values(), ignore_conflicts=True)
        book.lookups.update(missing)
        notify(ORDERS_CHANNEL, keys(connection_pk for connection_pk, _, _ in missing))


def _has_rolled(known: ContractLookup, now: datetime) -> bool:
    """Whether the contract behind a future's root may be another one today."""
    if known.asset_class != AssetClass.FUTURE or known.status != ContractLookup.Status.FOUND:
        return False
    return known.asked_at.date() < now.date() and not _NAMES_ITS_MONTH.fullmatch(known.ticker)


def _believed_for(known: ContractLookup, account: BrokerageAccount) -> timedelta:
    if known.status == ContractLookup.Status.UNKNOWN:
        return ASK_AGAIN_AFTER
    lacking = known.permitted is not None and account.account_id not in known.permitted
    return PERMISSION_AGAIN_AFTER if lacking and known.status == ContractLookup.Status.FOUND else timedelta.max


@transaction.atomic
def answer_lookup(
    lookup: ContractLookup,
    *,
    now: datetime,
    contract: Contract | None = None,
    quote: Quote | None = None,
    permitted: Sequence[str] | None = None,
    reason: str = "",
) -> None:
    """Write the broker's answer about a contract: found, with who may trade it, or unknown with its sentence."""
    values: dict[str, object] = {"answered_at": now, "reason": reason[:300]}
    if contract is None:
        values["status"] = ContractLookup.Status.UNKNOWN
    else:
        values.update(
            status=ContractLookup.Status.FOUND,
            conid=contract.conid,
            name=contract.name[:120],
            exchange=contract.exchange[:40],
            currency=contract.currency,
            multiplier=contract.multiplier,
            tick=contract.tick,
            permitted=None if permitted is None else list(permitted),
        )
        if quote is not None:
            values.update(bid=quote.bid, ask=quote.ask, last=quote.last, quote_as_of=quote.as_of)
        values.update(quote_wanted_at=None, quote_answered_at=now)
    ContractLookup.objects.filter(pk=lookup.pk).update(**values)
    notify(DECISIONS_CHANNEL)


@transaction.atomic
def refresh(
    account: BrokerageAccount, *, positions: Sequence[PositionFacts], summary: AccountSummary, as_of: datetime
) -> None:
    """Replace our copy of the account's positions and money. `as_of` is the moment before the broker was asked."""
    newer = BrokerageAccount.objects.select_for_update().filter(pk=account.pk, book_as_of__gt=as_of).exists()
    if newer:
        return
    held = {fact.conid: fact for fact in positions if fact.quantity}
    Position.objects.filter(account=account).exclude(conid__in=held).delete()
    Position.objects.bulk_create(
        [
            Position(
                team_id=account.team_id,
                account=account,
                conid=fact.conid,
                ticker=fact.ticker,
                asset_class=_asset_class(fact.asset_class),
                quantity=fact.quantity,
                average_cost=fact.average_cost,
                market_price=fact.market_price,
                unrealized_pnl=fact.unrealized_pnl,
                currency=fact.currency,
                as_of=as_of,
            )
            for fact in held.values()
        ],
        update_conflicts=True,
        unique_fields=["account", "conid"],
        update_fields=["ticker", "quantity", "average_cost", "market_price", "unrealized_pnl", "currency", "as_of"],
    )
    values = {
        "equity": summary.net_liquidation,
        "cash": summary.cash,
        "buying_power": summary.buying_power,
        "available_funds": summary.available_funds,
        "unrealized_pnl": summary.unrealized_pnl,
        "realized_pnl": summary.realized_pnl,
        "book_as_of": as_of,
    }
    BrokerageAccount.objects.filter(pk=account.pk).update(**values)
    for name, value in values.items():
        setattr(account, name, value)
    if summary.net_liquidation is not None:
        EquityPoint.objects.bulk_create(
            [EquityPoint(account=account, at=as_of.replace(second=0, microsecond=0), equity=summary.net_liquidation)],
            ignore_conflicts=True,
        )
    day_ledger.open_day(account, as_of)
    notify(DECISIONS_CHANNEL)
    live.account_changed(account)


def _asset_class(word: str) -> AssetClass:
    try:
        return AssetClass(word)
    except ValueError:
        # A holding of a class we do not trade yet is shown all the same.
        return AssetClass.STOCK
