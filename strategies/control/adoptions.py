"""Whose an adopted order is: the subscription that asked for it, as a person says, since the decision was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Min, QuerySet

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from brokers import live
from brokers.domain.protection.choices import USUAL
from brokers.models import Execution, Order, Ticket
from strategies.models import Adoption, Decision, Subscription
from strategies.profit import making


class AdoptionRefused(Refusal):
    """It cannot be said whose the order is."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """An adopted order, the subscriptions of its account, and the one it counts for; `chosen_at`: since a person said so."""

    order: Order
    candidates: tuple[Subscription, ...]
    meant: Subscription | None
    chosen_at: datetime | None

    @property
    def codes(self) -> list[UUID]:
        """The public codes of the candidates."""
        return [each.code for each in self.candidates]


def candidates(order: Order) -> list[Subscription]:
    """The subscriptions of the order's account, those that are switched on first."""
    rows = Subscription.objects.filter(account=order.account_id).select_related("strategy", "terms")
    return list(rows.order_by("-enabled", "strategy__name", "pk"))


def adopted_orders() -> QuerySet[Order]:
    """Orders that were adopted, whose decision is not here."""
    rows = Order.objects.filter(ticket__adopted_at__isnull=False, ticket__decision=None)
    return rows.select_related("account", "ticket__adoption__subscription")


def owners_of(orders: Sequence[Order]) -> list[Adopted]:
    """Whose these orders of `adopted_orders` are, with one query for all of them."""
    by_account: dict[int, list[Subscription]] = {}
    accounts = {order.account_id for order in orders}
    for row in Subscription.objects.filter(account__in=accounts).order_by("-enabled", "pk"):
        by_account.setdefault(row.account_id, []).append(row)
    found = []
    for order in orders:
        several = by_account.get(order.account_id, [])
        said: Adoption | None = getattr(order.ticket, "adoption", None)
        only = several[0] if len(several) == 1 else None
        meant = only if said is None else said.subscription
        found.append(Adopted(order, tuple(several), meant, None if said is None else said.chosen_at))
    return found


def is_asked(order: Order) -> bool:
    """Whether somebody may say whose the order is: it was adopted, and its decision is not here."""
    return order.ticket.adopted_at is not None and not Decision.objects.filter(ticket=order.ticket_id).exists()


def meant(order: Order) -> Subscription | None:
    """The subscription that the order counts for: the one a person named, else the only one of its account."""
    said = Adoption.objects.filter(ticket=order.ticket_id).select_related("subscription__strategy").first()
    if said is not None:
        return said.subscription
    several = candidates(order)
    return several[0] if len(several) == 1 else None


@transaction.atomic
def choose(*, order: Order, subscription: UUID | None, actor: User | None, now: datetime) -> Adoption:
    """Say which subscription an adopted order was for, by its public code; None: no one's. It may be said again.

    Its stop is looked after as that subscription's terms say. Raises AdoptionRefused.
    """
    ticket = Ticket.objects.select_for_update(of=("self",)).get(pk=order.ticket_id)
    order.ticket = ticket
    if not is_asked(order):
        raise AdoptionRefused(
            "The decision behind this order is known, so nobody has to say whose it is.", "not-adopted"
        )
    chosen = None
    if subscription is not None:
        chosen = next((each for each in candidates(order) if each.code == subscription), None)
        if chosen is None:
            raise AdoptionRefused(
                "That subscription does not trade this order's account. Choose one of those listed.", "other-account"
            )
    before = Adoption.objects.filter(ticket=ticket).select_related("subscription__strategy").first()
    made, _ = Adoption.objects.update_or_create(
        ticket=ticket,
        defaults={"team_id": order.team_id, "subscription": chosen, "chosen_by": actor, "chosen_at": now},
    )
    terms = chosen.terms.value() if chosen is not None and chosen.terms is not None else None
    Ticket.objects.filter(pk=ticket.pk).update(missing_stop=USUAL if terms is None else terms.missing_stop)
    audit.record(
        team=order.team,
        actor=actor,
        action="order.attributed",
        subject=order.reference or order.broker_order_id,
        now=now,
        before={} if before is None else {"subscription": _named(before.subscription)},
        after={"subscription": _named(chosen)},
    )
    for account, conid, first in (
        Execution.objects.filter(order__ticket=ticket.pk)
        .values_list("account_id", "conid")
        .annotate(first=Min("executed_at"))
    ):
        making.note(account, conid, first)
    live.order_changed(order)
    return made


def _named(subscription: Subscription | None) -> str:
    return "none" if subscription is None else f"{subscription.strategy.name} ({subscription.code})"
