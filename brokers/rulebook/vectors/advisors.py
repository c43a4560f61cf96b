"""Financial advisors: what an order of theirs says on the wire, and whose fills are shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook import rulesets
from brokers.rulebook.answers import Accepted, Caution, Verdict
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.values import FLAT, ZERO, Position

PERCENT_CHANGE = "PctChange"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisorProperties:
    """The advisor part of an order's properties; blank means unset."""

    account: str = ""
    group: str = ""
    profile: str = ""
    method: str = ""
    percentage: str = ""

    @property
    def addressed(self) -> int:
        return sum(bool(value) for value in (self.account, self.group, self.profile))


NO_PROPERTIES = AdvisorProperties()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisorFields:
    """The wire fields; blank strings, never nothing."""

    account: str
    group: str = ""
    method: str = ""
    percentage: str = ""
    total_quantity: Decimal = ZERO


def is_advisor(account: str) -> bool:
    """An advisor's master account carries an F in its number."""
    return "F" in account


def validate_properties(properties: AdvisorProperties, rules: Ruleset | None = None) -> Verdict:
    """Account, group and profile exclude each other; some rulesets only warn."""
    rules = rules or rulesets.load()
    if properties.addressed < 2:
        return Accepted(rules.provenance)
    if rules.policy.deny_account_with_group:
        return rules.deny("fa_account_and_group", account=properties.account or properties.group)
    return Accepted(rules.provenance, (Caution("fa_account_and_group_sent"),))


def wire_fields(
    session_account: str,
    quantity: Decimal,
    properties: AdvisorProperties = NO_PROPERTIES,
    *,
    group_filter: str = "",
    rules: Ruleset | None = None,
) -> AdvisorFields:
    """Who trades: one account, else a group with its method, else the session's own group filter."""
    size = abs(quantity)
    if not is_advisor(session_account):
        return AdvisorFields(account=session_account, total_quantity=size)
    if properties.account:
        return AdvisorFields(account=properties.account, total_quantity=size)
    group = properties.group or properties.profile
    if not group:
        return AdvisorFields(account=session_account, group=group_filter, total_quantity=size)
    by_percent = properties.method == PERCENT_CHANGE
    names = (rules or rulesets.load()).policy.fa_wire_names
    return AdvisorFields(
        account=session_account,
        group=group,
        method=names.get(properties.method, properties.method),
        percentage=properties.percentage if by_percent else "",
        total_quantity=ZERO if by_percent else size,
    )


def shows_fill(
    session_account: str, execution_account: str, properties: AdvisorProperties, *, already_filled: bool = False
) -> bool:
    """A group order shows the master's executions only, a single-account order that account's only."""
    if already_filled:
        return False
    if not is_advisor(session_account):
        return True
    return execution_account == (properties.account or session_account)


def merged_holding(lots: Iterable[tuple[str, Position]]) -> Position:
    """The position over all accounts; a second report of the same account is ignored, net nothing is flat."""
    by_account: dict[str, Position] = {}
    for account, position in lots:
        by_account.setdefault(account, position)
    total = sum((p.quantity for p in by_account.values()), ZERO)
    if total == 0:
        return FLAT
    cost = sum((p.quantity * p.average_price for p in by_account.values()), ZERO)
    return Position(quantity=total, average_price=cost / total)
