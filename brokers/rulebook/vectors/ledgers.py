"""Operations about cash after the fill: settlement instants, ledgers and the books of an account."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from brokers.rulebook.accounting import Book, Execution, Fee, apply_fill
from brokers.rulebook.errors import UnknownWord
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.settlement import FutureLedger, SettlementRule, Unsettled, settlement_rule, settles_at
from brokers.rulebook.values import ONE, ZERO
from brokers.rulebook.vectors.reading import (
    Fields,
    clock,
    instant,
    maybe_part,
    number,
    part,
    parts,
    read_calendar,
    read_instrument,
    read_numbers,
    read_position,
    text,
    word,
)
from brokers.rulebook.vectors.writing import Answer, numbers, plain, stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class CashLedger:
    """Settled cash of one currency and what is still on its way."""

    settled: Decimal
    currency: str = ""
    pending: tuple[Unsettled, ...] = ()

    @property
    def unsettled(self) -> Decimal:
        return sum((entry.amount for entry in self.pending), ZERO)

    def book(self, amount: Decimal, settles: datetime | None = None) -> "CashLedger":
        """Debits and immediate proceeds move cash at once; delayed proceeds wait for their day."""
        if amount <= 0 or settles is None:
            return replace(self, settled=self.settled + amount)
        entry = Unsettled(amount=amount, currency=self.currency, settles_at=settles)
        return replace(self, pending=(*self.pending, entry))

    def scan(self, now: datetime) -> "CashLedger":
        """Releases what is due; a second scan at the same instant changes nothing."""
        due = [entry for entry in self.pending if entry.settles_at is not None and entry.settles_at <= now]
        waiting = tuple(entry for entry in self.pending if entry not in due)
        return replace(self, settled=self.settled + sum((e.amount for e in due), ZERO), pending=waiting)


def settlement_time(case: Fields, rules: Ruleset) -> Answer:
    rule = settlement_rule(text(case, "asset_class"), word(case, "account_type") or "margin", rules)
    if rule.time_of_day is not None:
        rule = _delayed(case, rules)
    return {"settles_at_utc": stamp(settles_at(rule, instant(case, "trade_time_utc"), read_calendar(case), rules))}


def _delayed(case: Fields, rules: Ruleset) -> SettlementRule:
    """A delayed rule with days and time of the caller's own where they are stated."""
    stated = case.get("settlement_time_local")
    return SettlementRule(
        "DelayedSettlementModel",
        int(number(case, "settlement_days", Decimal(rules.settlement_days))),
        clock(stated, "settlement_time_local") if stated else rules.settlement_time,
    )


def delayed_ledger(case: Fields, rules: Ruleset) -> Answer:
    rule, calendar = _delayed(case, rules), read_calendar(case)
    ledger = CashLedger(settled=number(case, "starting_cash"))
    states = []
    for event in parts(case, "events"):
        at = instant(event, "at_utc")
        ledger = ledger.scan(at)
        amount = number(event, "amount", ZERO)
        if amount:
            ledger = ledger.book(amount, settles_at(rule, at, calendar, rules))
        states.append({"cash": plain(ledger.settled), "unsettled": plain(ledger.unsettled)})
    return {"states": states}


def immediate_ledger(case: Fields, _rules: Ruleset) -> Answer:
    ledger, rate = CashLedger(settled=number(case, "starting_cash")), number(case, "fx_rate_to_account", ONE)
    states = []
    for amount in parts(case, "amounts"):
        ledger = ledger.book(number({"amounts": amount}, "amounts") * rate)
        states.append({"cash": plain(ledger.settled), "unsettled": plain(ledger.unsettled)})
    return {"states": states}


def future_ledger(case: Fields, _rules: Ruleset) -> Answer:
    ledger = FutureLedger(
        cash=number(case, "starting_cash"),
        multiplier=number(case, "multiplier", ONE),
        position=read_position(maybe_part(case, "starting_position")),
    )
    states = []
    for event in parts(case, "events"):
        ledger = _after(ledger, event)
        states.append(
            {
                "cash": plain(ledger.cash),
                "quantity": plain(ledger.position.quantity),
                "settled_profit": plain(ledger.settled_profit),
                "unsettled_profit": plain(ledger.unsettled_profit),
            }
        )
    return {"states": states}


def _after(ledger: FutureLedger, event: Fields) -> FutureLedger:
    kind, price = text(event, "type"), number(event, "price")
    if kind == "price":
        return ledger.mark(price)
    if kind == "settle":
        return ledger.settle(price)
    if kind == "fill":
        return ledger.fill(number(event, "quantity"), price)
    raise UnknownWord(kind, kind="ledger event", known="price, settle, fill")


def apply_fills(case: Fields, _rules: Ruleset) -> Answer:
    instrument = read_instrument(part(case, "instrument"))
    book = Book(
        currency=text(case, "account_currency"),
        cash=read_numbers(maybe_part(case, "cash")),
        rates=read_numbers(maybe_part(case, "rates")),
        position=read_position(maybe_part(case, "position")),
    )
    delayed = case.get("settlement") == "delayed"
    states = []
    for row in parts(case, "fills"):
        book = apply_fill(
            book,
            instrument,
            Execution(
                quantity=number(row, "quantity"),
                price=number(row, "price"),
                fee=_fee(maybe_part(row, "fee")),
                delayed=delayed,
            ),
        )
        states.append(_state(book))
    return {"states": states}


def _fee(row: Fields) -> Fee | None:
    return Fee(number(row, "amount"), text(row, "currency")) if row else None


def _state(book: Book) -> Answer:
    return {
        "cash": numbers(dict(book.cash)),
        "unsettled": numbers(book.unsettled_by_currency()),
        "quantity": plain(book.position.quantity),
        "average_price": plain(book.position.average_price),
        "realised_profit": plain(book.realised_profit),
        "total_fees": plain(book.total_fees),
    }


OPERATIONS = {
    "settlement_time": settlement_time,
    "delayed_ledger": delayed_ledger,
    "immediate_ledger": immediate_ledger,
    "future_ledger": future_ledger,
    "apply_fills": apply_fills,
}
