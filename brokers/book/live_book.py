"""Our live book: the broker's word on money, positions and contracts, kept fresh so that decisions need no call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from brokers.book import (
    contracts,
    elsewhere,
    looks,
    months,
    previews,
    quotes,
    rates,
    reading,
    trading_hours,
    working,
)
from brokers.book.actions import undecided
from brokers.book.months import OtherMonth
from brokers.book.options import chains, combos, names, renamed
from brokers.book.options.chains import HeldOption
from brokers.book.options.combos import Holding
from brokers.book.options.renamed import Renamed
from brokers.book.views import NotYet, Unknown, View
from brokers.domain.contracts.combos import beside, legs_of
from brokers.domain.contracts.rules import ContractRules, Denial
from brokers.domain.elsewhere.exposure import NO_CLAIM, Added, Claim, Working, added
from brokers.domain.orders import AssetClass, Contract, Instrument, OrderStatus, Resize, Side
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot, WorkingOrder
from brokers.models import (
    BrokerageAccount,
    ContractLookup,
    ForeignOrder,
    MarginPreview,
    Position,
    UnclaimedOrder,
    unclaimed,
)
from brokers.models.options import combos as held_combos
from brokers.models.options.carried import carried
from brokers.models.options.combos import HeldCombo
from brokers.rulebook.capabilities import leverage
from brokers.rulebook.words import AssetClass as RulebookClass


@dataclass
class Book:
    """What we hold about some accounts and instruments, loaded with a statement for a whole batch."""

    now: datetime
    lookups: dict[contracts.Key, ContractLookup] = field(default_factory=dict)
    positions: dict[tuple[int, int], Position] = field(default_factory=dict)
    working: dict[tuple[int, int], list[WorkingOrder]] = field(default_factory=lambda: defaultdict(list))
    unsettled: dict[tuple[int, int], Decimal] = field(default_factory=dict)
    # Margin set aside for orders planned within the same batch, by account: they are not at the broker yet.
    reserved: dict[int, Decimal] = field(default_factory=dict)
    # Working orders that are not ours, by account, and the money that each account has to keep for its own.
    elsewhere: dict[int, list[Working]] = field(default_factory=lambda: defaultdict(list))
    claims: dict[int, Claim] = field(default_factory=dict)
    # Those that may be ours, of which a person has to say what they are, by account and contract.
    undecided: dict[tuple[int, int], ForeignOrder] = field(default_factory=dict)
    # The same of those that have filled.
    unclaimed: dict[tuple[int, int], UnclaimedOrder] = field(default_factory=dict)
    # What may have been split, by account and contract: nothing is decided there before a person has said.
    splits: dict[tuple[int, int], Unknown] = field(default_factory=dict)
    gone: dict[tuple[int, int], str] = field(default_factory=dict)
    # Accounts whose orders and fills were not brought home since a backup was put back, or since the database started.
    unread: set[int] = field(default_factory=set)
    rates: rates.Rates = field(default_factory=rates.Rates)
    previews: dict[previews.Place, list[MarginPreview]] = field(default_factory=dict)
    # Beside what a continuous name stands for, by account and name.
    other_months: dict[months.Place, tuple[OtherMonth, ...]] = field(default_factory=dict)
    # Options that are held or worked, by account and the share that they are on; and by the key of a rule its contract.
    held_options: dict[chains.Place, tuple[HeldOption, ...]] = field(default_factory=dict)
    picked: dict[contracts.Key, ContractLookup] = field(default_factory=dict)
    # What options are called since a split of their share.
    renamed: Renamed = renamed.NONE
    # Combos that are held or worked, by account and the contract of each leg.
    combos: dict[held_combos.Place, tuple[HeldCombo, ...]] = field(default_factory=dict)

    def months_beside(self, account: BrokerageAccount, instrument: Instrument) -> tuple[OtherMonth, ...]:
        """Other months in which the account holds or works something, where the instrument names none."""
        return self.other_months.get((account.pk, instrument.ticker), ())

    def lookup(self, account: BrokerageAccount, instrument: Instrument) -> ContractLookup | None:
        """The broker's identity of the instrument, as far as it was asked for."""
        return self.lookups.get(contracts.key_of(account, instrument))

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

    def preview_may_come(self, account: BrokerageAccount, conid: int, side: Side) -> bool:
        """Whether IBKR's preview of an order is worth waiting for."""
        rows = self.previews.get((account.pk, conid), [])
        return previews.may_come(next((row for row in rows if row.side == side), None), self.now)

    def view(self, account: BrokerageAccount, instrument: Instrument) -> View | NotYet | Unknown:
        """What the book shows for one account and instrument. Never reads a stale or missing book as "no position"."""
        lookup = self.lookup(account, instrument)
        if lookup is None or lookup.status == ContractLookup.Status.WANTED:
            return NotYet(waiting_for=f"IBKR's contract for {instrument.ticker}", on_its_way=True)
        if lookup.status == ContractLookup.Status.UNKNOWN:
            return Unknown(reason=lookup.reason, code=lookup.reason_code or "unknown-symbol")
        if account.book_as_of is None:
            return NotYet(waiting_for="the first look at the account's positions", on_its_way=True)
        if not account.is_present(self.now):
            return NotYet(waiting_for="a fresh look at the account's positions", on_its_way=True)
        contract = lookup.value()
        key = (account.pk, contract.conid)
        if (renaming := names.settled(account.pk, contract, self.positions, self.gone)) is not None:
            return renaming
        combo = self._as_combo(account, contract)
        if isinstance(combo, (NotYet, Unknown)):
            return combo
        denial, alone = self._as_leg(account, contract)
        if (split := self.splits.get(key)) is not None:
            return split
        position = self.positions.get(key)
        exchange = (account.connection_id, contract.currency, account.currency)
        rate = self.rates.known.get(exchange)
        snapshot = Snapshot(
            account_id=account.account_id,
            contract=contract,
            position=alone,
            in_combos=denial,
            average_cost=position.average_cost if position else None,
            working=tuple(self.working.get(key, ())),
            equity=account.equity,
            buying_power=self._buying_power(account),
            currency=account.currency,
            quote=quotes.shown(lookup),
            as_of=account.book_as_of,
            money_as_of=account.money_at,
            money_from=account.money_from,
            available_funds=self._available(account),
            cash=account.cash,
            settled_cash=account.settled_cash,
            day_trades_left=account.day_trades_left,
            mark=position.market_price if position else None,
            account_type=account.margin,
            environment=Environment(account.connection.environment),
            capabilities=account.capabilities,
            unrealized_pnl=account.unrealized_pnl,
            permitted=None if lookup.permitted is None else account.account_id in lookup.permitted,
            rules=ContractRules.from_json(lookup.rules),
            borrow=quotes.borrow_shown(lookup),
            doubted=contracts.doubt_of(lookup) or self._undecided(account, contract.conid, lookup.ticker),
            hours=trading_hours.shown(lookup),
            elsewhere=self._added(account, contract.conid, position),
            uncounted=tuple(each.spoken for each in self.claims.get(account.pk, NO_CLAIM).uncounted),
            rates={} if rate is None else {contract.currency: rate},
            previews=tuple(
                preview for row in self.previews.get(key, ()) if (preview := previews.value(row)) is not None
            ),
        )
        if combo is not None:
            snapshot = replace(
                snapshot,
                position=combo.quantity,
                legs=combo.legs,
                in_combos=combo.denial,
                average_cost=combo.average_cost,
                mark=combo.mark,
            )
        wants = frozenset({contract.currency} if exchange in self.rates.coming else ())
        return View(
            snapshot=snapshot,
            unsettled=self.unsettled.get(key, Decimal(0)) if combo is None else combo.unsettled,
            wants=wants,
            unread=account.pk in self.unread,
        )

    def _as_combo(self, account: BrokerageAccount, contract: Contract) -> Holding | NotYet | Unknown | None:
        """What is held of a combo, or why nobody can tell; None where it is none."""
        legs = legs_of(contract.conid)
        if legs is None:
            return None
        ticker = contract.instrument.ticker
        if not all(self._is_known(account, leg) for leg in combos.legs(contract.instrument)):
            return NotYet(waiting_for=f"IBKR's contracts for the legs of {ticker}", on_its_way=True)
        for leg in legs:
            if (split := self.splits.get((account.pk, leg))) is not None:
                return split
        others = [each for leg in legs for each in self.combos.get((account.pk, leg), ())]
        works = [self.working.get((account.pk, leg), ()) for leg in legs]
        scene = combos.Scene(
            account_pk=account.pk,
            number=contract.conid,
            ticker=ticker,
            combos=tuple({each.number: each for each in others}.values()),
            leaving=tuple(
                {side: sum((each.remaining for each in orders if each.side is side), Decimal(0)) for side in Side}
                for orders in works
            ),
            leg_works=any(works) or self._works_in(account, set(legs), but=contract.conid),
            doubt=next((doubt for leg in legs if (doubt := self._undecided(account, leg, ticker)) is not None), None),
        )
        return combos.holding(scene, self.positions, self.unsettled)

    def _is_known(self, account: BrokerageAccount, instrument: Instrument) -> bool:
        lookup = self.lookup(account, instrument)
        return lookup is not None and lookup.status == ContractLookup.Status.FOUND

    def _as_leg(self, account: BrokerageAccount, contract: Contract) -> tuple[Denial | None, Decimal]:
        """Why nothing is opened in an option that is a leg of a combo, None where it is of none; and how much of it is held
        beside its combos: no more leaves by itself."""
        position = self.positions.get((account.pk, contract.conid))
        held = position.quantity if position else Decimal(0)
        if contract.instrument.asset_class is not AssetClass.OPTION or contract.conid < 0:
            return None, held
        known, ticker = self.combos.get((account.pk, contract.conid), ()), contract.instrument.ticker
        if not known and (denial := renamed.only_closed(ticker)) is not None:
            return denial, held
        in_combos = sum((each.part_of(contract.conid) for each in known), Decimal(0))
        alone = beside(held, in_combos) if in_combos else held
        if known:
            first = next((each for each in known if each.net), known[0])
            return combos.leg_of(first, ticker), alone
        return combos.leg_works(ticker) if self._works_in(account, {contract.conid}) else None, alone

    def _works_in(self, account: BrokerageAccount, legs: set[int], *, but: int = 0) -> bool:
        """Whether an order for a combo with one of these legs was planned a moment ago, within the same batch."""
        works = (number for (pk, number), orders in self.working.items() if number < 0 and pk == account.pk and orders)
        return any(number != but and not legs.isdisjoint(legs_of(number) or ()) for number in works)

    def add(self, account_pk: int, conid: int, order: WorkingOrder) -> None:
        """Count an order that was planned a moment ago, within the same batch."""
        self.working[(account_pk, conid)].append(order)

    def resize(self, account_pk: int, conid: int, resizes: Iterable[Resize]) -> None:
        """Count orders as smaller that were made so a moment ago, within the same batch."""
        totals = {resize.reference: resize.quantity for resize in resizes}
        orders = self.working.get((account_pk, conid), [])
        orders[:] = [
            replace(order, remaining=totals[order.reference] - order.filled) if order.reference in totals else order
            for order in orders
        ]

    def cancel(self, account_pk: int, conid: int, references: Collection[str]) -> None:
        """Count orders as being canceled that were so a moment ago, within the same batch."""
        orders = self.working.get((account_pk, conid), [])
        orders[:] = [
            replace(order, status=OrderStatus.PENDING_CANCEL) if order.reference in references else order
            for order in orders
        ]

    def reserve(self, account_pk: int, margin: Decimal) -> None:
        """Set margin aside for orders that were planned a moment ago, within the same batch."""
        self.reserved[account_pk] = self.reserved.get(account_pk, Decimal(0)) + margin

    def _undecided(self, account: BrokerageAccount, conid: int, ticker: str) -> Denial | None:
        if (row := self.undecided.get((account.pk, conid))) is not None:
            return elsewhere.undecided(row, ticker)
        filled = self.unclaimed.get((account.pk, conid))
        return None if filled is None else elsewhere.unclaimed(filled, ticker)

    def _added(self, account: BrokerageAccount, conid: int, position: Position | None) -> Added:
        here = [order for order in self.elsewhere.get(account.pk, ()) if order.conid == conid]
        return added(here, position.quantity if position else Decimal(0))

    def _available(self, account: BrokerageAccount) -> Decimal | None:
        return None if account.available_funds is None else account.available_funds - self._spoken_for(account)

    def _buying_power(self, account: BrokerageAccount) -> Decimal | None:
        """IBKR's own, less what is spoken for: margin of shares is a part of their value, which buying power counts."""
        if account.buying_power is None:
            return None
        return account.buying_power - self._spoken_for(account) * leverage(RulebookClass.EQUITY, account.margin)

    def _spoken_for(self, account: BrokerageAccount) -> Decimal:
        return self.reserved.get(account.pk, Decimal(0)) + self.claims.get(account.pk, NO_CLAIM).money


def load(pairs: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime, *, ask: bool = True) -> Book:
    """The book for these accounts and instruments; contracts not asked for yet are asked for now, unless told not to."""
    book = Book(now=now)
    pairs = list(pairs)
    if not pairs:
        return book
    accounts = {account.pk: account for account, _ in pairs}
    if of_options := any(instrument.asset_class is AssetClass.OPTION for _, instrument in pairs):
        book.renamed = renamed.load(accounts)
        pairs = renamed.with_successors(pairs, book.renamed)
    pairs, book.held_options = chains.opened(pairs)
    pairs = combos.with_legs(pairs)
    options = any(instrument.asset_class is AssetClass.OPTION for _, instrument in pairs)
    tickers = {instrument.ticker for _, instrument in pairs}
    connections = {account.connection_id for account in accounts.values()}
    rows = reading.read(accounts, connections, tickers, now, options=options)
    book.lookups = rows.lookups
    book.other_months = months.load(pairs, book.lookups)
    beside = [
        (accounts[place[0]], other.instrument)
        for place, months_held in book.other_months.items()
        for other in months_held
    ]
    if beside:
        pairs += beside
        book.lookups |= contracts.load(connections, {instrument.ticker for _, instrument in beside})
    book.picked = chains.picked(pairs, book.lookups)
    book.lookups |= {contracts.key_of_row(row): row for row in book.picked.values()}
    if beside or book.picked:
        rows = reading.beside(accounts, book.lookups, now, options=options)
    if ask:
        contracts.ask_for_missing(book.lookups, pairs, now)
        known = ((account, book.lookup(account, instrument)) for account, instrument in pairs)
        trading_hours.want([(account, lookup) for account, lookup in known if lookup is not None], now)
    book.rates = rates.load(_exchanged(book, pairs), now, ask=ask)
    _fill(book, rows, accounts)
    book.gone = names.gone(accounts.keys(), now) if of_options else {}
    if ask:
        looks.want(accounts.values(), now, book.unread)
    if any(previews.asked_about(instrument) for _, instrument in pairs):
        conids = {lookup.conid for lookup in book.lookups.values() if lookup.conid is not None}
        book.previews = previews.load(accounts, conids)
    return book


def _fill(book: Book, rows: reading.Rows, accounts: Mapping[int, BrokerageAccount]) -> None:
    """Put what was read into the book."""
    for account_pk, conid, order in map(working.working_order, rows.working):
        book.add(account_pk, conid, order)
    for account_pk, conid, signed in working.unsettled(rows.newer, rows.ahead):
        book.unsettled[account_pk, conid] = book.unsettled.get((account_pk, conid), Decimal(0)) + signed
    book.combos = held_combos.by_leg(carried(rows.combos))
    for account_pk, conid, signed in held_combos.ahead_by_leg(rows.combos_ahead):
        book.unsettled[account_pk, conid] = book.unsettled.get((account_pk, conid), Decimal(0)) + signed
    for position in rows.positions:
        book.positions[(position.account_id, position.conid)] = position
    marks = elsewhere.marks(rows.foreign, book.now)
    for row in rows.foreign:
        book.elsewhere[row.account_id].append(elsewhere.value(row, marks.get((row.account_id, row.conid))))
        if elsewhere.undecided(row, row.ticker) is not None:
            book.undecided[row.account_id, row.conid] = row
    # The accounts' own rows were read before all this: what was home then is in it.
    may_ask = set()
    for account_pk, may_be_asked, database in rows.homes:
        if accounts[account_pk].orders_home_in != database:
            book.unread.add(account_pk)
        if may_be_asked:
            may_ask.add(account_pk)
    if may_ask:
        book.splits |= undecided.load(may_ask)
        book.unclaimed |= {(row.account_id, row.conid): row for row in unclaimed.asked().filter(account__in=may_ask)}
    book.claims |= elsewhere.claims(accounts, book.elsewhere)


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

    Call it in the transaction that keeps the decision waiting: the rows say so, and the lane is woken, once that has
    committed. Where the process dies in between, the decision asks again when it is looked at the next time.
    """
    lookups = (book.lookup(account, instrument) for account, instrument in pairs)
    quotes.want((lookup for lookup in lookups if lookup is not None), now)


def want_borrows(book: Book, pairs: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime) -> None:
    """Ask whether these shares can be borrowed where nobody asks yet; no decision waits for the answer."""
    lookups = (book.lookup(account, instrument) for account, instrument in pairs)
    quotes.want_borrows((lookup for lookup in lookups if lookup is not None), now)


def withdraw_previews(book: Book, pairs: Iterable[tuple[BrokerageAccount, Instrument]], now: datetime) -> None:
    """End the wait for previews in these accounts and instruments: what comes behind it must not wait as well."""
    lookups = [(account, book.lookup(account, instrument)) for account, instrument in pairs]
    previews.withdraw(
        ((account.pk, lookup.conid) for account, lookup in lookups if lookup is not None and lookup.conid is not None),
        now,
    )
