"""The ways a notice gets to a person. A channel sends once, and says what is known of it afterwards."""

from __future__ import annotations

import smtplib
from collections.abc import Mapping
from typing import Protocol

from accounts.entrance import mails
from accounts.models import User
from brokers.domain.notices import NoticeChannel


class NotSent(Exception):
    """Nothing went out, for certain: it may be tried again."""


class Channel(Protocol):
    """One way to reach people."""

    def address_of(self, user: User) -> str:
        """Where this person is reached; empty where nobody knows that it is theirs."""

    def send(self, address: str, subject: str, text: str) -> None:
        """Send it. NotSent says that nothing went out; any other error leaves that open."""


class Email:
    """E-mail, to addresses that were confirmed."""

    def address_of(self, user: User) -> str:
        from allauth.account.models import EmailAddress

        confirmed = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()
        return user.email if confirmed else ""

    def send(self, address: str, subject: str, text: str) -> None:
        try:
            mails.compose(subject, text, address).send()
        except (
            ConnectionRefusedError,
            smtplib.SMTPConnectError,
            smtplib.SMTPHeloError,
            smtplib.SMTPAuthenticationError,
            smtplib.SMTPRecipientsRefused,
            smtplib.SMTPSenderRefused,
            smtplib.SMTPDataError,
        ) as error:
            # The server has said no, or was never reached.
            raise NotSent(type(error).__name__) from error


CHANNELS: Mapping[NoticeChannel, Channel] = {NoticeChannel.EMAIL: Email()}
