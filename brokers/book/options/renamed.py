"""What options of an account are called since their share was split: a signal may name them as they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Exists, F, OuterRef, Window
from django.db.models.functions import RowNumber

from brokers.domain.actions.reading import State
from brokers.domain.contracts.combos import NotACombo, combo_named, combo_of, held
from brokers.domain.contracts.options import alike, named
from brokers.domain.contracts.rules import Denial
from brokers.domain.orders import MAY_FILL, AssetClass, Instrument, OrderStatus
from brokers.models import BrokerageAccount, CorporateAction, Order, Position

ZERO, ONE = Decimal(0), Decimal(1)
# So many splits of options are looked back at, of each account.
MOST = 1_000
_UNDER_WAY = [str(status) for status in {OrderStatus.CREATED, *MAY_FILL}]
_OPTION = str(AssetClass.OPTION)
# An account, and the name of an option as `alike` spells it.
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Renamed:
    """What each option that a split has renamed is called since, the latest renaming last, and, where there is any, what is held
    and worked by name. One split gives the name of one option to another: who is whose successor goes by contract numbers."""

    after: Mapping[Place, str] = field(default_factory=dict)
    # New contracts for one of before, by the name of before.
    units: Mapping[Place, Decimal] = field(default_factory=dict)
    quantities: Mapping[Place, Decimal] = field(default_factory=dict)
    worked: frozenset[Place] = frozenset()

    def now(self, account_pk: int, ticker: str) -> str | None:
        """What an option, or a combo of two, is called since; None where it was not renamed."""
        combo = combo_named(ticker)
        if combo is None:
            return self._now(account_pk, ticker)
        legs = [named(self._now(account_pk, str(leg)) or "") for leg in combo.legs]
        if legs[0] is None or legs[1] is None:
            return None
        try:
            name, turned = combo_of(legs[0], legs[1])
        except NotACombo:
            return None
        return None if turned or combo_named(str(name)) is None else str(name)

    def _now(self, account_pk: int, ticker: str) -> str | None:
        return self.after.get((account_pk, alike(ticker)))

    def units_of(self, account_pk: int, ticker: str) -> Decimal:
        """How many contracts of now one by this name has become, or combos of now one combo."""
        combo = combo_named(ticker)
        names = [ticker] if combo is None else map(str, combo.legs)
        found = {self.units.get((account_pk, alike(name)), ONE) for name in names}
        return found.pop() if len(found) == 1 else ONE

    def before(self, account_pk: int, ticker: str) -> tuple[str, ...]:
        """The names that an option had, the latest first."""
        wanted = alike(ticker)
        names = [was for (pk, was), now in self.after.items() if pk == account_pk and alike(now) == wanted]
        return tuple(reversed(names))

    def held(self, account_pk: int, ticker: str) -> Decimal:
        """How much of an option is held, or how many combos both legs make; signed."""
        combo = combo_named(ticker)
        if combo is None:
            return self.quantities.get((account_pk, alike(ticker)), ZERO)
        return held(*(self.quantities.get((account_pk, alike(str(leg))), ZERO) for leg in combo.legs))

    def is_in_use(self, account_pk: int, ticker: str) -> bool:
        """Whether something is held by this very name, or an order works in it."""
        return bool(self.held(account_pk, ticker)) or (account_pk, alike(ticker)) in self.worked


NONE = Renamed()


def only_closed(ticker: str) -> Denial | None:
    """Why nothing is opened in a contract whose terms a split has changed; None of others."""
    name = named(ticker)
    if name is None or not name.series:
        return None
    return Denial(
        code="option-adjusted",
        sentence=f"A split has changed what {name.spoken} delivers, and Halyard only closes such a contract. Name the usual "
        f"contract, whose class is {name.root}.",
    )


def load(accounts: Collection[int]) -> Renamed:
    """What splits have made of the options of these accounts; one statement where they have renamed none."""
    known = CorporateAction.objects.filter(account__in=accounts, state__in=[str(State.KNOWN), str(State.SAID)])
    renamings = known.exclude(ticker_before="")
    newest = Window(RowNumber(), partition_by=F("account"), order_by="-pk")
    rows = list(renamings.annotate(place=newest).filter(place__lte=MOST).order_by("pk"))
    after, units = _latest_names(rows)
    if not after:
        return NONE
    quantities: dict[Place, Decimal] = {}
    positions = Position.objects.filter(account__in=accounts, asset_class=_OPTION).exclude(quantity=0)
    for pk, ticker, quantity in positions.values_list("account_id", "ticker", "quantity"):
        quantities[pk, alike(ticker)] = quantities.get((pk, alike(ticker)), ZERO) + quantity
    # An order of before that IBKR has not ended yet works in the contract of now.
    of_before = known.filter(
        account=OuterRef("account"), conid_before=OuterRef("conid"), seen_at__gte=OuterRef("created_at")
    ).exclude(ticker_before="")
    orders = Order.objects.filter(~Exists(of_before), account__in=accounts, asset_class=_OPTION, status__in=_UNDER_WAY)
    worked = frozenset((pk, alike(ticker)) for pk, ticker in orders.values_list("account_id", "ticker").distinct())
    return Renamed(after, units, quantities, worked)


def _latest_names(actions: Sequence[CorporateAction]) -> tuple[dict[Place, str], dict[Place, Decimal]]:
    """By account and name, what the option is called now, and how many of that it has become; the actions the oldest first."""
    after: dict[Place, str] = {}
    units: dict[Place, Decimal] = {}
    latest: dict[tuple[int, int], tuple[str, Decimal]] = {}
    names = []
    # From the newest back: a contract is called what its own successor is called.
    for action in reversed(actions):
        name, more = latest.get((action.account_id, action.conid), (action.ticker, ONE))
        ratio = action.ratio
        more = more if ratio is None else ratio.exact(more)
        latest[action.account_id, action.conid_before] = name, more
        names.append(((action.account_id, alike(action.ticker_before)), name, more))
    for place, name, more in reversed(names):
        after.pop(place, None)
        after[place], units[place] = name, more
    return after, units


def with_successors(
    pairs: Sequence[tuple[BrokerageAccount, Instrument]], renamed: Renamed
) -> list[tuple[BrokerageAccount, Instrument]]:
    """The pairs, and beside them what the options among them are called since."""
    since = [
        (account, Instrument(ticker=now, asset_class=AssetClass.OPTION))
        for account, instrument in pairs
        if instrument.asset_class is AssetClass.OPTION
        if (now := renamed.now(account.pk, instrument.ticker)) is not None
    ]
    return list(dict.fromkeys([*pairs, *since]))
