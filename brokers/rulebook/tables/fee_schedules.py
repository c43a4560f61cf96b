"""Fee tables as typed schedules, parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from brokers.rulebook import tables

Tier = tuple[Decimal | None, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPlan:
    currency: str
    minimum: Decimal
    cap_rate: Decimal
    cap_limits_minimum: bool
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityMarket:
    default_plan: str
    plans: Mapping[str, EquityPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionTier:
    """Up to `max_contracts` a month; each step is (premium from, fee per contract), highest premium first."""

    max_contracts: Decimal | None
    steps: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForexTier:
    max_usd: Decimal | None
    rate: Decimal
    minimum: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FutureTable:
    broker: Mapping[str, Decimal]
    exchange: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSchedules:
    name: str
    equity: Mapping[str, EquityMarket]
    option_tiers: tuple[OptionTier, ...]
    option_minimum: Decimal
    forex_tiers: tuple[ForexTier, ...]
    cfd_rate: Decimal
    cfd_minimum: Mapping[str, Decimal]
    cfd_kind_rates: Mapping[str, Mapping[str, Decimal]]
    cfd_kinds_like_forex: frozenset[str]
    us_markets: frozenset[str]
    us_clearing: Decimal
    us_default_broker: Decimal
    us_default_exchange: Decimal
    us_tables: Mapping[str, FutureTable]
    hkfe_hsi: Decimal
    hkfe_other: Mapping[str, Decimal]
    hkfe_multiplier: Decimal
    eurex_per_contract: Decimal
    eurex_currency: str
    krx_rate: Decimal


@cache
def fee_schedules(name: str) -> FeeSchedules:
    """The base schedule, with what the named one states instead."""
    base = tables.read("brokerage")["fees"]
    own = {} if name == "lean" else tables.read(f"fees_{name}")
    cfd = _cfds(own.get("cfd", base["cfd"]))
    futures, hkfe, eurex = base["us_futures"], base["hkfe"], base["eurex"]
    return FeeSchedules(
        name=name,
        equity={market: _equity_market(row) for market, row in {**base["equity"], **own.get("equity", {})}.items()},
        option_tiers=tuple(_option_tier(row) for row in base["option_monthly_tiers"]),
        option_minimum=Decimal(base["option_min_order"]),
        forex_tiers=tuple(
            ForexTier(max_usd=_maybe(row["max_usd"]), rate=Decimal(row["rate"]), minimum=Decimal(row["min"]))
            for row in base["forex_monthly_tiers"]
        ),
        cfd_rate=Decimal(cfd["rate"]),
        cfd_minimum=_numbers(cfd["min"]),
        cfd_kind_rates={kind: _numbers(row["rate"]) for kind, row in cfd.get("kinds", {}).items() if "rate" in row},
        cfd_kinds_like_forex=frozenset(
            kind for kind, row in cfd.get("kinds", {}).items() if row.get("schedule") == "forex"
        ),
        us_markets=frozenset(futures["markets"]),
        us_clearing=Decimal(futures["nfa_clearing_per_contract"]),
        us_default_broker=Decimal(futures["default_broker"]),
        us_default_exchange=Decimal(futures["default_exchange"]),
        us_tables={
            kind: FutureTable(
                broker=_numbers(futures[f"{kind}_broker"]), exchange=_numbers(futures[f"{kind}_exchange"])
            )
            for kind in ("future", "future_option")
        },
        hkfe_hsi=Decimal(hkfe["HSI_per_contract_HKD"]),
        hkfe_other=_numbers(hkfe["other_per_contract"]),
        hkfe_multiplier=Decimal(hkfe["other_multiplier"]),
        eurex_per_contract=Decimal(eurex["broker"]) + Decimal(eurex["other"]),
        eurex_currency=eurex["currency"],
        krx_rate=Decimal(base["krx"]["rate_of_notional"]),
    )


def _equity_market(row: dict[str, Any]) -> EquityMarket:
    plans = row.get("plans", {"fixed": row})
    return EquityMarket(
        default_plan=row.get("default_plan", "fixed"),
        plans={name: _equity_plan(plan) for name, plan in plans.items()},
    )


def _equity_plan(row: dict[str, Any]) -> EquityPlan:
    tiers = row.get("monthly_tiers", [{"max_shares": None, "per_share": row.get("per_share")}])
    return EquityPlan(
        currency=row["currency"],
        minimum=Decimal(row["minimum"]),
        cap_rate=Decimal(row["max_rate_of_trade_value"]),
        cap_limits_minimum=row.get("cap_limits_minimum", False),
        tiers=tuple((_maybe(tier["max_shares"]), Decimal(tier["per_share"])) for tier in tiers),
    )


def _option_tier(row: dict[str, Any]) -> OptionTier:
    return OptionTier(
        max_contracts=_maybe(row["max_contracts"]),
        steps=tuple((_from_premium(condition), Decimal(fee)) for condition, fee in row["per_contract"]),
    )


def _from_premium(condition: str) -> Decimal:
    """'>=0.10' starts at 0.10; 'any' and '<0.05' take what is left."""
    return Decimal(condition[2:]) if condition.startswith(">=") else Decimal("-Infinity")


def _maybe(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _numbers(row: dict[str, str]) -> dict[str, Decimal]:
    return {key: Decimal(value) for key, value in row.items()}


def _cfds(own: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is charged of CFDs; a schedule may say that it is as another one's."""
    named = own.get("as")
    return own if named is None else tables.read(f"fees_{named}")["cfd"]
