"""People, teams, roles, invitations, tokens, and the audit trail."""

from accounts.models.records import AuditChain, AuditEntry, AuditKey, ChainKind
from accounts.models.schedule import ScheduledTask
from accounts.models.teams import RANK, ApprovalPolicy, Departure, Invitation, Leaving, Membership, Role, Team
from accounts.models.tokens import ApiToken, Scope, hashed
from accounts.models.users import User, UserManager

__all__ = [
    "RANK",
    "ApiToken",
    "ApprovalPolicy",
    "AuditChain",
    "AuditEntry",
    "AuditKey",
    "ChainKind",
    "Departure",
    "Invitation",
    "Leaving",
    "Membership",
    "Role",
    "ScheduledTask",
    "Scope",
    "Team",
    "User",
    "UserManager",
    "hashed",
]
