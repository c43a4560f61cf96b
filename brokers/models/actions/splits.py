"""Splits and other changes of a holding by the company: what was held before, what after, and what is known of the ratio."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team
from brokers.domain.actions.reading import Held, Ratio, State
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount, optional_amount, word
from brokers.models.orders import Order


class CorporateAction(models.Model):
    """A holding that has changed by a split or under another contract number, with no fill that explains it.

    One row for each time that it was seen: it is written in the transaction that replaces our copy
    of the positions, so that what follows from it happens once.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="corporate_actions")
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="corporate_actions", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    ticker = models.CharField(max_length=40)
    # The name it had before: of an option another one, as its strike or its class changes; empty where it had this one.
    ticker_before = models.CharField(max_length=40, blank=True, default="", db_default="")
    # The contract's number before it and since; the same where it stayed.
    conid_before = models.BigIntegerField()
    conid = models.BigIntegerField()
    quantity_before = amount()
    quantity = amount()
    # Prices per unit; null where IBKR named none.
    average_before = optional_amount()
    average = optional_amount()
    # So many new shares for so many old ones; null while nobody knows, and where it was no split.
    new = models.PositiveIntegerField(null=True, blank=True)
    old = models.PositiveIntegerField(null=True, blank=True)
    # What of a share was paid in cash.
    fraction = amount(default=Decimal(0))
    # When IBKR was asked for the reading before it, and for the one that showed it; and what is no later was before it.
    before_at = models.DateTimeField()
    split_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    state = word(State)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey("accounts.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name = "corporate action"
        verbose_name_plural = "corporate actions"
        constraints = [
            one_id_per_team("corporateaction"),
            same_team("account", "corporateaction"),
            models.CheckConstraint(condition=one_of("state", State), name="corporate_action_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state__in=["asked", "none"])
                & Q(new__isnull=False, old__isnull=False, new__gt=0, old__gt=0)
                | ~Q(state__in=["known", "said"]) & Q(new=None, old=None),
                name="corporate_action_has_its_ratio_once_it_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["said", "none"]) & Q(decided_at=None)
                | ~Q(state__in=["known", "asked"]) & Q(decided_at__isnull=False),
                name="corporate_action_has_the_moment_of_its_answer",
            ),
            models.CheckConstraint(
                condition=Q(before_at__lte=F("split_at"), split_at__lte=F("seen_at")),
                name="corporate_action_has_its_times",
            ),
            models.CheckConstraint(
                condition=~Q(quantity=0) & ~Q(quantity_before=0), name="corporate_action_is_of_something"
            ),
            models.UniqueConstraint(
                fields=["account", "conid"], condition=Q(state="asked"), name="one_open_question_of_a_holding"
            ),
            models.UniqueConstraint(
                fields=["account", "conid_before", "before_at"], name="one_corporate_action_of_a_reading"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "conid", "-id"], name="corporate_actions_of_a_holding"),
            models.Index(fields=["account", "-id"], condition=~Q(ticker_before=""), name="renamings_of_an_account"),
        ]

    def __str__(self) -> str:
        ratio = f"{self.new} for {self.old}" if self.new else self.state
        return f"{self.ticker} in {self.account_id}: {ratio}"

    @property
    def ratio(self) -> Ratio | None:
        return None if self.new is None or self.old is None else Ratio(new=self.new, old=self.old)

    @property
    def is_other_contract(self) -> bool:
        """Whether what is held bears another number or another name than before."""
        return self.conid != self.conid_before or bool(self.ticker_before)

    @property
    def before(self) -> Held:
        return Held(quantity=self.quantity_before, average=self.average_before)

    @property
    def after(self) -> Held:
        return Held(quantity=self.quantity, average=self.average)


class Rescaling(models.Model):
    """An order of ours whose size and prices were changed with a split, by us or by IBKR: once for each of both."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="rescalings")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="rescalings", db_constraint=False)
    # Null while IBKR's list of positions has not shown the split yet.
    action = models.ForeignKey(
        CorporateAction,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="rescalings",
        db_constraint=False,
    )
    new = models.PositiveIntegerField()
    old = models.PositiveIntegerField()
    quantity_before = amount()
    limit_before = optional_amount()
    stop_before = optional_amount()
    at = models.DateTimeField()

    class Meta:
        verbose_name = "order changed with a split"
        verbose_name_plural = "orders changed with splits"
        constraints = [
            same_team("order", "rescaling"),
            same_team("action", "rescaling"),
            models.UniqueConstraint(fields=["order", "action"], name="one_rescaling_per_order_and_split"),
            models.CheckConstraint(condition=Q(new__gt=0, old__gt=0), name="rescaling_is_by_a_ratio"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.new} for {self.old}"

    @property
    def ratio(self) -> Ratio:
        return Ratio(new=self.new, old=self.old)

    @classmethod
    def keep(cls, order: Order, action: CorporateAction | None, ratio: Ratio, at: datetime) -> None:
        """Write down what an order was before a split changes it."""
        cls.objects.create(
            team_id=order.team_id,
            order=order,
            action=action,
            new=ratio.new,
            old=ratio.old,
            quantity_before=order.quantity,
            limit_before=order.limit_price,
            stop_before=order.stop_price,
            at=at,
        )
