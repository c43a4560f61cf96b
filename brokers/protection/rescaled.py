"""Orders and fills of before a split, counted in the shares of now: in memory alone, as what is over stays as it was."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from brokers.domain.actions.reading import ONE_FOR_ONE, Ratio, State, in_a_row
from brokers.domain.contracts.options import on_any_tick
from brokers.domain.orders import IN_FLIGHT, WORKING, AssetClass
from brokers.models import CorporateAction, Order, Rescaling

# So many splits of one holding are looked back at.
MOST = 20
AT_IBKR = IN_FLIGHT | WORKING


@dataclass(frozen=True, slots=True)
class Splits:
    """The splits of one holding, newest first, and every number that its contract has had."""

    conids: frozenset[int]
    actions: tuple[CorporateAction, ...] = ()

    @property
    def ticker(self) -> str:
        """What an option is called now; "" where no split has renamed it."""
        return next((each.ticker for each in self.actions if each.ticker_before), "")

    def since(self, conid: int, at: datetime, *, but: Collection[Ratio | int] = ()) -> Ratio:
        """By which ratio what was dealt, or sent, under a number at a moment counts now.

        A fill under the number of before is of before the split, whenever it was told. `but`: splits that a row has been
        changed by already, each by its key, or by its ratio where the split was not known then.
        """
        done, ratios = list(but), []
        for each in self.actions:
            ratio = each.ratio
            if ratio is None or not (each.split_at >= at or conid == each.conid_before != each.conid):
                continue
            known: Ratio | int | None = each.pk if each.pk in done else ratio if ratio in done else None
            if known is None:
                ratios.append(ratio)
            else:
                done.remove(known)
        return in_a_row(ratios)


def of(account_pk: int, conid: int) -> Splits:
    """The splits of a holding that has this contract number now, under this number and under those that it had before."""
    actions: list[CorporateAction] = []
    numbers, under = {conid}, conid
    known = CorporateAction.objects.filter(account=account_pk, state__in=[str(State.KNOWN), str(State.SAID)])
    rows = known.filter(conid=under).order_by("-pk")
    while len(actions) < MOST and (action := rows.first()) is not None:
        actions.append(action)
        under = action.conid_before
        numbers.add(under)
        # An account has a split of each option that it holds: those of others are not looked through.
        rows = known.filter(conid=under, pk__lt=action.pk).order_by("-pk")
    return Splits(frozenset(numbers), tuple(actions))


def count(orders: Collection[Order], splits: Splits) -> None:
    """Give these rows, in memory, the sizes and prices that they have in the shares of now, and the name of an option."""
    done: dict[int, list[Ratio | int]] = {}
    for row in Rescaling.objects.filter(order__in=[order.pk for order in orders]):
        done.setdefault(row.order_id, []).append(row.ratio if row.action_id is None else row.action_id)
    for order in orders:
        at = order.submitted_at or order.created_at
        _apply(order, splits.since(order.conid, at, but=done.get(order.pk, ())))
        if splits.ticker:
            order.ticker = splits.ticker


def is_unsure(orders: Collection[Order], splits: Splits) -> bool:
    """Whether IBKR has an order of which nobody can tell whether its numbers are of before a split.

    It was sent between the reading before and the one that showed the split, and IBKR has not changed it.
    """
    sent = [order for order in orders if order.status in AT_IBKR and order.submitted_at is not None]
    between = [
        order
        for order in sent
        for each in splits.actions
        if order.submitted_at is not None and each.split_at < order.submitted_at <= each.seen_at
    ]
    if not between:
        return False
    changed = set(Rescaling.objects.filter(order__in=[order.pk for order in between]).values_list("order", flat=True))
    return any(order.pk not in changed for order in between)


def _apply(order: Order, ratio: Ratio) -> None:
    if ratio == ONE_FOR_ONE:
        return
    order.quantity, order.filled_quantity = ratio.exact(order.quantity), ratio.exact(order.filled_quantity)
    order.resize_to = None if order.resize_to is None else ratio.exact(order.resize_to)
    is_option = order.asset_class == AssetClass.OPTION
    order.limit_price = _price(order.limit_price, ratio, is_option=is_option)
    order.stop_price = _price(order.stop_price, ratio, is_option=is_option)
    order.trail_amount = _price(order.trail_amount, ratio, is_option=is_option)


def _price(price: Decimal | None, ratio: Ratio, *, is_option: bool) -> Decimal | None:
    """To the cent, as prices of shares are ordered; below a dollar to a hundredth of one. Of options to what every class takes."""
    if price is None:
        return None
    scaled = price * ratio.factor
    if is_option:
        return on_any_tick(scaled)
    return scaled.quantize(Decimal("0.01") if scaled >= 1 else Decimal("0.0001"))
