"""Who has a second factor, and which teams ask for one."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef

from accounts.models import Membership, Team, User

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class SecondFactorNeeded(PermissionDenied):
    """The person may do this, as soon as they have set up a second factor."""


def has_second_factor(user: User) -> bool:
    """Whether signing in as this person takes more than the password. Recovery codes alone are none."""
    return bool(is_mfa_enabled(user, types=FACTORS))


def without_second_factor(team: Team) -> set[int]:
    """The primary keys of the members who sign in with a password alone."""
    factors = Authenticator.objects.filter(user_id=OuterRef("user_id"), type__in=FACTORS)
    return set(team.memberships.exclude(Exists(factors)).values_list("user_id", flat=True))


def require_second_factor(membership: Membership) -> None:
    """Raise SecondFactorNeeded where the team asks this role for a second factor that the member does not have."""
    if membership.needs_second_factor and not has_second_factor(membership.user):
        raise SecondFactorNeeded(
            f"{membership.team.name} asks everybody with the role of {membership.get_role_display().lower()} for two-step "
            "sign-in. Set it up, then come back. Stopping is open to you meanwhile."
        )
