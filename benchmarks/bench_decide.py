"""How long one core takes to decide one signal: table, size, prices, legs and what the rulebook says of each order.

python -m benchmarks.bench_decide [--rounds 2000]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from time import perf_counter_ns

from benchmarks.goals import Figure, note
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import Contract, Instrument, OrderStatus, OrderType, Role, Side
from brokers.domain.sessions import Environment
from brokers.domain.snapshot import Snapshot, WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.message import symbols
from strategies.domain.message.message import Action, Bracket, Message
from strategies.domain.plan.assessment import assess
from strategies.domain.plan.plan import Plan
from strategies.domain.terms.terms import Terms

D = Decimal
GOAL = 200.0  # microseconds
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
AAPL = Contract(instrument=Instrument(ticker="AAPL"), conid=265598)
QUOTE = Quote(bid=D("99.99"), ask=D("100.01"), last=D(100), as_of=NOW)
STOP = Bracket(mode="percent", value=D(2), type="stop")
PROFIT = Bracket(mode="percent", value=D(4))


def message(action: Action, **values: object) -> Message:
    return Message(symbol=symbols.read("AAPL", symbols.Kind.STOCK, NOW), action=action, **values)  # type: ignore[arg-type]


def snapshot(position: int, *working: WorkingOrder) -> Snapshot:
    return Snapshot(
        account_id="DU1",
        contract=AAPL,
        position=D(position),
        average_cost=D(99),
        working=working,
        equity=D(100_000),
        buying_power=D(400_000),
        currency="USD",
        quote=QUOTE,
        as_of=NOW,
        available_funds=D(100_000),
        environment=Environment.PAPER,
        permitted=True,
    )


LEG = WorkingOrder(
    reference="hy-1",
    role=Role.STOP_LOSS,
    side=Side.SELL,
    type=OrderType.STOP,
    remaining=D(10),
    stop_price=D(95),
    status=OrderStatus.ACCEPTED,
)
CASES = {
    "buy 10": (message(Action.BUY, quantity=D(10)), Terms(), snapshot(0)),
    "exit with its legs canceled": (message(Action.EXIT), Terms(), snapshot(10, LEG)),
    "flip": (message(Action.SELL, quantity=D(10)), Terms(allow_swap=True), snapshot(10)),
    "buy by risk, with both legs": (
        message(Action.BUY, quantity=D(1), quantity_type="risk_percent", stop_loss=STOP, take_profit=PROFIT),
        Terms(max_position=D(10_000), max_amount=D(90_000)),
        snapshot(0),
    ),
}


def measure(rounds: int) -> dict[str, tuple[float, float]]:
    """By case the median of a decision, and of the rulebook's word on its first order alone, in microseconds."""
    medians = {}
    for name, (asked, terms, book) in CASES.items():
        plan = decide(asked, terms, book, NOW)
        if not isinstance(plan, Plan):
            raise SystemExit(f"{name} was rejected: the bench would measure refusals.")
        intent = plan.intents[0]
        decisions, answers = [], []
        for _ in range(rounds):
            start = perf_counter_ns()
            decide(asked, terms, book, NOW)
            between = perf_counter_ns()
            assess(intent, book, NOW)
            decisions.append(between - start)
            answers.append(perf_counter_ns() - between)
        medians[name] = (median(decisions) / 1000, median(answers) / 1000)
    return medians


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args(argv).rounds
    print(f"{'case':32}{'decide':>12}{'rulebook':>12}{'ratio':>8}   goal {GOAL:.0f} µs")
    for name, (whole, part) in measure(rounds).items():
        print(f"{name:32}{whole:9.0f} µs{part:9.0f} µs{whole / part:8.1f}")
        note(Figure(what=f"decide: {name}", figure=whole, unit="µs", goal=GOAL, baseline=part))


if __name__ == "__main__":
    main()
