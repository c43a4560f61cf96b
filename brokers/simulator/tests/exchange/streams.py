"""Random orders against random quotes on a clock of their own; the same number always makes the same stream."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache

from brokers.rulebook.allocation import split
from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.exchange import combos
from brokers.simulator.exchange.records import Account, Leg, Order, Ticket
from brokers.simulator.tests.exchange.exchange import AAPL, EURUSD, D, Exchange

# A Thursday in New York's summer, so that a stream of some days meets a weekend.
START = 1_752_760_800.0
TODAY = date(2025, 7, 17)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
TYPES = ("MKT", "LMT", "STP", "STOP_LIMIT", "TRAIL", "TRAILLMT", "MIDPRICE", "MIT", "LIT", "MOC", "LOC")
TIFS = ("DAY", "DAY", "GTC", "IOC", "FOK", "GTD")
RATES = {"USD": D(1), "EUR": D("1.1")}


@cache
def contracts() -> tuple[Instrument, ...]:
    """A share, a currency pair and a future."""
    instruments = [catalogue.find(AAPL), catalogue.find(EURUSD), catalogue.futures("MES", TODAY)[0]]
    return tuple(i for i in instruments if i is not None)


def find(conid: int) -> Instrument | None:
    return next((i for i in contracts() if i.conid == conid), None)


@dataclass
class Stream:
    """One stream: what was done, to an exchange that can be looked at afterwards."""

    number: int
    dice: random.Random = field(init=False)
    exchange: Exchange = field(init=False)
    now: float = field(init=False)
    opening: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    groups: list[tuple[Decimal, list[Order]]] = field(default_factory=list)
    prices: dict[int, Decimal] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.number)
        self.now = START + self.dice.uniform(0, 4 * DAY)
        self.exchange = Exchange(
            find=find, rates=RATES, always_open=self.dice.random() < 0.5, checks_margin=self.dice.random() < 0.9
        )
        self._open("SIM1", self.dice.choice(("margin", "margin", "cash", "cash", "lite")))
        if self.dice.random() < 0.25:
            for number in range(2, 5):
                self._open(f"SIM{number}", self.dice.choice(("margin", "cash")))
        for instrument in contracts():
            self.prices[instrument.conid] = self._rounded(instrument, D(instrument.base_price))
            self._quote(instrument)

    def _open(self, account_id: str, kind: str) -> None:
        base = self.dice.choice(("USD", "USD", "EUR"))
        account = Account(account_id=account_id, username="alice", opened_at=self.now, base=base)
        account.kind = kind  # type: ignore[assignment]
        account.cash = {"USD": D(self.dice.choice((3_000, 50_000, 1_000_000))), "EUR": D(self.dice.randrange(90_000))}
        self.opening[account_id] = dict(account.cash)
        self.exchange.open_account(account)

    # -- what happens --------------------------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.dice.choices(
                (self.place, self.bracket, self.either, self.group, self.cancel, self.change, self.wait),
                weights=(9, 2, 2, 2, 1, 1, 3),
            )[0]()
            self.trade()

    def place(self) -> None:
        self._submit(self._ticket(self.dice.choice(contracts())))

    def bracket(self) -> None:
        instrument = contracts()[0]
        parent = self._submit(self._ticket(instrument, order_type=self.dice.choice(("MKT", "LMT"))))
        other = "SELL" if parent.side == "BUY" else "BUY"
        name = str(parent.order_id)
        children = [
            self._submit(
                self._ticket(instrument, order_type=kind, side=other, quantity=parent.quantity, tif="GTC"),
                parent=parent,
                group=name,
            )
            for kind in ("LMT", "STP")
        ]
        self.groups.append((parent.quantity, children))

    def either(self) -> None:
        """Two orders of which only one may fill."""
        instrument = self.dice.choice(contracts())
        side = self.dice.choice(("BUY", "SELL"))
        name = f"oca-{len(self.orders)}"
        kinds = (self.dice.choice(("LMT", "STP")), "LMT")
        pair = [self._submit(self._ticket(instrument, order_type=k, side=side, tif="GTC"), group=name) for k in kinds]
        self.groups.append((max(o.quantity for o in pair), pair))

    def group(self) -> None:
        """An order for all accounts, divided by equal parts."""
        members = list(self.exchange.accounts)
        ticket = self._ticket(contracts()[0], order_type=self.dice.choice(("MKT", "LMT")), tif="GTC")
        ticket.fa_group, ticket.fa_method = "all", "E"
        total = ticket.quantity
        shares = {a: D(n) for a, n in zip(members, split(total, [Fraction(1)] * len(members)), strict=True) if n}
        order = self._submit(ticket)
        order.shares = shares

    def cancel(self) -> None:
        if working := [o for o in self.orders if o.working]:
            self.exchange.cancel(self.dice.choice(working), self.now)

    def change(self) -> None:
        """New prices for a working order, and in its own account a new quantity."""
        working = [o for o in self.orders if o.working and not o.fa_group and not o.legs and not o.oca_group]
        if not working:
            return
        order = self.dice.choice(working)
        instrument = find(order.conid)
        assert instrument is not None
        ticket = self._ticket(instrument, order_type=order.order_type, side=order.side, tif=order.tif)
        ticket.quantity = max(ticket.quantity, order.filled)
        self.exchange.change(order, ticket, self.now)
        self.changed.add(order.order_id)

    def wait(self) -> None:
        self.now += self.dice.choice((MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY))
        self.exchange.expire(self.now)
        self.exchange.pass_time(self.now)

    def trade(self) -> None:
        """The market moves a little, and every order meets it."""
        self.now += self.dice.uniform(0.3, 90)
        for instrument in contracts():
            move = D(self.dice.randint(-150, 150)) / 10_000
            self.prices[instrument.conid] = self._rounded(instrument, self.prices[instrument.conid] * (1 + move))
            self._quote(instrument)
        size = self.dice.choice((None, None, 1, 7, 1000))
        self.exchange.scan(
            self.now, slice_size=None if size is None else D(size), pause_s=self.dice.choice((0.0, 30.0))
        )

    # -- how -----------------------------------------------------------------------------------------------------

    def _ticket(self, instrument: Instrument, **fixed: object) -> Ticket:
        dice, price = self.dice, self.prices[instrument.conid]
        order_type = str(fixed.get("order_type") or dice.choice(TYPES))
        tif = str(fixed.get("tif") or dice.choice(TIFS))
        if order_type in {"MOC", "LOC"} and (tif not in {"DAY", "GTC"} or instrument.sec_type == "CASH"):
            order_type, tif = "LMT", "DAY"
        elif order_type in {"MKT", "LMT"} and instrument.sec_type == "STK" and dice.random() < 0.1:
            tif = "OPG"
        size = {"STK": 200, "CASH": 40_000, "FUT": 4}[instrument.sec_type]
        near, stop = (self._rounded(instrument, price * (1 + D(dice.randint(-200, 200)) / 10_000)) for _ in range(2))
        limited = order_type in {"LMT", "STOP_LIMIT", "TRAILLMT", "LIT", "LOC"}
        trails = order_type.startswith("TRAIL")
        return Ticket(
            account_id="SIM1",
            conid=instrument.conid,
            side=str(fixed.get("side") or dice.choice(("BUY", "SELL"))),
            order_type=order_type,
            quantity=D(str(fixed.get("quantity") or dice.randint(1, size))),
            tif=tif,
            limit_price=near if limited else None,
            stop_price=stop if order_type in {"STP", "STOP_LIMIT", "MIT", "LIT", "TRAILLMT"} else None,
            trailing_type=dice.choice(("amt", "%")) if trails else "",
            trailing_amount=D(dice.randint(1, 3)) if trails else None,
            outside_rth=order_type not in {"MKT", "MOC", "LOC"} and dice.random() < 0.3,
            good_till=self.now + dice.uniform(0, 2 * DAY) if tif == "GTD" else None,
        )

    def _submit(self, ticket: Ticket, *, parent: Order | None = None, group: str = "") -> Order:
        order = self.exchange.place("alice", ticket, self.now, parent=parent, oca_group=group)
        self.orders.append(order)
        if parent is None and not order.fa_group and self.exchange.checks_margin():
            reason = self.exchange.refusal(order, self.now)
            if reason:
                self.exchange.set_status(order, "Inactive", self.now, reason)
        return order

    def _quote(self, instrument: Instrument) -> None:
        middle = self.prices[instrument.conid]
        bid, ask = middle - instrument.increment, middle + instrument.increment
        self.exchange.show(str(bid), str(ask), str(self.dice.choice((bid, middle, ask))), instrument.conid)

    @staticmethod
    def _rounded(instrument: Instrument, price: Decimal) -> Decimal:
        return (price / instrument.increment).to_integral_value() * instrument.increment


def combo_of(legs: tuple[Leg, ...], **changes: object) -> Ticket:
    """An order for a combo."""
    ticket = Ticket(
        account_id="SIM1", conid=combos.SPREAD, side="BUY", order_type="MKT", quantity=D(1), tif="DAY", legs=legs
    )
    for name, value in changes.items():
        setattr(ticket, name, value)
    return ticket
