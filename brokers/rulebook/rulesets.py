"""Rulesets as dated data: seed, lean, ibkr_current; a version is chosen by date, never by code."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal
from functools import cache
from typing import Any

from brokers.rulebook import tables
from brokers.rulebook.answers import Caution, Denied, Provenance
from brokers.rulebook.errors import UnknownRuleset
from brokers.rulebook.tables.fee_schedules import FeeSchedules, fee_schedules

DEFAULT = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Where the model leaves room, and how this ruleset uses it; an account may replace a setting."""

    deny_fractions: bool
    market_on_open_lead_seconds: int
    market_on_close_lead_seconds: int
    market_on_open_hold_seconds: int
    forex_below_minimum: str
    forex_usd_equivalent: tuple[str, ...]
    forex_gtd_roll_compares: str
    settlement_skips_bank_holidays: bool
    fee_value_in_account_currency: bool
    reserve_all_open_orders: bool
    deny_cash_short_sales: bool
    deny_past_good_til_date: bool
    deny_account_with_group: bool
    combo_limit_needs_session: bool
    fa_wire_names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimit:
    """The least and the most of a base currency in one order."""

    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """One version of one ruleset, ready to be asked."""

    name: str
    version: str
    effective_from: date
    provenance: Provenance
    order_types: frozenset[str]
    times_in_force: frozenset[str]
    cells: frozenset[tuple[str, str]]
    fees: FeeSchedules
    leverages: Mapping[str, Mapping[str, Decimal]]
    settlement_days: int
    settlement_time: time
    forex_sizes: Mapping[str, SizeLimit]
    policy: Policy

    def deny(self, reason: str, /, **data: object) -> Denied:
        return Denied(reason, data, self.provenance)

    def caution(self, code: str, /, **data: object) -> Caution:
        return Caution(code, data)

    def with_policy(self, **settings: Any) -> "Ruleset":
        """The same rules with some settings of one account."""
        return replace(self, policy=replace(self.policy, **settings))

    def over(self, connection: str) -> "Ruleset":
        """The same rules narrowed to what a kind of connection carries."""
        limits = tables.read("rulesets")["connections"].get(connection)
        if limits is None:
            return self
        return replace(
            self,
            order_types=self.order_types & frozenset(limits["order_types"]),
            times_in_force=self.times_in_force & frozenset(limits["times_in_force"]),
        )


@cache
def load(name: str = DEFAULT, on: date | None = None) -> Ruleset:
    """The version of a ruleset in force on a day; without a day, the newest. UnknownRuleset for another name."""
    settings = _settings(name, on)
    # The broker takes types that the published model does not know.
    matrix = tables.read("brokerage")[f"order_type_matrix_{settings['matrix']}"] | settings.get(
        "order_types_besides", {}
    )
    models = tables.read("models")
    return Ruleset(
        name=name,
        version=settings["version"],
        effective_from=date.fromisoformat(settings["effective_from"]),
        provenance=Provenance(name, settings["version"]),
        order_types=frozenset(matrix),
        times_in_force=frozenset(models["times_in_force"]),
        cells=frozenset((order_type, cell) for order_type, cells in matrix.items() for cell in cells),
        fees=fee_schedules(settings["fees"]),
        leverages={
            kind: {asset_class: Decimal(value) for asset_class, value in row.items()}
            for kind, row in settings["leverage"].items()
        },
        settlement_days=settings["settlement"]["days"],
        settlement_time=time.fromisoformat(settings["settlement"]["time_of_day"]),
        forex_sizes={
            currency: SizeLimit(minimum=Decimal(row["min"]), maximum=Decimal(row["max"]))
            for currency, row in tables.read("brokerage")["forex_order_size"].items()
        },
        policy=_policy(settings["policy"]),
    )


def names() -> tuple[str, ...]:
    return tuple(tables.read("rulesets")["rulesets"])


def _settings(name: str, on: date | None) -> dict[str, Any]:
    """Everything a version states, on top of what its parent and its predecessors state."""
    entry = tables.read("rulesets")["rulesets"].get(name)
    if entry is None:
        raise UnknownRuleset(name)
    settings: dict[str, Any] = _settings(entry["parent"], None) if "parent" in entry else {}
    for number, version in enumerate(entry["versions"]):
        if number and on is not None and date.fromisoformat(version["effective_from"]) > on:
            break
        policy = {**settings.get("policy", {}), **version.get("policy", {})}
        settings = {**settings, **version, "policy": policy}
    return settings


def _policy(settings: dict[str, Any]) -> Policy:
    return Policy(**{**settings, "forex_usd_equivalent": tuple(settings["forex_usd_equivalent"])})
