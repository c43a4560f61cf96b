"""Connections to the broker, and what happened to their sessions."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.constraints import one_id_per_team, one_of
from accounts.models import Team
from accounts.vault.fields import Sealed, SealedField
from brokers.domain.doubts.verdicts import Resend
from brokers.domain.sessions import AuthMethod, Cause, Environment, Ownership, Region, SessionStatus, SimulatedPrices
from brokers.models.columns import choices, word


class Connection(models.Model):
    """One IBKR user that works for us. IBKR allows one session per user; so do we, in the schema."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="connections")
    code = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=80)
    username = models.CharField(max_length=64)
    environment = word(Environment)
    auth_method = word(AuthMethod, default=AuthMethod.GATEWAY)
    # Empty for a simulated connection: the simulator's address is a setting of this installation.
    base_url = models.URLField(blank=True, max_length=300)
    secrets = SealedField(blank=True, default=Sealed)
    # Of a connection that signs with keys of its own: both keys, the prime, the access token and its secret.
    signing_keys = SealedField(null=True, blank=True, default=Sealed)
    region = word(Region, default=Region.NORTH_AMERICA)
    # Where IBKR itself says that it serves this user; empty until it does, and then it counts.
    region_seen = models.CharField(max_length=20, choices=choices(Region), blank=True, default="", db_default="")
    # When somebody last signed in, as IBKR says; None where it does not.
    signed_in_at = models.DateTimeField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    # The account that real money was switched on for, as it was typed; empty where no money moves.
    live_account = models.CharField(max_length=32, blank=True, default="", db_default="")
    # Whether IBKR's questions about the size and the price of a way out are answered with yes.
    confirms_exits = models.BooleanField(default=False, db_default=False)
    # Whether IBKR is told not to ask what the team always answers with yes, and when it has to be told next.
    suppresses_questions = models.BooleanField(default=False, db_default=False)
    suppression_wanted_at = models.DateTimeField(null=True, blank=True)
    # Of a simulated connection: whether its orders meet the market's own prices or those of their signals.
    prices = models.CharField(
        max_length=20, choices=choices(SimulatedPrices), default=SimulatedPrices.GENERATED, db_default="generated"
    )
    # Whose the session is when another login of the same user takes it, and for how long a polite one leaves it.
    ownership = models.CharField(
        max_length=20, choices=choices(Ownership), default=Ownership.ALWAYS, db_default="always"
    )
    # Which orders may leave a second time once it is proven that IBKR never had them.
    resends = models.CharField(max_length=20, choices=choices(Resend), default=Resend.LIMIT, db_default="limit")
    polite_minutes = models.PositiveSmallIntegerField(default=30, db_default=30)
    session_status = word(SessionStatus, default=SessionStatus.SIGNED_OUT)
    session_reason = models.CharField(max_length=300, blank=True)
    # Names the reason and never changes.
    session_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    session_action = models.CharField(max_length=300, blank=True, default="", db_default="")
    session_changed_at = models.DateTimeField(default=timezone.now)
    # When it last began or ceased to trade.
    turned_at = models.DateTimeField(null=True, blank=True)
    # When what the state was judged by was asked for: what was asked for earlier comes late.
    session_seen_at = models.DateTimeField(null=True, blank=True)
    # Looks and sign-ins since it last could trade, and when the next look is due.
    session_tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    session_opens = models.PositiveSmallIntegerField(default=0, db_default=0)
    session_opened_at = models.DateTimeField(null=True, blank=True)
    # Until when the session is left to another login, and when it was taken back lately.
    left_until = models.DateTimeField(null=True, blank=True)
    takeovers = ArrayField(models.DateTimeField(), null=True, blank=True)
    # When the broker first showed accounts under this user: until then anybody may have typed the name.
    proved_at = models.DateTimeField(null=True, blank=True)
    last_kept_at = models.DateTimeField(null=True, blank=True)
    # Since when its live stream runs without a gap, null while there is none, and when something last came through it.
    stream_since = models.DateTimeField(null=True, blank=True)
    stream_heard_at = models.DateTimeField(null=True, blank=True)
    # Set by people and by edges who need the accounts looked up; the stream clears it once it has read them.
    wants_verify = models.BooleanField(default=True)
    # The certificate that was accepted for its gateway, as `domain.certificates` writes one; the pin is among the secrets.
    certificate = models.JSONField(null=True, blank=True)
    # What its last trial found, and since when another one is waited for.
    trial = models.JSONField(null=True, blank=True)
    trial_asked_at = models.DateTimeField(null=True, blank=True)
    # Its history stays after it was removed.
    removed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(removed_at=None) | Q(enabled=False), name="removed_connection_is_off"),
            # The simulator is the installation's own. A gateway is a program of its team's, which can show any accounts
            # under any name: what it proves counts within that team, and keeps no other team from its own user.
            models.UniqueConstraint(
                Lower("username"),
                "environment",
                condition=Q(enabled=True, environment=Environment.SIMULATED),
                name="one_enabled_connection_per_username",
            ),
            models.UniqueConstraint(
                "team",
                Lower("username"),
                "environment",
                condition=Q(enabled=True, proved_at__isnull=False),
                name="one_enabled_connection_per_username_in_a_team",
            ),
            models.CheckConstraint(
                condition=one_of("environment", Environment), name="connection_environment_is_known"
            ),
            models.CheckConstraint(
                condition=one_of("session_status", SessionStatus), name="connection_session_status_is_known"
            ),
            models.CheckConstraint(
                condition=one_of("region_seen", ["", *Region]), name="connection_region_seen_is_known"
            ),
            models.CheckConstraint(condition=one_of("prices", SimulatedPrices), name="connection_prices_are_known"),
            models.CheckConstraint(condition=one_of("ownership", Ownership), name="connection_ownership_is_known"),
            models.CheckConstraint(condition=one_of("resends", Resend), name="connection_resends_are_known"),
            models.CheckConstraint(
                condition=Q(polite_minutes__gte=1) & Q(polite_minutes__lte=1440), name="polite_for_a_day_at_most"
            ),
            models.CheckConstraint(
                condition=Q(prices="generated") | Q(environment="simulated"),
                name="signals_price_simulated_markets_only",
            ),
            one_id_per_team("connection"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.username}, {self.environment})"

    @property
    def can_trade(self) -> bool:
        return self.enabled and self.session_status == SessionStatus.ACTIVE


class SessionEvent(models.Model):
    """Append-only: what happened to a session, and the evidence."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="session_events")
    status = word(SessionStatus)
    code = models.CharField(max_length=40, blank=True, default="", db_default="")
    cause = models.CharField(max_length=20, choices=choices(Cause), blank=True, default="", db_default="")
    reason = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "change of a session"
        verbose_name_plural = "changes of sessions"
        indexes = [models.Index(fields=["connection", "-at"], name="session_events_newest_first")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.status} at {self.at:%Y-%m-%d %H:%M:%S}"
