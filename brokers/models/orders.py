"""Orders; how each moves is in `moves.orders`."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.contracts.combos import NAME as COMBO
from brokers.domain.orders import (
    AssetClass,
    Distance,
    DistanceIn,
    Instrument,
    MoveTo,
    OrderStatus,
    OrderType,
    Release,
    Role,
    Side,
    StopMove,
    TimeInForce,
)
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount, choices, optional_amount, word
from brokers.models.connections import Connection
from brokers.models.moves.orders import OrderManager
from brokers.models.options.columns import first_end, legs
from brokers.models.tickets import Ticket

# Said as few statements say it (`brokers.orders.statements`), so that no other index can serve those.
_ONLY_CREATED = Q(status__range=("created", "created"))
_ONLY_IN_DOUBT = Q(status__range=("needs_attention", "needs_attention")) | Q(status__range=("unknown", "unknown"))


class Order(models.Model):
    """One order at the broker, with our reference. `reference` is sent as IBKR's cOID and never reused."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="orders", db_index=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="orders", db_constraint=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="orders", db_constraint=False, db_index=False
    )
    # Copied from the account, so that a lane finds its orders by one index, without a join.
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="orders", db_constraint=False)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    # The order whose change left this one at IBKR as well, beside it; its reference is that one's there.
    second_of = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="seconds",
        db_constraint=False,
        db_index=False,
    )
    # When a person said that both are wanted.
    kept_both_at = models.DateTimeField(null=True, blank=True)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reference = models.CharField(max_length=64, unique=True)
    role = word(Role)
    release = word(Release, default=Release.AT_ONCE)
    ticker = models.CharField(max_length=40)
    asset_class = word(AssetClass)
    conid = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="USD")
    multiplier = amount(default=Decimal(1))
    side = word(Side)
    type = word(OrderType)
    time_in_force = word(TimeInForce, default=TimeInForce.DAY)
    quantity = amount()
    limit_price = optional_amount()
    stop_price = optional_amount()
    trail_amount = optional_amount()
    trail_percent = optional_amount()
    # When our row last took over the prices to which IBKR has moved a trailing stop limit.
    trail_moved_at = models.DateTimeField(null=True, blank=True)
    outside_rth = models.BooleanField(default=False)
    # Seconds it may work once the broker has it; None: until its time in force ends it.
    cancel_after = models.PositiveIntegerField(null=True, blank=True)
    # Seconds after which it becomes a market order, unfilled as it is; None: never.
    convert_after = models.PositiveIntegerField(null=True, blank=True)
    # Of a stop or a target that is counted again from its entry's fill: how far from it, and what that counts.
    distance = optional_amount()
    distance_in = models.CharField(max_length=10, choices=choices(DistanceIn), blank=True, default="", db_default="")
    # Of an entry: it has such legs; and the average price of its fills that they were last counted from.
    legs_from_fill = models.BooleanField(default=False, db_default=False)
    legs_counted_from = optional_amount()
    # Of an entry for an advisor's group: the legs that each of its accounts is to have, and which got theirs for how much
    # (`brokers.orders.fills.account_legs`); and when to look whether some lack them, null where none does.
    legs_by_account = models.JSONField(null=True, blank=True)
    legs_look_at = models.DateTimeField(null=True, blank=True)
    # Of a stop or a target that an account of such a group got: the group's entry; and of a target, which of the entry's it is,
    # the nearest being 1. Its index is partial, below; the constraint `same_team` checks it.
    group_entry = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="account_legs",
        db_constraint=False,
        db_index=False,
    )
    rung = models.PositiveSmallIntegerField(null=True, blank=True)
    # When Halyard cancels it, if its time in force is "gtd"; IBKR has it until canceled.
    good_till = models.DateTimeField(null=True, blank=True)
    # When that is asked for again, where IBKR has refused it.
    cancel_again_at = models.DateTimeField(null=True, blank=True)
    # Of a stop that moves once so many targets of its entry have filled, and of those targets: where to, how far, and when
    # that was asked for.
    moves_after = models.PositiveSmallIntegerField(null=True, blank=True)
    moves_to = models.CharField(max_length=13, choices=choices(MoveTo), blank=True, default="", db_default="")
    moves_by = optional_amount()
    moved_by_rule_at = models.DateTimeField(null=True, blank=True)
    # Of such a leg that was placed instead of another: the reference of the first, beside whose targets it counts.
    moves_with = models.CharField(max_length=64, blank=True, default="", db_default="")
    # The smaller quantity it is to have, and since when; null: nobody wants it to change.
    resize_to = optional_amount()
    resize_asked_at = models.DateTimeField(null=True, blank=True)
    # IBKR has refused to make it smaller: it is replaced instead.
    keeps_its_size = models.BooleanField(default=False)
    fa_group = models.CharField(max_length=64, blank=True)
    fa_method = models.CharField(max_length=32, blank=True)
    # It leaves only after IBKR's preview of it; no more once that let it go.
    asks_first = models.BooleanField(default=False, db_default=False)
    signal_price = optional_amount()
    estimated_fee = optional_amount()
    status = word(OrderStatus, default=OrderStatus.CREATED)
    filled_quantity = amount(default=Decimal(0))
    average_price = optional_amount()
    broker_order_id = models.CharField(max_length=32, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    # Names the reason and never changes; "" where there is none, or none with a name.
    reason_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    # Why IBKR keeps it back while it may still fill (shares are located, it waits for its time); "" where it does not.
    held_reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    filled_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    # When reconciliation last asked about an order whose answer was lost, and how often the broker did not show it.
    checked_at = models.DateTimeField(null=True, blank=True)
    absences = models.PositiveSmallIntegerField(default=0)
    # Since when IBKR's list of orders has been empty, as it may be after hours, while this order was to be in it.
    unlisted_since = models.DateTimeField(null=True, blank=True)

    # What IBKR was asked about it before it left; set by `before_entries.with_previews`.
    asked_first: list[dict[str, Any]]

    objects: ClassVar[OrderManager[Order]] = OrderManager()

    class Meta:
        constraints = [
            one_id_per_team("order"),
            same_team("ticket", "order"),
            same_team("account", "order"),
            same_team("connection", "order"),
            same_team("second_of", "order"),
            same_team("group_entry", "order"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0) & Q(filled_quantity__lte=F("quantity")),
                name="order_never_overfilled",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["limit", "stop_limit", "limit_if_touched", "trailing_stop_limit"])
                | Q(limit_price__isnull=False),
                name="order_limit_price_when_limit",
            ),
            models.CheckConstraint(
                condition=~Q(
                    type__in=["stop", "stop_limit", "market_if_touched", "limit_if_touched", "trailing_stop_limit"]
                )
                | Q(stop_price__isnull=False),
                name="order_stop_price_when_stop",
            ),
            models.CheckConstraint(
                condition=~Q(type="market_if_touched") | Q(limit_price__isnull=True),
                name="order_if_touched_at_market_has_no_limit",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["market_if_touched", "limit_if_touched"])
                | Q(trail_amount__isnull=True, trail_percent__isnull=True),
                name="order_if_touched_does_not_trail",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["trailing_stop", "trailing_stop_limit"])
                | Q(trail_amount__isnull=False, trail_percent__isnull=True)
                | Q(trail_amount__isnull=True, trail_percent__isnull=False),
                name="order_that_trails_has_one_distance",
            ),
            models.CheckConstraint(
                condition=~Q(type="midprice")
                | Q(stop_price__isnull=True, trail_amount__isnull=True, trail_percent__isnull=True),
                name="order_at_midprice_has_no_stop",
            ),
            models.CheckConstraint(
                condition=Q(time_in_force="gtd", good_till__isnull=False)
                | ~Q(time_in_force="gtd") & Q(good_till__isnull=True),
                name="order_good_till_date_has_its_end",
            ),
            models.CheckConstraint(
                condition=Q(good_till__isnull=True) | Q(expires_at__lte=F("good_till")),
                name="order_leaves_before_its_end",
            ),
            models.CheckConstraint(
                condition=Q(fa_group="", fa_method="") | (~Q(fa_group="") & ~Q(fa_method="")),
                name="order_allocation_has_group_and_method_or_neither",
            ),
            models.CheckConstraint(
                condition=Q(release="at_once") | Q(parent__isnull=False), name="order_that_waits_for_a_parent_has_one"
            ),
            models.CheckConstraint(
                condition=~Q(status="filled") | Q(filled_quantity=F("quantity")), name="filled_order_is_filled_whole"
            ),
            models.CheckConstraint(
                condition=Q(resize_to__isnull=True, resize_asked_at__isnull=True)
                | Q(resize_asked_at__isnull=False, resize_to__gt=0, resize_to__lt=F("quantity")),
                name="order_that_is_to_change_is_to_be_smaller",
            ),
            models.CheckConstraint(
                condition=Q(second_of=None, kept_both_at=None) | Q(second_of__isnull=False) & ~Q(broker_order_id=""),
                name="second_order_has_its_number",
            ),
            models.UniqueConstraint(
                fields=["account", "broker_order_id"],
                condition=Q(second_of__isnull=False),
                name="one_second_order_a_number",
            ),
            # A combo is a number below zero, made of those of its legs: IBKR takes it at the market or at a limit alone.
            models.CheckConstraint(
                condition=Q(conid__gte=0) & ~Q(asset_class="option", ticker__regex=COMBO)
                | Q(
                    conid__lt=0,
                    asset_class="option",
                    ticker__regex=COMBO,
                    role__in=["entry", "exit"],
                    type__in=["market", "limit"],
                    time_in_force__in=["day", "gtc", "gtd"],
                    release__in=["at_once", "after_parent_fills"],
                    outside_rth=False,
                    fa_group="",
                ),
                name="order_of_a_combo_is_one_that_ibkr_takes",
            ),
            # A way out, a stop or a target never waits for a preview.
            models.CheckConstraint(condition=Q(asks_first=False) | Q(role="entry"), name="only_an_entry_asks_first"),
            models.CheckConstraint(
                condition=Q(distance=None, distance_in="")
                | Q(
                    distance__isnull=False,
                    distance__gt=0,
                    distance_in__in=sorted(DistanceIn),
                    role__in=["stop_loss", "take_profit"],
                ),
                name="only_a_leg_is_counted_from_a_fill",
            ),
            models.CheckConstraint(
                condition=Q(moves_after=None, moves_to="", moves_by=None, moved_by_rule_at=None, moves_with="")
                | Q(
                    role__in=["stop_loss", "take_profit"],
                    moves_after__isnull=False,
                    moves_after__gt=0,
                    moves_to__in=sorted(MoveTo),
                    moves_by__isnull=False,
                    moves_by__gte=0,
                ),
                name="only_a_leg_has_a_rule_of_moving",
            ),
            models.CheckConstraint(
                condition=Q(legs_from_fill=False, legs_counted_from=None) | Q(legs_from_fill=True, role="entry"),
                name="only_an_entry_has_legs_from_its_fill",
            ),
            models.CheckConstraint(
                condition=Q(legs_by_account__isnull=True, legs_look_at=None)
                | Q(legs_by_account__isnull=False, role="entry") & ~Q(fa_group=""),
                name="only_an_entry_for_a_group_has_legs_by_account",
            ),
            models.CheckConstraint(condition=~Q(release="by_account"), name="legs_by_account_are_no_orders"),
            models.CheckConstraint(
                condition=Q(group_entry=None, rung=None)
                | Q(group_entry__isnull=False, role="stop_loss", rung=None)
                | Q(group_entry__isnull=False, role="take_profit") & (Q(rung=None) | Q(rung__gt=0)),
                name="only_a_leg_of_an_account_has_a_groups_entry",
            ),
            models.CheckConstraint(condition=one_of("status", OrderStatus), name="order_status_is_known"),
            models.CheckConstraint(condition=one_of("side", Side), name="order_side_is_known"),
            models.CheckConstraint(condition=one_of("type", OrderType), name="order_type_is_known"),
        ]
        indexes = [
            # The unique (team, id) serves the lists; these serve their filters, also for what hardly occurs.
            models.Index(fields=["team", "ticker", "id"], name="orders_of_a_ticker"),
            models.Index(fields=["team", "status", "id"], name="orders_by_status"),
            models.Index(
                fields=["account", "conid"],
                condition=Q(
                    status__in=[
                        "created",
                        "submitted",
                        "unknown",
                        "needs_attention",
                        "accepted",
                        "partially_filled",
                        "pending_cancel",
                    ]
                ),
                name="orders_that_may_still_fill",
            ),
            models.Index(fields=["account", "conid", "id"], name="orders_of_a_position"),
            models.Index(
                F("account"), first_end(F("ticker")), condition=Q(conid__lt=0), name="combos_by_their_first_end"
            ),
            *(
                models.Index(F("account"), leg, condition=Q(conid__lt=0), name=f"combos_by_their_{name}_leg")
                for name, leg in zip(("long", "short"), legs(F("conid")), strict=True)
            ),
            models.Index(fields=["account", "id"], name="orders_of_an_account"),
            # Orders are made in the order of their moments: a few kilobytes tell which pages hold the last days.
            BrinIndex(fields=["created_at"], pages_per_range=16, autosummarize=True, name="orders_of_late"),
            models.Index(fields=["team", "changed_at"], condition=Q(status="rejected"), name="orders_rejected_of_late"),
            models.Index(fields=["account", "broker_order_id"], name="orders_by_broker_id"),
            models.Index(fields=["account", "filled_at"], condition=Q(status="filled"), name="orders_filled_of_late"),
            models.Index(fields=["expires_at"], condition=Q(status="created"), name="orders_by_time_to_leave"),
            models.Index(
                fields=["connection", "ticket", "id"], condition=Q(status="created"), name="orders_waiting_to_leave"
            ),
            # One line for each role and contract of an account, of what leaves by itself.
            models.Index(
                fields=["connection", "role", "account", "conid", "ticket", "id"],
                condition=_ONLY_CREATED & Q(asks_first=False, release__in=["at_once", "after_parent_fills"]),
                name="orders_in_line",
            ),
            models.Index(
                fields=["connection", "ticket", "id"],
                condition=_ONLY_CREATED & Q(asks_first=True),
                name="orders_that_ask_first",
            ),
            models.Index(
                fields=["connection"], condition=Q(legs_look_at__isnull=False), name="entries_whose_accounts_wait"
            ),
            models.Index(fields=["account", "conid"], condition=_ONLY_IN_DOUBT, name="orders_in_doubt"),
            models.Index(
                fields=["account", "conid"],
                condition=Q(role="stop_loss") & ~Q(status__in=["filled", "canceled", "expired", "rejected", "denied"]),
                name="stops_that_are_not_over",
            ),
            models.Index(
                fields=["connection"],
                condition=Q(status__in=["submitted", "unknown", "pending_cancel"]),
                name="orders_whose_answer_is_open",
            ),
            models.Index(
                fields=["connection"],
                condition=Q(status__in=["accepted", "partially_filled"], convert_after__isnull=False)
                & ~Q(type="market"),
                name="orders_to_convert",
            ),
            models.Index(
                fields=["good_till"],
                condition=Q(status__in=["accepted", "partially_filled"], good_till__isnull=False),
                name="orders_by_their_end",
            ),
            models.Index(fields=["connection"], condition=Q(resize_to__isnull=False), name="orders_to_resize"),
            models.Index(
                fields=["ticket"],
                condition=Q(
                    role="stop_loss",
                    moves_after__isnull=False,
                    moved_by_rule_at=None,
                    status__in=["accepted", "partially_filled"],
                ),
                name="stops_that_move_by_rule",
            ),
            models.Index(
                fields=["group_entry", "account"], condition=Q(group_entry__isnull=False), name="legs_of_groups_entries"
            ),
            models.Index(fields=["moves_with"], condition=~Q(moves_with=""), name="legs_instead_of_others"),
            models.Index(
                fields=["changed_at"],
                condition=Q(role="entry", status__in=["rejected", "denied", "expired"]),
                name="entries_refused_of_late",
            ),
            models.Index(
                fields=["connection"],
                condition=Q(legs_from_fill=True, legs_counted_from=None, filled_quantity__gt=0),
                name="entries_whose_legs_wait",
            ),
            models.Index(fields=["second_of"], condition=Q(second_of__isnull=False), name="orders_beside_another"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity.normalize():f} {self.ticker} ({self.status})"

    @property
    def from_fill(self) -> Distance | None:
        """How far from its entry's fill it is to stand; None where its price is its own."""
        if self.distance is None:
            return None
        return Distance(value=self.distance, counts=DistanceIn(self.distance_in))

    @property
    def move(self) -> StopMove | None:
        """What becomes of a stop once targets of its entry have filled; None where it stays."""
        if self.moves_after is None or self.moves_by is None:
            return None
        return StopMove(after=self.moves_after, to=MoveTo(self.moves_to), by=self.moves_by, instead_of=self.moves_with)

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled_quantity

    @property
    def instrument(self) -> Instrument:
        return Instrument(ticker=self.ticker, asset_class=AssetClass(self.asset_class))
