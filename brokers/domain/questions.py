"""IBKR's questions before it takes an order: which we answer with yes, and the way out where we do not."""

from __future__ import annotations

from collections.abc import Collection

from brokers.domain.orders import Role

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
WAYS_OUT = frozenset({Role.EXIT, Role.STOP_LOSS, Role.TAKE_PROFIT})


def is_confirmed(message_ids: Collection[str], role: Role, *, confirms_exits: bool) -> bool:
    """Whether a question is answered with yes. One without an id we know never is."""
    allowed = CONFIRMED_ON_WAYS_OUT if confirms_exits and role in WAYS_OUT else CONFIRMED
    return bool(message_ids) and set(message_ids) <= allowed


def code_of(message_ids: Collection[str]) -> str:
    """The stable code of a question that was declined: the first that needs a person; `asked` where no id is known."""
    named = [_CODES[each] for each in message_ids if each in _CODES and each not in CONFIRMED]
    return named[0] if named else "asked"


def way_out(message_ids: Collection[str], role: Role) -> str:
    """What a person can do about a question that was declined."""
    names = [name for message_id, name in PRECAUTIONS.items() if message_id in message_ids]
    on_exits = role in WAYS_OUT and bool(message_ids) and set(message_ids) <= CONFIRMED_ON_WAYS_OUT
    if not names:
        return "Switch on confirming for exits at the connection." if on_exits else "Place it in TWS if it is wanted."
    setting = " and the ".join(names)
    advice = f"Raise the {setting} in TWS (Global Configuration, Presets, Precautionary Settings) with this IBKR user"
    return f"{advice}, or switch on confirming for exits at the connection." if on_exits else f"{advice}."


def as_declined(text: str, message_ids: Collection[str], role: Role) -> str:
    """The reason of an order whose question was declined: what was asked, and the way out."""
    question = text.strip()
    # The way out has to fit, however much IBKR has to say.
    question = question if len(question) <= 150 else f"{question[:149].rstrip()}…"
    return f'IBKR asked "{question}" and Halyard does not confirm this by itself. {way_out(message_ids, role)}'
