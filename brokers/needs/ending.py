"""Options that end today or on the next day of trading: what is held then ends by itself, in one way or another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Case, DateTimeField, F, Func, OuterRef, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Cast

from accounts.feed.needs import Facts, Need, Urgency, with_facts
from accounts.models import Team
from brokers.domain.contracts.options import (
    NEW_YORK,
    SETTLED_AT_OPEN,
    OptionName,
    days_of_trade_left,
    last_day_as_listed,
    named,
)
from brokers.domain.orders import OPTIONS, AssetClass
from brokers.domain.sentences import grouped
from brokers.models import ContractLookup, Position
from brokers.needs.lines import IN_ACCOUNT, MOST, of_account

# Over a weekend with a holiday beside it the next day of trading is so many days away; a day more settles at its open.
_AHEAD = timedelta(days=5)


class _Day(Func):
    """A moment's day in New York, as names of options write it."""

    template = "to_char(%(expressions)s AT TIME ZONE 'America/New_York', 'YYMMDD')"
    output_field = TextField()


def _day(at: datetime) -> _Day:
    return _Day(Cast(Value(at), DateTimeField()))


def ending_rows(team: Team, now: datetime) -> QuerySet[Position]:
    """Options that are held and end within the next days, and those of which IBKR's text names no day."""
    last = Func(F("ticker"), Value(" ([0-9]{6})[CP]"), function="substring", output_field=TextField())
    held = Position.objects.filter(team=team, asset_class__in=OPTIONS).exclude(quantity=0)
    soon = Q(last__gte=_day(now), last__lte=_day(now + _AHEAD))
    # Those first of which somebody can say when.
    ending = held.alias(last=last).filter(soon | Q(last=None)).order_by(F("last").asc(nulls_last=True), "pk")
    # As text: a number of JSON would lose what a decimal keeps.
    quantity = Cast("quantity", TextField())
    facts = {**IN_ACCOUNT, "quantity": quantity, "conid": F("conid"), "own": _own_name()}
    return with_facts(ending, **facts)[: 4 * MOST]


def _own_name() -> Case:
    """The name of an option by its last day of trade, where its list may name it by the day on which it settles, and IBKR has
    been asked for it; else empty. Of two names of one contract the own one is the earlier."""
    known = ContractLookup.objects.of_contracts().filter(
        connection=OuterRef("account__connection"),
        conid=OuterRef("conid"),
        asset_class=str(AssetClass.OPTION),
        status=ContractLookup.Status.FOUND,
    )
    two_names = rf"^({'|'.join(sorted(SETTLED_AT_OPEN))}) "
    return Case(
        When(ticker__regex=two_names, then=Subquery(known.order_by("ticker").values("ticker")[:1])),
        output_field=TextField(),
    )


def _last_day(name: OptionName, own: str | None) -> date:
    known = named(own) if own else None
    return last_day_as_listed(name) if known is None else known.expiry


def ending(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    today = now.astimezone(NEW_YORK).date()
    for each in facts:
        name = named(each["ticker"])
        if name is None:
            yield _unnamed(team, each)
            continue
        left = days_of_trade_left(_last_day(name, each["own"]), today)
        if left not in {0, 1}:
            continue
        quantity = Decimal(each["quantity"])
        yield Need(
            key=f"ending-{each['account_code']}-{each['conid']}",
            urgency=Urgency.ANSWER,
            symbol="clock",
            title=f"{name.spoken} in {each['account']} ends {'today' if left == 0 else 'on the next day of trading'}",
            text=_meaning(name, quantity),
            href=of_account(team, each["account_code"]),
            action="See the account",
        )


def _unnamed(team: Team, each: Facts) -> Need:
    quantity = Decimal(each["quantity"])
    held = f"{grouped(abs(quantity))} {'held long' if quantity > 0 else 'written'}"
    return Need(
        key=f"unnamed-{each['account_code']}-{each['conid']}",
        urgency=Urgency.ANSWER,
        symbol="clock",
        title=f"Halyard cannot tell when {each['ticker']} in {each['account']} ends",
        text=f"{held}: IBKR does not name all of this option, so nothing warns of its end, and terms that close options before "
        "their end do not close it. Look for its last day in TWS.",
        href=of_account(team, each["account_code"]),
        action="See the account",
    )


def _meaning(name: OptionName, quantity: Decimal) -> str:
    held = f"{grouped(abs(quantity))} {'held long' if quantity > 0 else 'written'}"
    if name.index:
        return f"{held}: in the money it is paid out in cash, else it ends worthless. Close it before, or let it end."
    becomes = "exercised" if quantity > 0 else "assigned"
    buys = (name.right == "C") is (quantity > 0)
    what = f"{name.future} is" if name.future else "shares are"
    way = f"{what} {'bought' if buys else 'sold'} at {name.strike.normalize():f}"
    return f"{held}: in the money it is {becomes}, and {way}; else it ends worthless. Close it before, or let it end."
