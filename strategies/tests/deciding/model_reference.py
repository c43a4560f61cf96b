"""What the model test believes: one account and instrument as a few numbers, moved by what the table promises.

Written from the table, not from the code: positions are signed integers, fills are whole and at once, and a working
entry is a line that fills when the market comes to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSignal:
    """One signal of a stream. `limit`: it asks for a price that the market is not at, and rests."""

    action: str
    quantity: int | None = None
    percent: int | None = None
    sentiment: str | None = None
    target: int | None = None
    limit: int | None = None

    def __str__(self) -> str:
        words = (
            self.action,
            "" if self.quantity is None else f"q={self.quantity}",
            "" if self.percent is None else f"{self.percent}%",
            self.sentiment or "",
            "" if self.target is None else f"target={self.target}",
            "" if self.limit is None else f"at {self.limit}",
        )
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """The settings of a subscription that the model knows."""

    name: str
    size: int
    sides: str = "both"
    swap: bool = False
    subtract: bool = False
    adds: bool = False
    protects: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """A working entry: whose, how much (signed), and whether a stop comes with it."""

    owner: str
    amount: int
    protects: bool


@dataclass(slots=True)
class Believed:
    """The position, how much of it has a stop, how much is leaving at a price and how much of that beside a stop, and the entries that rest."""

    position: int = 0
    guarded: int = 0
    leaving: int = 0
    beside: int = 0
    resting: list[Resting] = field(default_factory=list)

    def hear(self, sent: SentSignal, by: Follower) -> None:
        """One subscription has done what the table says."""
        match sent.action:
            case "buy" | "sell" if sent.target is not None:
                self._approach(sent.target, by)
            case "buy" | "sell":
                self._trade(sent, by, 1 if sent.action == "buy" else -1)
            case "exit" if self.position:
                self._leave(self._part(sent), rests=sent.limit is not None)
            case "add" if self.position:
                self._enter(by, self._sign * (sent.quantity or by.size), beside=True)
            case "reverse" if self.position:
                amount = -self._sign * (sent.quantity or by.size)
                self._leave(None)
                self._enter(by, amount)
            case "cancel":
                self.resting.clear()
                self.guarded = self.leaving = self.beside = 0

    def come(self, direction: int) -> None:
        """The market comes to the orders of one side: a dip to those who buy, a peak to those who sell."""
        if self.position * direction < 0:
            self.position += direction * self.leaving
            self.leaving = self.beside = 0
        for each in [each for each in self.resting if each.amount * direction > 0]:
            self.resting.remove(each)
            self._fill(each.amount, each.protects)

    def crash(self) -> None:
        """The market goes through the stops of the position, and through those beside its exits, which end with them."""
        self.position -= self._sign * (self.guarded + self.beside)
        self.leaving -= self.beside
        self.guarded = self.beside = 0

    @property
    def _sign(self) -> int:
        return (self.position > 0) - (self.position < 0)

    def _part(self, sent: SentSignal) -> int | None:
        if sent.percent is not None:
            return abs(self.position) * sent.percent // 100
        return sent.quantity

    def _trade(self, sent: SentSignal, by: Follower, side: int) -> None:
        held, quantity = self.position * side, sent.quantity
        wish = {None: "none", "flat": "flat", "bullish": "with", "bearish": "against"}[sent.sentiment]
        if side < 0 and wish in {"with", "against"}:
            wish = "against" if wish == "with" else "with"
        amount = side * (quantity or by.size)
        if held == 0 and wish in {"none", "with"} and _may(by, side):
            self._enter(by, amount, rests=sent.limit is not None)
        elif held > 0 and wish == "flat":
            self._leave(None)
        elif held > 0 and wish in {"none", "with"} and by.adds and _may(by, side):
            self._enter(by, amount, rests=sent.limit is not None, beside=True)
        elif held < 0:
            self._meet(quantity, by, side, wish)

    def _meet(self, quantity: int | None, by: Follower, side: int, wish: str) -> None:
        """A buy meets a short, or a sell a long."""
        held = abs(self.position)
        part = quantity if quantity is not None and quantity < held else None
        if wish == "flat":
            self._leave(None)
        elif wish == "against" or (wish == "none" and part is not None):
            self._leave(part)
        elif not by.swap or not _may(by, side):
            self._leave(None)
        else:
            self._leave(None)
            entered = quantity or by.size
            if by.subtract and quantity is not None:
                entered = max(quantity - held, 0)
            if entered:
                self._enter(by, side * entered)

    def _approach(self, goal: int, by: Follower) -> None:
        held, side = self.position, 1 if goal > 0 else -1
        grows = goal * held >= 0 and abs(goal) > abs(held)
        if grows and not _may(by, side):
            return
        shrinks = goal * held >= 0 and abs(goal) < abs(held)
        if shrinks and not self._leave(abs(held) - abs(goal)):
            return
        self.resting = [each for each in self.resting if each.owner != by.name]
        if shrinks:
            return
        if goal * held < 0:
            self._leave(None)
            if by.swap and _may(by, side):
                self._enter(by, goal)
        elif grows:
            self._enter(by, goal - held)

    def _leave(self, quantity: int | None, *, rests: bool = False) -> bool:
        """Whether something left, or leaves now at a price; what is leaving already does not leave twice."""
        held = abs(self.position)
        if not rests and (quantity is None or quantity >= held):
            self.leaving = self.beside = 0
        left = held - self.leaving
        leaving = left if quantity is None else min(quantity, left)
        if leaving <= 0:
            return False
        if rests:
            self.leaving += leaving
            # An exit that waits for its price takes a stop along where the position has one.
            self.beside += leaving if self.guarded else 0
        self.guarded = min(self.guarded, left - leaving)
        if not rests:
            self.position -= self._sign * leaving
        return True

    def _enter(self, by: Follower, amount: int, *, rests: bool = False, beside: bool = False) -> None:
        if not beside:
            self.resting = [each for each in self.resting if each.owner != by.name]
        if rests:
            self.resting.append(Resting(owner=by.name, amount=amount, protects=by.protects))
        else:
            self._fill(amount, by.protects)

    def _fill(self, amount: int, protects: bool) -> None:
        self.position += amount
        self.guarded += abs(amount) if protects else 0


def _may(by: Follower, side: int) -> bool:
    return by.sides in {"both", "bullish" if side > 0 else "bearish"}
