"""What IBKR shows and no row explains: orders that have filled, after a restore of an older backup or beside a change in
doubt; and changes of what is held."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.contracts.combos import legs_of
from brokers.domain.elsewhere.classes import UNKNOWN
from brokers.domain.elsewhere.whose import DECIDED_BY, is_ours
from brokers.domain.orders import IN_DOUBT, OrderStatus, Side
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount, optional_amount, word
from brokers.models.orders import Order
from brokers.models.protection import ForeignOrder
from brokers.models.records import Execution


class UnclaimedOrder(models.Model):
    """An order of which IBKR shows fills and which no row of ours is, although it may be ours.

    It bears our reference, or it looks like the second order of a change whose answer was lost (`second_of`). Its fills
    are executions without an order, which count in the account as any; a person says whose they are.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="unclaimed_orders")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="unclaimed_orders", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    # Of these names, what IBKR has said; one of them is there. The fill's own where it names no order.
    broker_order_id = models.CharField(max_length=32, blank=True, default="", db_default="")
    reference = models.CharField(max_length=64, blank=True, default="", db_default="")
    broker_execution_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    conid = models.BigIntegerField()
    ticker = models.CharField(max_length=40, blank=True, default="", db_default="")
    asset_class = models.CharField(max_length=20, default=UNKNOWN, db_default=UNKNOWN)
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    side = word(Side)
    # As IBKR's list of orders shows it; "" and null where it lists the fills alone.
    type = models.CharField(max_length=20, blank=True, default="", db_default="")
    quantity = optional_amount()
    limit_price = optional_amount()
    stop_price = optional_amount()
    described = models.CharField(max_length=120, blank=True, default="", db_default="")
    # How much of it has filled, by its executions or by the list of orders, whichever shows more.
    filled = amount()
    filled_at = models.DateTimeField()
    first_seen_at = models.DateTimeField(default=timezone.now, db_default=Now())
    # The order of ours that it may be the second one of: it looks like a change of that order whose answer was lost.
    second_of = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    # What a person said, "" while nobody has, and the order's row where it was adopted.
    choice = models.CharField(max_length=8, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey("accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="unclaimed", db_constraint=False
    )

    class Meta:
        verbose_name = "filled order in no row"
        verbose_name_plural = "filled orders in no row"
        constraints = [
            one_id_per_team("unclaimedorder"),
            same_team("account", "unclaimedorder"),
            same_team("second_of", "unclaimedorder"),
            same_team("order", "unclaimedorder"),
            models.UniqueConstraint(
                fields=["account", "broker_order_id", "reference", "broker_execution_id", "conid", "side"],
                name="unclaimed_order_asks_once",
            ),
            models.CheckConstraint(
                condition=~Q(broker_order_id="", reference="", broker_execution_id=""),
                name="unclaimed_order_has_a_name",
            ),
            models.CheckConstraint(condition=Q(filled__gt=0), name="unclaimed_order_has_filled"),
            models.CheckConstraint(condition=one_of("side", Side), name="unclaimed_order_side_is_known"),
            models.CheckConstraint(
                condition=Q(choice="", decided_at=None) | one_of("choice", DECIDED_BY) & Q(decided_at__isnull=False),
                name="unclaimed_order_choice_has_its_moment",
            ),
            models.CheckConstraint(
                condition=Q(choice="adopt", order__isnull=False) | ~Q(choice="adopt") & Q(order=None),
                name="unclaimed_order_has_a_row_once_adopted",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "conid"], condition=Q(choice=""), name="unclaimed_orders_that_ask"),
            models.Index(fields=["team", "-id"], name="unclaimed_orders_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.filled.normalize():f} of {self.conid} ({self.broker_order_id or self.reference or self.broker_execution_id})"

    @property
    def bears_our_reference(self) -> bool:
        return is_ours(self.reference)

    @property
    def fills(self) -> models.QuerySet[Execution]:
        """Its fills that are in no order, oldest first."""
        rows = Execution.objects.filter(account=self.account_id, conid=self.conid, side=self.side, order=None)
        names = ("broker_order_id", "reference", "broker_execution_id")
        name = next(each for each in names if getattr(self, each))
        return rows.filter(**{name: getattr(self, name)}).order_by("executed_at", "pk")

    @property
    def largest(self) -> Decimal:
        """How large it was, as far as IBKR has said."""
        return max(self.quantity or self.filled, self.filled)


def asked() -> models.QuerySet[UnclaimedOrder]:
    """Those of which a person has to say whose they are.

    While one of them works, its own row as an order placed elsewhere asks; once it has a row as an order of ours, under
    whatever connection, nobody asks.
    """
    return UnclaimedOrder.objects.filter(_asks()).order_by("pk")


def with_asking(rows: models.QuerySet[UnclaimedOrder]) -> models.QuerySet[UnclaimedOrder]:
    """These, each with whether a person has to say whose it is as `asks`."""
    return rows.annotate(asks=ExpressionWrapper(_asks(), output_field=models.BooleanField())).order_by("pk")


def _asks() -> Q:
    here = {"account": OuterRef("account_id"), "broker_order_id": OuterRef("broker_order_id")}
    same = {name: OuterRef(name) for name in ("reference", "conid", "side")}
    numbered, named = ~Q(broker_order_id=""), ~Q(reference="")
    known = numbered & Q(Exists(Order.objects.filter(**here))) | named & Q(Exists(Order.objects.filter(**same)))
    works = numbered & Q(Exists(ForeignOrder.objects.filter(**here)))
    return Q(choice="") & ~(known | works)


# A fill and a reading that met so closely may be in either order.
MEETS = timedelta(seconds=5)
# What nobody looks for and no fill has explained by then was transferred, most likely.
EXPLAINED_WITHIN = timedelta(minutes=3)
# Orders of which it is not known whether they have filled.
LOOKED_FOR = [str(status) for status in (*IN_DOUBT, OrderStatus.PENDING_CANCEL)]


class UnexplainedChange(models.Model):
    """A change of what an account holds of a contract that the fills we know of do not explain.

    The row stands from the reading that first showed it until fills explain it, or until it is old and no order is looked
    for there: see `brokers/book/explained.py`.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="unexplained_changes")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="unexplained_changes", db_constraint=False
    )
    conid = models.BigIntegerField()
    # What IBKR's list called it then: a list that shows it no more names it no more.
    ticker = models.CharField(max_length=40, blank=True, default="", db_default="")
    asset_class = models.CharField(max_length=20, blank=True, default="", db_default="")
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    # What was held when the fills explained it last, and when IBKR was asked for that.
    before = amount()
    before_at = models.DateTimeField()
    # What a unit had cost then; null where IBKR named no average.
    average_before = optional_amount()
    # What they leave, negative where less is held; 0: a fill and a reading met, and the fill may be in either.
    quantity = amount()
    # When IBKR was asked for the reading that showed it first, and for the last one.
    since = models.DateTimeField()
    as_of = models.DateTimeField()

    class Meta:
        verbose_name = "change that no fill explains"
        verbose_name_plural = "changes that no fill explains"
        constraints = [
            models.UniqueConstraint(fields=["account", "conid"], name="one_unexplained_change_a_contract"),
            models.CheckConstraint(
                condition=Q(before_at__lte=F("as_of"), since__lte=F("as_of")), name="unexplained_change_has_its_times"
            ),
            same_team("account", "unexplainedchange"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():+f} of {self.conid}"


def change_by(order: Order) -> UnexplainedChange | None:
    """The change of a holding, first seen since the order was sent, that this order explains if it has filled."""
    if order.submitted_at is None:
        return None
    sign = Side(order.side).sign
    legs = legs_of(order.conid)
    signs = {order.conid: sign} if legs is None else {legs[0]: sign, legs[1]: -sign}
    rows = UnexplainedChange.objects.filter(account=order.account_id, conid__in=signs).exclude(quantity=0)
    changed = rows.filter(since__gte=order.submitted_at - MEETS).order_by("pk")
    return next((row for row in changed if row.quantity * signs[row.conid] > 0), None)
