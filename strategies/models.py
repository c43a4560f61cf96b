"""The rows of trading: strategies, webhooks, signals, subscriptions, guards, decisions."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.constraints import one_id_per_team, one_of, same_team
from accounts.models import Team, User
from brokers.models import BrokerageAccount, Ticket, optional_amount, word
from strategies.domain.decide.guards import Halt
from strategies.domain.message.freshness import Freshness
from strategies.domain.message.symbols import Kind
from strategies.domain.plan.plan import Terms

# How the keys of signals sent by hand begin.
SENT_BY_HAND = "id:test-"


class Strategy(models.Model):
    """A named source of signals of one team."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="strategies")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    asset_class = word(Kind, default=Kind.STOCK)
    allowed_tickers = models.JSONField(default=list, blank=True)
    enabled = models.BooleanField(default=True)
    # Whether its team was closed: here, so that the webhook sees it without another table.
    team_closed = models.BooleanField(default=False, db_default=False, editable=False)
    # The same body without a `time` again within these seconds is a repeated delivery, not a new signal.
    repeat_window_seconds = models.PositiveIntegerField(default=30)
    # How old a signal may be by its own `time` to open a position, or to leave one.
    entry_stale_seconds = models.PositiveIntegerField(default=60)
    exit_stale_seconds = models.PositiveIntegerField(default=600)
    # Who may send: nothing here means anybody who has the URL.
    tradingview_only = models.BooleanField(default=False)
    allowed_addresses = models.JSONField(default=list, blank=True)
    signature_required = models.BooleanField(default=False)
    # Deliveries that each webhook URL takes; exits and cancels have a third of it to themselves.
    per_minute = models.PositiveIntegerField(default=60)
    per_hour = models.PositiveIntegerField(default=500)
    # How long bodies, headers and addresses are kept; None: as long as the installation says.
    keep_days = models.PositiveIntegerField(null=True, blank=True)
    # What a new subscription starts with, as terms; None: what Halyard starts with. Linked ones follow every change.
    defaults = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "strategy"
        verbose_name_plural = "strategies"
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="one_strategy_per_team_and_name"),
            models.CheckConstraint(condition=one_of("asset_class", Kind), name="strategy_asset_class_is_known"),
            models.CheckConstraint(
                condition=Q(per_minute__gt=0, per_hour__gt=0), name="strategy_takes_some_deliveries"
            ),
            one_id_per_team("strategy"),
        ]

    def __str__(self) -> str:
        return self.name

    def freshness(self) -> Freshness:
        """How old a signal may be by its own time, in seconds."""
        return Freshness(entry_seconds=self.entry_stale_seconds, exit_seconds=self.exit_stale_seconds)


class WebhookEndpoint(models.Model):
    """A secret URL of a strategy. Its password is derived from `code` and a server key, and stored nowhere."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="endpoints")
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="endpoints", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "webhook URL"
        verbose_name_plural = "webhook URLs"
        constraints = [one_id_per_team("endpoint"), same_team("strategy", "endpoint")]

    def __str__(self) -> str:
        return f"webhook {self.code}"


class WebhookMinute(models.Model):
    """What one webhook URL was sent within one minute: the meter that limits it, and its last use."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="minutes", db_index=False)
    minute = models.DateTimeField()
    taken = models.PositiveIntegerField(default=0)
    exits = models.PositiveIntegerField(default=0)
    # Of those taken: refused for what they said, and refused because of the limit.
    refused = models.PositiveIntegerField(default=0)
    over = models.PositiveIntegerField(default=0)
    # Deliveries with a wrong password count for nothing but this: a stranger must not use up the owner's limit.
    strangers = models.PositiveIntegerField(default=0)
    old_key = models.PositiveIntegerField(default=0)
    # The sums of the minute and of the hour before this minute, written when it begins.
    taken_minute_before = models.PositiveIntegerField(default=0)
    taken_hour_before = models.PositiveIntegerField(default=0)
    exits_minute_before = models.PositiveIntegerField(default=0)
    exits_hour_before = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = "minute of a webhook URL"
        verbose_name_plural = "minutes of webhook URLs"
        constraints = [models.UniqueConstraint(fields=["endpoint", "minute"], name="one_meter_per_endpoint_and_minute")]

    def __str__(self) -> str:
        return f"{self.taken} at {self.minute:%Y-%m-%d %H:%M}"


class Subscription(models.Model):
    """A strategy followed by one brokerage account, on terms."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="subscriptions")
    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="subscriptions", db_constraint=False)
    account = models.ForeignKey(
        BrokerageAccount, on_delete=models.PROTECT, related_name="subscriptions", db_constraint=False
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
            models.UniqueConstraint(fields=["strategy", "account"], name="one_subscription_per_strategy_and_account"),
            models.CheckConstraint(
                condition=Q(enabled=False) | Q(terms__isnull=False), name="enabled_subscription_has_terms"
            ),
            one_id_per_team("subscription"),
            same_team("strategy", "subscription"),
            same_team("account", "subscription"),
        ]

    def __str__(self) -> str:
        return f"subscription {self.code}"


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


class Signal(models.Model):
    """One accepted webhook message. The undispatched signal is the queue."""

    # Few indexes: each is paid for by every signal. The unique (team, id) serves the lists, newest first.
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="signals", db_index=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="signals", db_constraint=False, db_index=False
    )
    # Copied from the endpoint: lists and filters ask by strategy.
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="signals", db_constraint=False)
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    log_code = models.UUIDField(default=uuid.uuid4)
    key = models.CharField(max_length=140)
    body = models.TextField()
    reading = models.JSONField()
    warnings = models.JSONField(default=list)
    address = models.GenericIPAddressField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    # Copied from the reading: lists, filters and the order of signals ask for them.
    ticker = models.CharField(max_length=60)
    action = models.CharField(max_length=10)
    signal_time = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    stored_at = models.DateTimeField(default=timezone.now)
    # `delay`: it is handed out no earlier.
    not_before = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    duplicates = models.PositiveIntegerField(default=0)
    # `test`: everything is planned and nothing is sent.
    is_test = models.BooleanField(default=False)
    # Why nothing will happen although it was taken: a code such as `stale-signal`, and its sentence.
    set_aside = models.CharField(max_length=60, blank=True)
    note = models.CharField(max_length=300, blank=True)
    # When body, headers and address were let go.
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            one_id_per_team("signal"),
            same_team("endpoint", "signal"),
            same_team("strategy", "signal"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(dispatched_at__isnull=True), name="signals_waiting"),
            models.Index(fields=["team", "ticker", "-id"], name="signals_of_a_ticker"),
            models.Index(
                fields=["strategy", "ticker", "-signal_time"],
                condition=Q(signal_time__isnull=False, set_aside=""),
                name="signals_by_their_own_time",
            ),
        ]

    def __str__(self) -> str:
        return f"signal {self.code}"

    @property
    def due_at(self) -> datetime:
        """The moment a signal's life is counted from: when it came, or when its delay was over."""
        return self.not_before or self.received_at

    def freshness(self) -> Freshness | None:
        """How old the signal may be by its own time; None for one that was sent by hand or delayed on purpose."""
        if (
            (self.signal_time is None and not self.reading.get("unreadable_time"))
            or self.key.startswith(SENT_BY_HAND)
            or self.not_before is not None
        ):
            return None
        return self.strategy.freshness()


class SeenKey(models.Model):
    """Which signal a key belongs to, until the key expires: what makes a repeated delivery a repeat.

    By strategy: while a webhook is being rotated, one signal may come through both URLs.

    A table of its own, since "the same body within 30 seconds" is a rule with an end, which a unique constraint on
    Signal could not have: ON CONFLICT takes an expired row over, and two deliveries at once are decided by its row lock.
    """

    strategy = models.ForeignKey(
        Strategy, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    key = models.CharField(max_length=140)
    signal_code = models.UUIDField()
    log_code = models.UUIDField()
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "key of a delivery"
        verbose_name_plural = "keys of deliveries"
        constraints = [models.UniqueConstraint(fields=["strategy", "key"], name="one_signal_per_strategy_and_key")]

    def __str__(self) -> str:
        return f"{self.key} until {self.expires_at:%Y-%m-%d %H:%M:%S}"


class Repeat(models.Model):
    """A delivery of a signal that we had already: answered with the first one's id, and trading nothing."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="repeats")
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="repeats", db_constraint=False)
    log_code = models.UUIDField(unique=True)
    address = models.GenericIPAddressField(null=True)
    headers = models.JSONField(default=dict)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "repeated delivery"
        verbose_name_plural = "repeated deliveries"
        constraints = [same_team("signal", "repeat")]

    def __str__(self) -> str:
        return f"repeat of {self.signal_id}"


class Refusal(models.Model):
    """A delivery that did not become a signal, and why: the sender sees a code, the owner sees this row."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="refusals")
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.PROTECT, related_name="refusals", db_constraint=False
    )
    log_code = models.UUIDField(default=uuid.uuid4, unique=True)
    status = models.PositiveSmallIntegerField()
    message_code = models.CharField(max_length=60)
    sentence = models.CharField(max_length=400)
    field = models.CharField(max_length=60, blank=True)
    # What was sent (of a stranger the first part only); never the password, which is in the URL and not kept.
    body = models.TextField(blank=True)
    content_type = models.CharField(max_length=100, blank=True)
    headers = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "refused delivery"
        verbose_name_plural = "refused deliveries"
        constraints = [same_team("endpoint", "refusal")]
        indexes = [models.Index(fields=["team", "-id"], name="refusals_newest_first")]

    def __str__(self) -> str:
        return f"{self.status} {self.message_code}"


class Decision(models.Model):
    """What one subscription made of one signal. `inputs` makes it replayable: same values in, same answer out."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PROPOSED = "proposed", "Proposed"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Rejected"
        # A test: what would have been ordered stands in `plan`, and nothing was.
        REHEARSED = "rehearsed", "Dry run"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="decisions", db_index=False)
    signal = models.ForeignKey(
        Signal, on_delete=models.PROTECT, related_name="decisions", db_constraint=False, db_index=False
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="decisions", db_constraint=False, db_index=False
    )
    ticket = models.OneToOneField(
        Ticket, null=True, blank=True, on_delete=models.PROTECT, related_name="decision", db_constraint=False
    )
    terms = models.ForeignKey(TermsVersion, on_delete=models.PROTECT, related_name="decisions")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Above one: taken again, since what the plan before it was to cancel had filled.
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    rule = models.CharField(max_length=20, blank=True)
    reason_code = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    # While pending: what it waits for, so that a stuck decision explains itself.
    waiting_for = models.CharField(max_length=200, blank=True)
    inputs = models.JSONField(null=True, blank=True)
    plan = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    # While proposed: until when it can be approved. Then: who answered, and when; nobody where it expired.
    expires_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["signal", "subscription", "attempt"], name="one_decision_per_signal_subscription_and_attempt"
            ),
            models.CheckConstraint(
                condition=Q(status="accepted", ticket__isnull=False) | (~Q(status="accepted") & Q(ticket__isnull=True)),
                name="accepted_decision_has_a_ticket_and_no_other_has",
            ),
            models.CheckConstraint(
                condition=Q(status="pending", decided_at__isnull=True)
                | (~Q(status="pending") & Q(decided_at__isnull=False)),
                name="decided_decision_has_its_moment",
            ),
            models.CheckConstraint(
                condition=~Q(status="proposed") | Q(expires_at__isnull=False, plan__isnull=False),
                name="proposed_decision_has_a_plan_and_an_end",
            ),
            one_id_per_team("decision"),
            same_team("signal", "decision"),
            same_team("subscription", "decision"),
            same_team("ticket", "decision"),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(status="pending"), name="decisions_pending"),
            models.Index(fields=["expires_at"], condition=Q(status="proposed"), name="decisions_proposed"),
            # How many entries a day has seen: a subscription's history grows, its day does not.
            models.Index(fields=["subscription", "decided_at"], name="decisions_by_their_moment"),
            # Those that asked somebody, newest first: the lower half of the inbox.
            models.Index(
                fields=["team", "-decided_at"], condition=Q(expires_at__isnull=False), name="decisions_that_asked"
            ),
        ]

    def __str__(self) -> str:
        return f"decision {self.code} ({self.status})"


class Approval(models.Model):
    """One person's approval of a proposed decision: who, when, from where, and of how much."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="approvals")
    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="approvals", db_constraint=False)
    approved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Their address, kept as text: it is still known when they have gone.
    name = models.CharField(max_length=254)
    approved_at = models.DateTimeField()
    # None: the whole plan.
    quantity = optional_amount()
    address = models.GenericIPAddressField(null=True)
    # When the plan became another one: what was approved before it counts no more.
    voided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "approved_by"],
                condition=Q(voided_at__isnull=True),
                name="one_approval_per_decision_and_person",
            ),
            models.CheckConstraint(
                condition=Q(quantity=None) | Q(quantity__gt=0), name="approved_quantity_is_positive"
            ),
            same_team("decision", "approval"),
        ]

    def __str__(self) -> str:
        return f"approval of decision {self.decision_id} by {self.name}"
