"""Which option a signal by its parts means: one that is held already, or one to be picked from the chain. Pure.

A signal names a share and what kind of option on it. What is held of that kind is meant first: a way out finds the contract
that is held, however far its price has gone since, and an entry adds to no second contract beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.domain.actions.words import spoken
from brokers.domain.contracts import picking
from brokers.domain.contracts.options import OptionName, is_future, last_day_as_listed, named
from brokers.domain.contracts.picking import Rule
from brokers.domain.sentences import any_of, grouped
from strategies.domain.message.message import Action, Message
from strategies.domain.message.options import expiration
from strategies.domain.message.wishes import Wish
from strategies.domain.plan.plan import Rejection
from strategies.domain.terms.terms import Terms

_TYPES = {"C": "call", "P": "put"}
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One option on the share: signed contracts, and whether an order of ours works in it. `before`: the names that it had
    until its share was split."""

    ticker: str
    quantity: Decimal
    works: bool = False
    before: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """ "2 SPY 18 Dec 2026 640 C (long)", or an order in it."""
        name = named(self.ticker)
        spoken = name.spoken if name else self.ticker
        if not self.quantity:
            return f"an order in {spoken}"
        return f"{grouped(abs(self.quantity))} {spoken} ({'long' if self.quantity > 0 else 'short'})"


@dataclass(frozen=True, slots=True)
class Meant:
    """A message that means one option: the ticker of the held one, or the rule to pick one by.

    `by_direction`: the direction of the signal has chosen between call and put, so a put is not inverted once more.
    """

    message: Message
    ticker: str = ""
    rule: Rule | None = None
    by_direction: bool = False


def is_scan(message: Message) -> bool:
    """Whether the signal names an option by its parts."""
    return "scan" in message.symbol.facts


def may_be_on(ticker: str, underlying: str) -> bool:
    """Whether an option of a chain is on what a signal names: a future with its month means that one alone."""
    name = named(ticker)
    return name is None or not is_future(underlying) or name.underlying == underlying


def with_defaults(message: Message, terms: Terms) -> Message:
    """An entry by parts with what its signal leaves open as the terms say it. A way out means what is held."""
    if not is_scan(message) or _leaves(message):
        return message
    wish = message.option
    filled = replace(
        wish,
        type=wish.type or (str(terms.option_type) if terms.option_type else None),
        expiration=wish.expiration or (expiration(terms.option_expiration) if terms.option_expiration else None),
    )
    if wish.strikes_away is None and wish.strike_price is None and wish.intrinsic is None:
        filled = replace(filled, strikes_away=terms.option_strikes_away)
    return message if filled == wish else replace(message, option=filled)


def option_meant(message: Message, options: Sequence[Held], terms: Terms) -> Meant | Rejection:
    """What a signal by parts means for an account with these options on its share.

    What it may close is told by what the signal itself says: terms that have changed since must not turn the sale of what
    is held into the writing of another option. The terms say only what it opens.
    """
    said = [each for each in options if _fits(each, message.option)]
    if _leaves(message):
        return _of_held(message, said)
    full = with_defaults(message, terms)
    if full.option.type == "both":
        return _both(full, said)
    return _one_way(full, said, terms)


def _leaves(message: Message) -> bool:
    """Whether the signal can only make what is held smaller, or is about what is held."""
    enters = message.action in {Action.BUY, Action.SELL}
    return not enters or message.sentiment == "flat" or message.target_quantity == 0


def _one_way(message: Message, said: Sequence[Held], terms: Terms) -> Meant | Rejection:
    """An entry of one type: what is held on its side, else a rule. `said`: what its signal may mean without the terms.

    Without a sentiment, a sale of what is held long closes it and opens nothing. What is written is not bought back by an
    entry: it may be a person's, and `exit` says so without a doubt.
    """
    against = [each for each in said if _way(message, each, terms) * each.quantity < 0]
    same = [
        each
        for each in said
        if each not in against
        and _may_grow(each, message.option)
        and (not each.quantity or _fits(each, message.option))
    ]
    towards = "bullish" if message.action is Action.BUY else "bearish"
    if against and message.target_quantity is None and message.sentiment != towards:
        if message.sentiment is not None:
            return _of_held(message, against)
        if any(each.quantity > 0 for each in against):
            return _of_held(replace(message, action=Action.EXIT), [*against, *(one for one in same if one.quantity)])
    if same:
        return _of_held(message, same)
    if against:
        return _other_way(message, against)
    rule = rule_for(message.symbol.root, message.option, bullish=message.action is Action.BUY)
    return rule if isinstance(rule, Rejection) else Meant(message, rule=rule)


def _way(message: Message, option: Held, terms: Terms) -> int:
    """1 where the signal makes a position in this option longer, -1 where it makes it shorter."""
    if message.target_quantity is not None:
        return 1 if message.target_quantity > 0 else -1
    way = 1 if message.action is Action.BUY else -1
    return -way if terms.invert_puts and _right(option) == "P" else way


def rule_for(underlying: str, wish: Wish, *, bullish: bool) -> Rule | Rejection:
    """The rule of a signal's option fields, or what it lacks."""
    if wish.type is None:
        return _incomplete(underlying, "Add optionType: call, put or both")
    if wish.expiration is None:
        return _incomplete(underlying, 'Add expiration: a date such as 2026-12-18, or "+1 week"')
    right = {"call": "C", "put": "P"}.get(wish.type) or ("C" if bullish else "P")
    rule = Rule(underlying=underlying, right=right, expiration=wish.expiration)
    if wish.strike_price is not None:
        return replace(rule, strike=wish.strike_price)
    away = _away(wish)
    if wish.strikes_away is not None and wish.intrinsic is not None and wish.strikes_away < 0:
        return _incomplete(underlying, "A strikesAway below zero is in the money by itself: leave intrinsicValue out")
    most = picking.MOST_AWAY if wish.strike_count is None else min(picking.MOST_AWAY, wish.strike_count)
    if abs(away) > most:
        return _incomplete(underlying, f"Send strikesAway of at most {most}, or strikePrice")
    side = picking.Side.IN if wish.intrinsic == "itm" or away < 0 else picking.Side.OUT
    return replace(rule, away=abs(away), side=side if away else picking.Side.OUT)


def _away(wish: Wish) -> int:
    """Strikes from the money: as sent; else the first one on the side that is asked for, or at the money."""
    if wish.strikes_away is not None:
        return wish.strikes_away
    return 1 if wish.intrinsic is not None else 0


def _fits(option: Held, wish: Wish) -> bool:
    """Whether an option is of the kind that is asked for, by its name or by one that it had. How far ahead and away it was then
    tells nothing of it now."""
    return any(_is_of(ticker, wish) for ticker in (option.ticker, *option.before))


def _may_grow(option: Held, wish: Wish) -> bool:
    """Whether an entry may add to an option: it is of the kind by its name of now, and of the usual class."""
    name = named(option.ticker)
    return name is not None and not name.series and _is_of(option.ticker, wish)


def _is_of(ticker: str, wish: Wish) -> bool:
    name = named(ticker)
    if name is None:
        return False
    if wish.type in {"call", "put"} and _TYPES[name.right] != wish.type:
        return False
    dated = wish.expiration is not None and not wish.expiration.startswith("+")
    # A list of IBKR's names an option on an index that settles at an open by the day of that, and not by its last one.
    if dated and wish.expiration not in {each.isoformat() for each in (name.expiry, last_day_as_listed(name))}:
        return False
    return wish.strike_price is None or name.strike == wish.strike_price


def _of_held(message: Message, fitting: Sequence[Held]) -> Meant | Rejection:
    """The one that is held; with several, or none to reduce, nothing is guessed."""
    holding = [each for each in fitting if each.quantity] or list(fitting)
    if len(holding) == 1:
        return Meant(message, ticker=holding[0].ticker)
    if not holding:
        reason = f"Nothing is held or ordered of options on {message.symbol.root} that this signal could mean."
        return Rejection(rule="B04", code="no-option-held", reason=reason)
    return _several(message, holding)


def _several(message: Message, holding: Sequence[Held]) -> Rejection:
    ways = any_of(f'{{"ticker": "{each.ticker}", "action": "{message.action}"}}' for each in holding[:_SHOWN])
    held = ", ".join(each.sentence for each in holding[:_SHOWN])
    reason = f"The account has several options on {message.symbol.root}: {held}. Name the one: {ways}."
    return Rejection(rule="B04", code="several-options-held", reason=reason)


def _other_way(message: Message, against: Sequence[Held]) -> Rejection:
    """An entry would close what is held the other way instead of opening anything."""
    shown = against[:_SHOWN]
    held = ", ".join(each.sentence for each in shown)
    ways = any_of(f'{{"ticker": "{each.ticker}", "action": "exit"}}' for each in shown[:1])
    reason = (
        f"This {message.action} by parts would close {held}, which is held the other way, and open nothing. "
        f"To close it send {ways}; to open another option send that one's own name."
    )
    return Rejection(rule="B04", code="option-held-other-way", reason=reason)


def _both(message: Message, said: Sequence[Held]) -> Meant | Rejection:
    """Calls are bought when bullish and puts when bearish; what is held on the other side is closed by it first."""
    bullish = message.action is Action.BUY
    wanted = "C" if bullish else "P"
    against = [each for each in said if each.quantity > 0 and _right(each) != wanted]
    if against:
        leaving = replace(message, action=Action.EXIT, sentiment=None)
        return _of_held(leaving, against)
    entering = replace(message, option=replace(message.option, type=_TYPES[wanted]))
    if message.sentiment in {None, "bullish" if bullish else "bearish"}:
        entering = replace(entering, action=Action.BUY, sentiment=message.sentiment and "bullish")
    fitting = [each for each in said if _right(each) == wanted and _fits(each, message.option)]
    if same := [each for each in fitting if each.quantity >= 0 and _may_grow(each, message.option)]:
        found = _of_held(entering, same)
        return found if isinstance(found, Rejection) else replace(found, by_direction=True)
    if short := [each for each in fitting if each.quantity < 0]:
        return _other_way(entering, short)
    rule = rule_for(message.symbol.root, message.option, bullish=bullish)
    return rule if isinstance(rule, Rejection) else Meant(entering, rule=rule, by_direction=True)


def _right(option: Held) -> str:
    name: OptionName | None = named(option.ticker)
    return name.right if name else ""


def _incomplete(underlying: str, what: str) -> Rejection:
    reason = f"The signal does not say which option on {underlying} it means. {what}; or send the contract's own name."
    return Rejection(rule="B04", code="option-contract-needed", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What an option of a signal's name is called since a split of its share, and how much of it is held; signed."""

    ticker: str
    quantity: Decimal


def option_meant_now(message: Message, since: Since, *, invert_puts: bool) -> str | Rejection | None:
    """The name to decide on; None for the signal's own. Nothing is held or worked by that one.

    What makes the holding smaller means it. What would add to it names a contract that is another one now, or none: the
    sender has to say which is meant.
    """
    if not since.quantity:
        return None
    if message.action in {Action.ADD, Action.REVERSE}:
        return _which_one(message, since)
    enters = (
        message.action in {Action.BUY, Action.SELL} and message.sentiment != "flat" and message.target_quantity != 0
    )
    if not enters:
        return since.ticker
    way = 1 if message.action is Action.BUY else -1
    if message.target_quantity is not None:
        way = 1 if message.target_quantity > 0 else -1
    elif invert_puts and (name := named(since.ticker)) is not None and name.right == "P":
        way = -way
    if way * since.quantity < 0:
        return since.ticker
    return _which_one(message, since)


def _which_one(message: Message, since: Since) -> Rejection:
    return Rejection(
        rule="B04",
        code="option-renamed",
        reason=f"A split made {spoken(since.ticker)} of {spoken(message.symbol.name)}, and {grouped(abs(since.quantity))} of it are "
        f'held. Send {{"ticker": "{since.ticker}"}} for that one, or the name of the contract that you mean.',
    )
