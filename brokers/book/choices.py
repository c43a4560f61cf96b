"""Symbols that several contracts share: what waits for a person's word, and the team's memory of it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.feed.needs import needs_changed
from accounts.models import Team, User
from accounts.refusals import Refusal
from brokers.domain.contracts.candidates import Candidate
from brokers.domain.sessions import Environment
from brokers.models import ContractChoice, ContractLookup
from brokers.postgres.notices import ORDERS_CHANNEL, keys, notify

# So many choices a team may keep: a caller who repeats a request by hand cannot fill the table.
MOST_CHOICES = 500
MOST_SHOWN = 200


class ChoiceRefused(Refusal):
    """A choice is not kept."""


# Whether it is of the simulated market, an asset class and a ticker.
Symbol = tuple[bool, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A symbol that waits for a choice: why, and among what. `live`: real money trades by it."""

    symbol: Symbol
    reason: str
    candidates: tuple[Candidate, ...]
    asked_at: datetime
    live: bool

    @property
    def simulated(self) -> bool:
        return self.symbol[0]

    @property
    def asset_class(self) -> str:
        return self.symbol[1]

    @property
    def ticker(self) -> str:
        return self.symbol[2]


def chosen_for(lookup: ContractLookup) -> int | None:
    """The number that the connection's team chose for a ticker."""
    connection = lookup.connection
    chosen = ContractChoice.objects.filter(
        team=connection.team_id,
        simulated=connection.environment == Environment.SIMULATED,
        asset_class=lookup.asset_class,
        ticker=lookup.ticker,
    )
    return chosen.values_list("conid", flat=True).first()


def waiting(team: Team) -> list[Open]:
    """The team's symbols that wait for a choice, each once, the newest first."""
    rows = _lookups(team).filter(candidates__isnull=False).order_by("-asked_at", "pk")
    grouped: dict[Symbol, list[ContractLookup]] = defaultdict(list)
    for row in rows[:MOST_SHOWN]:
        grouped[_symbol_of(row)].append(row)
    return [_open(symbol, alike) for symbol, alike in grouped.items()]


def _symbol_of(lookup: ContractLookup) -> Symbol:
    simulated = lookup.connection.environment == Environment.SIMULATED
    return simulated, lookup.asset_class, lookup.ticker


def _open(symbol: Symbol, alike: list[ContractLookup]) -> Open:
    found = (Candidate.from_json(row) for lookup in alike for row in lookup.candidates or ())
    return Open(
        symbol=symbol,
        reason=alike[0].reason,
        candidates=tuple({each.conid: each for each in found}.values()),
        asked_at=alike[0].asked_at,
        live=any(lookup.connection.environment == Environment.LIVE for lookup in alike),
    )


def made(team: Team) -> QuerySet[ContractChoice]:
    """The team's choices, by their symbols."""
    return ContractChoice.objects.filter(team=team).select_related("chosen_by").order_by("ticker", "pk")


def to_choose(team: Team, *, simulated: bool, asset_class: str, ticker: str) -> Open:
    """The symbol that waits for a choice; raises ChoiceRefused."""
    symbol = (simulated, asset_class, ticker)
    found = next((each for each in waiting(team) if each.symbol == symbol), None)
    if found is None:
        raise ChoiceRefused(
            f"{ticker[:40] or 'That symbol'} does not wait for a choice: only what several contracts share does. "
            "Look at the page Symbols.",
            "nothing-to-choose",
        )
    return found


@transaction.atomic
def choose(*, team: Team, asked: Open, conid: int, actor: User | None, now: datetime) -> ContractChoice:
    """Keep which contract a symbol means, and ask IBKR for it anew; raises ChoiceRefused."""
    meant = next((each for each in asked.candidates if each.conid == conid), None)
    if meant is None:
        raise ChoiceRefused(
            f"{conid} is none of the contracts that IBKR lists for {asked.ticker}. Choose one of those shown.",
            "not-a-candidate",
        )
    rows = ContractChoice.objects.filter(team=team)
    one: dict[str, Any] = {"simulated": asked.simulated, "asset_class": asked.asset_class, "ticker": asked.ticker}
    before = rows.filter(**one).values_list("conid", flat=True).first()
    if before is None and rows.count() >= MOST_CHOICES:
        raise ChoiceRefused("The team has chosen for too many symbols; take a choice back first.", "too-many-choices")
    values = {"conid": meant.conid, "name": meant.name, "exchange": meant.exchange, "currency": meant.currency[:3]}
    choice, _ = ContractChoice.objects.update_or_create(
        team=team, **one, defaults={**values, "chosen_at": now, "chosen_by": actor}
    )
    _record(choice, "connection.choose_contract", actor, now, before=before, after=meant.conid)
    _ask_anew(choice, now)
    return choice


@transaction.atomic
def take_back(choice: ContractChoice, *, actor: User | None, now: datetime) -> None:
    """Forget a choice: entries by the symbol wait for another one, and ways out go on by the contract that is held."""
    _record(choice, "connection.forget_contract", actor, now, before=choice.conid, after=None)
    _ask_anew(choice, now)
    choice.delete()


def _record(
    choice: ContractChoice, action: str, actor: User | None, now: datetime, *, before: int | None, after: int | None
) -> None:
    audit.record(
        team=choice.team,
        actor=actor,
        action=action,
        subject=choice.ticker,
        before={"conid": before},
        after={"conid": after},
        now=now,
    )


def _ask_anew(choice: ContractChoice, now: datetime) -> None:
    """Let the lanes of the team's connections ask once more which contract the symbol means."""
    lookups = _lookups(choice.team).filter(asset_class=choice.asset_class, ticker=choice.ticker)
    lookups = lookups.filter(**{f"connection__environment{'' if choice.simulated else '__in'}": _environments(choice)})
    found = list(lookups.values_list("pk", "connection_id"))
    ContractLookup.objects.filter(pk__in=[pk for pk, _ in found]).update(
        status=ContractLookup.Status.WANTED, candidates=None, asked_at=now
    )
    notify(ORDERS_CHANNEL, keys(connection_pk for _, connection_pk in found))
    needs_changed(choice.team_id)


def _environments(choice: ContractChoice) -> str | list[str]:
    real = [str(each) for each in Environment if each is not Environment.SIMULATED]
    return str(Environment.SIMULATED) if choice.simulated else real


def _lookups(team: Team) -> QuerySet[ContractLookup]:
    return ContractLookup.objects.filter(connection__team=team, connection__removed_at=None).select_related(
        "connection"
    )
