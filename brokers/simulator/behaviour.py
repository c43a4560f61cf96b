"""How like the real thing the gateway behaves: every rule is a switch, and a preset is a set of switches."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """The switches of one gateway; durations carry their unit in their name."""

    name: str = "strict"

    # How long an answer, a sign-in and a fill take.
    latency: Literal["none", "uniform", "lognormal"] = "lognormal"
    latency_ms: tuple[float, float] = (20.0, 60.0)
    latency_median_ms: float = 230.0
    latency_sigma: float = 0.25
    init_delay_ms: float = 1500.0
    fill_delay_ms: float = 100.0

    # The session. Without its machine everybody is signed in, always.
    session_machine: bool = True
    idle_ttl_s: float = 360.0
    max_age_s: float = 86_400.0
    # Whether a login that ended (by a logout, after 24 hours, at night) takes a person at the gateway's page, as IBKR's.
    person_signs_in: bool = False
    # Servers of before 2025 do not say when a session is established.
    says_established: bool = True
    accounts_first: bool = True
    dynamic_accounts: bool = False
    accounts_first_status: int = 400
    portfolio_accounts_first: bool = True
    ws_cookie_required: bool = False
    # Where `sso/validate` says that the user is served.
    place: str = "NJ"

    # Signed requests. With `oauth_only` nobody is served without a signature, except below /u/<username>.
    oauth_only: bool = False
    lst_life_s: float = 86_400.0
    oauth_slack_s: float = 0.0
    # Whether who refuses a program is sent back to it, or sees a page that ends there.
    oauth_refusal_returns: bool = False

    # The first read of a session is incomplete.
    cold_orders: bool = True
    cold_trades: bool = True
    cold_positions: bool = True
    # Whether holdings of futures show `avgPrice` beside `avgCost`, which is that price times the multiplier.
    average_price_of_futures: bool = True
    cold_snapshot: bool = True
    search_before_strikes: bool = True

    # Reads of orders.
    force_blanks_orders: bool = True
    filters_stick: bool = True
    unscoped_orders_empty: bool = True
    day_scoped_orders: bool = True

    # Orders.
    unique_references: bool = True
    children_show_reference: bool = False
    # Whether rows of trailing stop limits name the prices to which they have moved.
    trails_show_prices: bool = True
    reference_ttl_s: float = 86_400.0
    register_reference_on_question: bool = False
    questions: bool = True
    question_ttl_s: float = 20.0
    questions_die_of_other_orders: bool = True
    partial_brackets: bool = True
    # Whether legs work, for what their parent has filled so far, before it has ended.
    legs_wake_early: bool = False
    # Whether legs of futures that lack `outsideRTH` sleep outside regular hours, as those of shares always do.
    legs_sleep_at_night: bool = True
    reply_gone_status: int = 400
    manual_indicator_required: bool = True
    margin_check: bool = True
    # How many day trades the broker says are left of margin accounts; -1: without a limit.
    day_trades_left: int = -1
    # Whether orders of a Lite login are taken, as IBKR takes none of them from programs.
    lite_takes_orders: bool = False
    fill_slice: int | None = None

    # The market.
    fills: bool = True
    day_orders_expire: bool = True
    market_always_open: bool = False
    # Whether orders for auctions are taken in their windows only; a market that never closes has none.
    auction_windows: bool = True
    live_market_data: bool = True
    posted_quote_ttl_s: float = 3600.0
    # What a signal pushes is the price of contracts that have no other; it holds until the next, or this long.
    prices: Literal["generated", "signal"] = "generated"
    signal_slippage_bps: float = 0.0
    signal_ttl_s: float = 30 * 86_400.0

    # Pacing.
    pacing: bool = True
    requests_per_second: int = 10
    penalty_box_s: float = 900.0

    # What a query may say for yes: true, True and 1, or true alone.
    lenient_booleans: bool = True

    # The websocket.
    only_changes: bool = True
    replay_trades: bool = True
    answers_unsubscribing: bool = False
    heartbeat_s: float = 10.0
    summary_s: float = 10.0
    profit_s: float = 1.0
    quotes_ttl_s: float = 600.0

    def wait_s(self, dice: random.Random) -> float:
        """How long the next answer takes: the real one's are log-normal, most near the median and some far above it."""
        match self.latency:
            case "uniform":
                return dice.uniform(*self.latency_ms) / 1000
            case "lognormal":
                return self.latency_median_ms * dice.lognormvariate(0, self.latency_sigma) / 1000
        return 0.0


def strict() -> Behaviour:
    """The specification's behaviour, everything switched on."""
    return Behaviour()


def demo() -> Behaviour:
    """Friendly: a market at any hour, no questions, quick answers, no pacing."""
    return Behaviour(
        name="demo",
        latency="uniform",
        latency_ms=(1.0, 4.0),
        init_delay_ms=300.0,
        fill_delay_ms=25.0,
        cold_trades=False,
        cold_positions=False,
        questions=False,
        manual_indicator_required=False,
        # Two processes of one client sign at the same moment, and either may arrive first.
        oauth_slack_s=5.0,
        market_always_open=True,
        pacing=False,
    )


def fast() -> Behaviour:
    """The demo without waiting, for tests."""
    return replace(demo(), name="fast", latency="none", init_delay_ms=0.0, fill_delay_ms=0.0)


PRESETS = {"strict": strict, "demo": demo, "fast": fast}


def preset(name: str, overrides: str = "") -> Behaviour:
    """The named preset, with single switches changed by a JSON object of overrides."""
    if name not in PRESETS:
        raise ValueError(f"Unknown preset {name!r}. Choose one of {', '.join(sorted(PRESETS))}.")
    try:
        changes = json.loads(overrides) if overrides else {}
    except ValueError:
        changes = None
    if not isinstance(changes, dict):
        raise ValueError('SIM_BEHAVIOUR is a JSON object of switches, such as {"questions": true}.')
    return changed(PRESETS[name](), changes)


def changed(behaviour: Behaviour, changes: dict[str, Any]) -> Behaviour:
    """A behaviour with single switches changed; ValueError names the ones that do not exist."""
    known = set(Behaviour.__dataclass_fields__)
    if unknown := sorted(set(changes) - known):
        raise ValueError(f"Unknown behaviour {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
    if changes.get("prices", "generated") not in {"generated", "signal"}:
        raise ValueError("prices is generated or signal.")
    if "latency_ms" in changes:
        changes = changes | {"latency_ms": tuple(float(bound) for bound in changes["latency_ms"])}
    return replace(behaviour, **changes)
