"""Which account follows which strategy, by what terms, within what limits."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.constraints import CarriedBy, one_id_per_team, one_of, same_team
from accounts.models import Team, User
from brokers.models import AccountGroup, BrokerageAccount, optional_amount, word
from strategies.domain.decide.guards import Halt
from strategies.domain.plan.plan import Terms
from strategies.models.strategies import Strategy


class Subscription(models.Model):
    """A strategy followed by one brokerage account, on terms."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="subscriptions")
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="subscriptions", db_constraint=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="subscriptions", db_constraint=False
    )
    # The advisor's group that it trades for; then `account` is the advisor's own, which carries the group's orders.
    group = models.ForeignKey(
        AccountGroup,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        db_constraint=False,
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    enabled = models.BooleanField(default=False)
    # Its terms are the strategy's defaults, today's and tomorrow's.
    linked = models.BooleanField(default=False)
    # Who last switched it on, and who last linked or unlinked it: they set it up as much as who wrote its terms.
    enabled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    linked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    terms = models.ForeignKey("TermsVersion", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["strategy", "account", "group"],
                nulls_distinct=False,
                name="one_subscription_per_strategy_and_account",
            ),
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(terms__isnull=False), name="enabled_subscription_has_terms"
            ),
            one_id_per_team("subscription"),
            same_team("strategy", "subscription"),
            same_team("account", "subscription"),
            # A group and any other account than the one that carries it exclude each other.
            CarriedBy(field="group", carrier="account", name="subscription_of_a_group_has_the_account_that_carries_it"),
        ]

    def __str__(self) -> str:
        return f"subscription {self.code}"

    @property
    def trades_for(self) -> str:
        """The account, or the group with the account that carries it, as people name it."""
        return self.account.account_id if self.group is None else f"{self.group.name} ({self.account.account_id})"


class TermsVersion(models.Model):
    """Immutable: the terms of a subscription from the moment they were set."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="terms_versions")
    number = models.PositiveIntegerField()
    values = models.JSONField()
    set_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "version of terms"
        verbose_name_plural = "versions of terms"
        constraints = [models.UniqueConstraint(fields=["subscription", "number"], name="one_terms_version_per_number")]

    def __str__(self) -> str:
        return f"terms {self.number} of subscription {self.subscription_id}"

    def value(self) -> Terms:
        return self._value

    @cached_property
    def _value(self) -> Terms:
        # A version never changes, and a decision asks for it more than once.
        return Terms.from_json(self.values)


class Guard(models.Model):
    """Limits, and a stop by hand, of a team, an account, a strategy or a subscription; the tightest of them holds."""

    class Level(models.TextChoices):
        TEAM = "team", "Team"
        ACCOUNT = "account", "Account"
        STRATEGY = "strategy", "Strategy"
        SUBSCRIPTION = "subscription", "Subscription"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="guards")
    level = models.CharField(max_length=12, choices=Level.choices)
    account = models.ForeignKey(
        BrokerageAccount, null=True, blank=True, on_delete=models.CASCADE, related_name="guards", db_constraint=False
    )
    strategy = models.ForeignKey(
        Strategy, null=True, blank=True, on_delete=models.CASCADE, related_name="guards", db_constraint=False
    )
    subscription = models.ForeignKey(
        Subscription, null=True, blank=True, on_delete=models.CASCADE, related_name="guards", db_constraint=False
    )
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    halt = word(Halt, default=Halt.NOTHING)
    halt_reason = models.CharField(max_length=200, blank=True)
    halted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    halted_at = models.DateTimeField(null=True, blank=True)
    # No entry until then; set by a person, or by Halyard when a day's limit was reached (then nobody's name is on it).
    lockout_until = models.DateTimeField(null=True, blank=True)
    lockout_reason = models.CharField(max_length=200, blank=True)
    locked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    locked_at = models.DateTimeField(null=True, blank=True)
    # Tickers in which no position may be opened.
    restricted = models.JSONField(default=list, blank=True)
    max_quantity = optional_amount()
    max_amount = optional_amount()
    max_position = optional_amount()
    max_position_amount = optional_amount()
    max_trades_per_day = models.PositiveIntegerField(null=True, blank=True)
    cooldown_seconds = models.PositiveIntegerField(null=True, blank=True)
    max_daily_loss = optional_amount()
    max_daily_profit = optional_amount()
    # From how many orders placed elsewhere on, whose money nobody counts, no position is opened.
    uncounted_from = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "account", "strategy", "subscription"],
                nulls_distinct=False,
                name="one_guard_per_level_and_what_it_guards",
            ),
            models.CheckConstraint(
                condition=Q(level="team", account=None, strategy=None, subscription=None)
                | Q(level="account", account__isnull=False, strategy=None, subscription=None)
                | Q(level="strategy", account=None, strategy__isnull=False, subscription=None)
                | Q(level="subscription", account=None, strategy=None, subscription__isnull=False),
                name="guard_guards_what_its_level_says",
            ),
            models.CheckConstraint(condition=one_of("halt", Halt), name="guard_halt_is_known"),
            models.CheckConstraint(
                condition=Q(halt="nothing", halted_at=None, halt_reason="")
                | (~Q(halt="nothing") & Q(halted_at__isnull=False) & ~Q(halt_reason="")),
                name="stopped_trading_has_a_reason_and_a_moment",
            ),
            models.CheckConstraint(
                condition=Q(lockout_until=None, locked_at=None, lockout_reason="")
                | (Q(lockout_until__isnull=False, locked_at__isnull=False) & ~Q(lockout_reason="")),
                name="lockout_has_a_reason_and_a_moment",
            ),
            models.CheckConstraint(
                condition=Q(level__in=["team", "account"]) | Q(max_daily_loss=None, max_daily_profit=None),
                name="only_accounts_and_teams_have_a_result_of_the_day",
            ),
            same_team("account", "guard"),
            same_team("strategy", "guard"),
            same_team("subscription", "guard"),
        ]

    def __str__(self) -> str:
        return f"guard of the {self.level}"
