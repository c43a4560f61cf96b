"""The fee schedules as a person looks them up: one row for each tier of each schedule."""

from dataclasses import dataclass
from decimal import Decimal

from brokers.rulebook.lookup.wording import percent, plain, price
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.tables.fee_schedules import EquityPlan, FeeSchedules
from brokers.rulebook.words import AssetClass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRow:
    """`what` is charged `rate` for `whom`; `least` and `most` bound it, empty where nothing does."""

    asset_class: str
    what: str
    rate: str
    whom: str = ""
    least: str = ""
    most: str = ""


def fees(rules: Ruleset) -> tuple[FeeRow, ...]:
    """Every schedule of a ruleset, the first tier of each first: it is the one that estimates use."""
    table = rules.fees
    return (
        *_shares(table),
        *_options(table),
        *_pairs(table),
        *_us_futures(table, AssetClass.FUTURE),
        *_futures_elsewhere(table),
        *_us_futures(table, AssetClass.FUTURE_OPTION),
        *_cfds(table),
    )


def _shares(table: FeeSchedules) -> list[FeeRow]:
    return [
        row
        for market, entry in table.equity.items()
        for name, plan in entry.plans.items()
        for row in _plan(f"{_country(market)}{f', {name} plan' if len(entry.plans) > 1 else ''}", plan)
    ]


def _plan(what: str, plan: EquityPlan) -> list[FeeRow]:
    # A cap above the whole value caps nothing.
    most = f"{percent(plan.cap_rate)} of the value" if plan.cap_rate < 1 else ""
    least = f"{price(plan.minimum)} {plan.currency}"
    bounds = [most_shares for most_shares, _ in plan.tiers]
    return [
        FeeRow(
            asset_class=AssetClass.EQUITY,
            what=what,
            rate=f"{plain(fee)} {plan.currency} a share",
            whom=_tier(bounds, number, "shares"),
            least=least,
            most=most,
        )
        for number, (_, fee) in enumerate(plan.tiers)
    ]


def _options(table: FeeSchedules) -> list[FeeRow]:
    bounds = [tier.max_contracts for tier in table.option_tiers]
    return [
        FeeRow(
            asset_class=AssetClass.OPTION,
            what=_premium(tier.steps, step),
            rate=f"{price(fee)} USD a contract",
            whom=_tier(bounds, number, "contracts"),
            least=f"{price(table.option_minimum)} USD",
        )
        for number, tier in enumerate(table.option_tiers)
        for step, (_, fee) in enumerate(tier.steps)
    ]


def _premium(steps: tuple[tuple[Decimal, Decimal], ...], step: int) -> str:
    if len(steps) == 1:
        return "Any premium"
    least = steps[step][0]
    if least.is_finite():
        return f"Premium from {price(least)}"
    return f"Premium below {price(steps[step - 1][0])}"


def _pairs(table: FeeSchedules) -> list[FeeRow]:
    bounds = [tier.max_usd for tier in table.forex_tiers]
    return [
        FeeRow(
            asset_class=AssetClass.FOREX,
            what="Any pair",
            rate=f"{percent(tier.rate)} of the value",
            whom=_tier(bounds, number, "USD"),
            least=f"{price(tier.minimum)} USD",
        )
        for number, tier in enumerate(table.forex_tiers)
    ]


def _cfds(table: FeeSchedules) -> list[FeeRow]:
    least = ", ".join(
        f"{price(amount)} {'of any other currency' if currency == '*' else currency}"
        for currency, amount in table.cfd_minimum.items()
    )
    kinds = [
        FeeRow(
            asset_class=AssetClass.CFD,
            what=f"On an {kind}{'' if currency == '*' else f' in {currency}'}",
            rate=f"{percent(rate)} of the value",
            least=least,
        )
        for kind, rates in table.cfd_kind_rates.items()
        for currency, rate in rates.items()
    ]
    like_pairs = [
        FeeRow(asset_class=AssetClass.CFD, what="On a currency pair", rate="as the pair itself")
        for kind in table.cfd_kinds_like_forex
        if kind == "forex"
    ]
    what = "Any other" if kinds else "Any"
    rate = f"{percent(table.cfd_rate)} of the value"
    return [*kinds, *like_pairs, FeeRow(asset_class=AssetClass.CFD, what=what, rate=rate, least=least)]


def _us_futures(table: FeeSchedules, asset_class: AssetClass) -> list[FeeRow]:
    """Products of one fee together; broker, exchange and clearing are one figure."""
    schedule = table.us_tables[asset_class]
    groups: dict[Decimal, list[str]] = {}
    for product in sorted(set(schedule.broker) | set(schedule.exchange)):
        broker = schedule.broker.get(product, table.us_default_broker)
        exchange = schedule.exchange.get(product, table.us_default_exchange)
        groups.setdefault(broker + exchange + table.us_clearing, []).append(product)
    other = table.us_default_broker + table.us_default_exchange + table.us_clearing
    groups.pop(other, None)
    named = [(", ".join(names), each) for each, names in groups.items()]
    return [
        FeeRow(asset_class=asset_class, what=what, rate=f"{price(each)} USD a contract")
        for what, each in (*named, ("Any other of the US", other))
    ]


def _futures_elsewhere(table: FeeSchedules) -> list[FeeRow]:
    other = ", ".join(
        f"{price(amount * table.hkfe_multiplier)} {currency}" for currency, amount in table.hkfe_other.items()
    )
    rows = (
        ("Eurex", f"{price(table.eurex_per_contract)} {table.eurex_currency} a contract"),
        ("Hong Kong: HSI", f"{price(table.hkfe_hsi)} HKD a contract"),
        ("Hong Kong: any other", f"{other} a contract, by its currency"),
        ("Korea", f"{percent(table.krx_rate)} of the value"),
    )
    return [FeeRow(asset_class=AssetClass.FUTURE, what=what, rate=rate) for what, rate in rows]


def _tier(bounds: list[Decimal | None], number: int, unit: str) -> str:
    """Whose month a tier is for; nothing where everybody pays the same."""
    if len(bounds) == 1:
        return ""
    most, below = bounds[number], bounds[number - 1]
    return f"up to {most:,} {unit} a month" if most is not None else f"above {below:,} {unit} a month"


def _country(market: str) -> str:
    return "US" if market == "usa" else market.capitalize()
