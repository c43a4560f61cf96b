"""Notices to the owners of connections: each is a row before it is sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.constraints import one_of
from accounts.models import Membership
from brokers.domain.notices import MAY_BE_SILENT, DispatchStatus, NoticeChannel, NoticeKind
from brokers.models.columns import word
from brokers.models.connections import Connection

_UNSENT = [str(DispatchStatus.WAITING), str(DispatchStatus.SENDING)]


_ABOUT_ITS_MARKET = (NoticeKind.NOT_READY, NoticeKind.WEEKLY_SIGN_IN, NoticeKind.CERTIFICATE_CHANGED)


class Notice(models.Model):
    """One event that the owners of a connection are told of, once."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="notices")
    kind = word(NoticeKind)
    event = models.CharField(max_length=80)
    # Why the connection could not trade, in the words of that moment.
    why = models.CharField(max_length=620, blank=True)
    opens_at = models.DateTimeField()
    # The stop that is missing, where that is what it tells of.
    lapse = models.ForeignKey("brokers.Lapse", null=True, blank=True, on_delete=models.CASCADE, related_name="notices")
    # What IBKR asks about an order, where that is what it tells of.
    prompt = models.OneToOneField(
        "brokers.OrderPrompt", null=True, blank=True, on_delete=models.CASCADE, related_name="notice"
    )
    # The cancel that IBKR refused, or the change that was not made, where that is what it tells of.
    refused = models.OneToOneField(
        "brokers.SubmissionAttempt",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notice",
        db_constraint=False,
    )
    modification = models.OneToOneField(
        "brokers.OrderModification",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="notice",
        db_constraint=False,
    )
    created_at = models.DateTimeField()
    # When it was no matter any more.
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "event"], name="one_notice_per_connection_and_event"),
            models.CheckConstraint(condition=one_of("kind", NoticeKind), name="notice_kind_is_known"),
        ]
        indexes = [models.Index(fields=["connection"], name="notices_unsettled", condition=Q(settled_at=None))]

    def __str__(self) -> str:
        return f"{self.event} of {self.connection_id}"

    @property
    def is_about_its_market(self) -> bool:
        """Whether it tells of a connection before its market opens, and not of one order or stop, nor of good news."""
        return self.kind in _ABOUT_ITS_MARKET


class Dispatch(models.Model):
    """A notice on its way to one person by one channel: written before it is sent, sent once at the most."""

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="dispatches")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    channel = word(NoticeChannel)
    status = word(DispatchStatus, default=DispatchStatus.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "dispatches"
        constraints = [
            models.UniqueConstraint(
                fields=["notice", "user", "channel"], name="one_dispatch_per_notice_person_and_channel"
            ),
            models.CheckConstraint(condition=one_of("channel", NoticeChannel), name="dispatch_channel_is_known"),
            models.CheckConstraint(condition=one_of("status", DispatchStatus), name="dispatch_status_is_known"),
            models.CheckConstraint(
                condition=~Q(status__in=["sending", "sent", "lost"]) | Q(sent_at__isnull=False),
                name="dispatch_says_when_it_left",
            ),
        ]
        indexes = [models.Index(fields=["due_at"], name="dispatches_unsent", condition=Q(status__in=_UNSENT))]

    def __str__(self) -> str:
        return f"{self.notice_id} to {self.user_id} by {self.channel}"


class SilencedNotice(models.Model):
    """A kind of notice that somebody switched off in a team."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="silenced_notices")
    kind = word(NoticeKind)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["membership", "kind"], name="one_silence_per_member_and_kind"),
            models.CheckConstraint(
                condition=one_of("kind", MAY_BE_SILENT), name="only_notices_that_may_be_silent_are_silenced"
            ),
        ]

    def __str__(self) -> str:
        return f"no {self.kind} for {self.membership_id}"
