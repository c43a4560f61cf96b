"""What pages show before real money is switched on: which of its conditions their viewer still lacks."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from accounts.pages.requests import actor_of
from brokers.connections.consents import consent_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What the viewer has to do elsewhere first."""

    email: bool
    second_factor: bool

    @property
    def any(self) -> bool:
        return self.email or self.second_factor


def missing_of(request: HttpRequest) -> Missing:
    consent = consent_of(actor_of(request))
    return Missing(email=not consent.email_verified, second_factor=not consent.second_factor)
