"""Fills that have changed since trades were made of them, the rate of each fill in another currency than its account's, and what
was held before any fill was seen."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount
from brokers.models.records import Execution


class FillChange(models.Model):
    """In this contract of an account, fills are new, corrected, late or given to an order: the row that waits is the queue.

    Written by Postgres with each fill, in its transaction, as a row of its own, so that no fill waits for another and none is
    forgotten, whoever writes it. Whoever makes the contract's trades anew deletes what waits.
    """

    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    conid = models.BigIntegerField()
    # The moment of the fill, before and after a correction the earlier one: what is older has not changed.
    since = models.DateTimeField()
    # It waits until then, for an exchange rate; null: its turn is now.
    due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "change of fills"
        verbose_name_plural = "changes of fills"
        indexes = [models.Index(fields=["account", "conid"], name="fill_changes_of_a_contract")]

    def __str__(self) -> str:
        return f"contract {self.conid} since {self.since:%Y-%m-%d %H:%M:%S}"


class FillRate(models.Model):
    """What one unit of a fill's currency was in its account's, as IBKR said near its moment: written once, and kept."""

    execution = models.OneToOneField(Execution, on_delete=models.CASCADE, related_name="rate", db_constraint=False)
    target = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=24, decimal_places=10)
    as_of = models.DateTimeField()

    class Meta:
        verbose_name = "rate of a fill"
        verbose_name_plural = "rates of fills"
        constraints = [models.CheckConstraint(condition=Q(rate__gt=0), name="fill_rate_is_above_zero")]

    def __str__(self) -> str:
        return f"{self.rate.normalize():f} {self.target}"


class FirstHolding(models.Model):
    """What an account held of a contract when it was looked at first: written once. What is closed of it was never seen to be opened."""

    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    conid = models.BigIntegerField()
    # Signed; `at` is when IBKR was asked.
    quantity = amount()
    at = models.DateTimeField()

    class Meta:
        verbose_name = "holding of before"
        verbose_name_plural = "holdings of before"
        constraints = [
            models.UniqueConstraint(fields=["account", "conid"], name="one_first_holding_of_a_contract"),
            models.CheckConstraint(condition=~Q(quantity=0), name="first_holding_is_of_something"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} of {self.conid}"
