"""IBKR's questions before it takes an order: which we answer with yes, and the way out where we do not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from brokers.domain.orders import Role
from brokers.domain.sentences import cut

# Questions that only state what automation knows anyway. Everything else is declined: a fat-finger guard is not ours
# to switch off, and an unknown question is not ours to guess.
CONFIRMED = frozenset({"o354", "o10151", "o10152", "o10153", "o10331", "o403"})
# The guards of size and price, by the name they have among the precautionary settings.
PRECAUTIONS = {
    "o163": "Percentage",
    "o382": "Number of Ticks",
    "o383": "Size Limit",
    "o451": "Total Value Limit",
}
# What the other questions are about that IBKR is known to ask, by their ids.
_CODES = {
    "o163": "asked-about-price",
    "o382": "asked-about-price",
    "o383": "asked-about-size",
    "o451": "asked-about-value",
    "o10138": "asked-about-size",
    "o354": "asked-without-market-data",
    "o2136": "asked-about-allocation",
    "o2137": "asked-about-other-side",
    "o2165": "asked-about-fractions",
    "o10082": "asked-about-bond",
    "o10164": "asked-about-cash-quantity",
    "o10223": "asked-about-cash-quantity",
    "o10288": "asked-about-crypto",
    "o10332": "asked-about-crypto",
    "o10334": "asked-about-account",
    "o10335": "asked-about-pace",
    "o10336": "asked-about-liquidity",
    "p6": "asked-about-accounts",
}
# What a connection may confirm for ways out, where its team asks for it: closing a position adds no risk by its size.
CONFIRMED_ON_WAYS_OUT = CONFIRMED | PRECAUTIONS.keys() | {"o10138"}
WAYS_OUT = (Role.EXIT, Role.STOP_LOSS, Role.TAKE_PROFIT)  # in the order in which those that wait leave
# What IBKR can be told not to ask for the rest of a session. Each has a meaning of its own; whether to cancel all open
# orders is none of them, and neither are prompts, whose options differ.
SUPPRESSIBLE = (
    *("o163", "o354", "o382", "o383", "o403", "o451", "o2136", "o2137", "o2165", "o10082", "o10138", "o10151"),
    *("o10152", "o10153", "o10164", "o10223", "o10288", "o10331", "o10332", "o10333", "o10334", "o10335", "o10336"),
    "p6",
)

# A letter and a number, as IBKR names its questions.
MESSAGE_ID = re.compile(r"[a-z][0-9]{1,8}", re.ASCII)
# Its yes would touch orders that Halyard did not place: whatever its id, and whatever a team chose.
CANCELS_ALL = r"cancel\s+all\s+(your\s+)?(open\s+|working\s+)?orders"
_NEVER = re.compile(CANCELS_ALL, re.IGNORECASE)
# How the option of a prompt begins that leaves things as they are.
_REFUSES = re.compile(r"\s*(no\b|do not\b|don.?t\b|cancel\b|decline\b|dismiss\b|discard\b|reject\b)", re.IGNORECASE)
# ... and that answers for every order from now on.
_LASTS = re.compile(r"\s*(always|never|all orders)\b", re.IGNORECASE)


# IBKR's own sites, to which a page may lead on IBKR's word.
_SITES = ("interactivebrokers.com", "ibkr.com", "interactivebrokers.co.uk", "interactivebrokers.eu")


class Topic(StrEnum):
    """By which topic of the live stream IBKR told something: a notice to the user, or a bulletin to everybody."""

    NOTICE = "ntf"
    BULLETIN = "blt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What IBKR told by the live stream and wants no answer to. `number`: its name of the message, "" where it has none."""

    topic: Topic
    number: str
    title: str
    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A question that IBKR is known to ask: what it is about, and what a yes may cost."""

    message_id: str
    about: str
    risk: str

    @property
    def confirmed(self) -> bool:
        """The answer where a team chose none."""
        return self.message_id in CONFIRMED


KNOWN = (
    Known("o354", "No market data for the contract", "The order is checked against no live price of IBKR's."),
    Known("o403", "The order would fill at once", "A limit on the wrong side of the market fills right away."),
    Known("o10151", "Market orders and their price", "The fill may be far from the price of the signal."),
    Known("o10152", "Stops become market orders", "The fill may be far behind the stop in a fast market."),
    Known("o10153", "IBKR may cap the price", "An order may rest at IBKR's cap instead of filling."),
    Known("o10331", "How stop orders are triggered", "A stop may trigger by another price than expected."),
    Known("o163", "Price beyond the percentage limit", "A mistyped price is not held back by IBKR any more."),
    Known("o382", "Price beyond the limit of ticks", "A mistyped price is not held back by IBKR any more."),
    Known("o383", "Size beyond the limit", "A mistyped quantity is not held back by IBKR any more."),
    Known("o451", "Value beyond the limit", "A mistyped quantity or price is not held back by IBKR any more."),
    Known("o10138", "Size of a changed order", "A change to a far larger size is not held back any more."),
    Known("o2136", "Mixed allocation among clients", "Accounts may get other parts than planned."),
    Known("o2137", "The other side is held already", "An account may be long and short across clients."),
    Known("o2165", "Fractions outside regular hours", "The fraction may fill at another time than the rest."),
    Known("o10082", "The bond may be called", "The bond may be paid back before its time."),
    Known("o10164", "Orders by amount of money", "The quantity that IBKR makes of it may differ."),
    Known("o10223", "Orders by amount of money, once more", "The quantity that IBKR makes of it may differ."),
    Known("o10288", "Market orders in crypto", "Spreads are wide, and prices move between venues."),
    Known("o10332", "Limits in crypto", "The order may fill in parts at other prices."),
    Known("o10334", "An account for several people", "The order is placed for all of them."),
    Known("o10335", "Many orders in a short time", "A strategy that repeats itself by mistake is not held back."),
    Known("o10336", "The contract is rarely traded", "The fill may be far from the last price."),
    Known(
        "p12", "IBKR's price management algo", "IBKR may work the order at other prices and times than it was given."
    ),
    Known("p6", "The order goes to several accounts", "Every account of the group gets its part."),
)


def is_confirmed(
    message_ids: Collection[str],
    role: Role,
    *,
    confirms_exits: bool,
    chosen: Mapping[str, bool] | None = None,
    text: str = "",
) -> bool:
    """Whether a question is answered with yes. One without an id never is, and an unknown one only by a team's choice.

    `chosen`: a team's answers by message id. A no of the team's counts for ways out too.
    """
    allowed = CONFIRMED_ON_WAYS_OUT if confirms_exits and role in WAYS_OUT else CONFIRMED
    answers = chosen or {}
    if not message_ids or cancels_all(text):
        return False
    return all(answers.get(each, each in allowed) for each in message_ids)


def cancels_all(text: str) -> bool:
    """Whether IBKR asks for a yes to canceling all open orders."""
    return _NEVER.search(text) is not None


def always_confirmed(chosen: Mapping[str, bool], kept: Collection[str] = ()) -> tuple[str, ...]:
    """The questions that IBKR need not ask: it lets a user suppress them, and the team answers each with yes for every role.

    `kept`: numbers under which IBKR has asked whether to cancel all open orders; those are always asked.
    """
    return tuple(
        each
        for each in SUPPRESSIBLE
        if each not in kept and all(is_confirmed((each,), role, confirms_exits=False, chosen=chosen) for role in Role)
    )


def option_of(options: Sequence[str], *, confirmed: bool) -> str | None:
    """The option of a prompt that says yes, or the one that says no; None where it is not plain which that is.

    What would hold for other orders too is never said.
    """
    once = [option for option in options if not _LASTS.match(option)]
    refusing = [option for option in once if _REFUSES.match(option)]
    said = [option for option in once if option not in refusing] if confirmed else refusing
    return said[0] if len(said) == 1 else None


def left_to_a_person(text: str) -> str:
    """The reason of an order whose prompt has no plain answer."""
    asked = cut(text, 150)
    return (
        f'IBKR asks "{asked}" about this order, which Halyard cannot answer. Answer it in TWS. '
        "Halyard looks for the order meanwhile."
    )


def page_of_ibkr(url: str) -> str:
    """The address of a page of IBKR's own, which a page may link to; "" for any other, since a gateway can send any."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        has_port = parts.port not in {None, 443}
    except ValueError:
        return ""
    named = any(host == site or host.endswith(f".{site}") for site in _SITES)
    plain = not (parts.username or parts.password or has_port)
    return url if parts.scheme == "https" and named and plain and url.isprintable() and " " not in url else ""


def code_of(message_ids: Collection[str]) -> str:
    """The stable code of a question that was declined: the first that needs a person; `asked` where no id is known."""
    named = [_CODES[each] for each in message_ids if each in _CODES and each not in CONFIRMED]
    return named[0] if named else "asked"


def way_out(message_ids: Collection[str], role: Role) -> str:
    """What a person can do about a question that was declined."""
    names = [name for message_id, name in PRECAUTIONS.items() if message_id in message_ids]
    on_exits = role in WAYS_OUT and bool(message_ids) and set(message_ids) <= CONFIRMED_ON_WAYS_OUT
    if not names:
        if on_exits:
            return "Switch on confirming for exits at the connection."
        if message_ids:
            return "Answer it with yes on the page of IBKR's questions, or place the order in TWS, if it is wanted."
        return "Place it in TWS if it is wanted."
    setting = " and the ".join(names)
    advice = f"Raise the {setting} in TWS (Global Configuration, Presets, Precautionary Settings) with this IBKR user"
    return f"{advice}, or switch on confirming for exits at the connection." if on_exits else f"{advice}."


def as_declined(text: str, message_ids: Collection[str], role: Role) -> str:
    """The reason of an order whose question was declined: what was asked, and the way out."""
    question = text.strip()
    # The way out has to fit, however much IBKR has to say.
    question = question if len(question) <= 150 else f"{question[:149].rstrip()}…"
    return f'IBKR asked "{question}" and Halyard does not confirm this by itself. {way_out(message_ids, role)}'
