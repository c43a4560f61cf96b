"""How many orders a second one core can validate, charge and margin.

python -m benchmarks.bench_rulebook [--seconds 5]
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from time import process_time

from benchmarks.goals import Figure, note
from brokers.rulebook import rulesets
from brokers.rulebook.answers import Accepted
from brokers.rulebook.calendars import Calendar, calendar, exchange_calendar
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.gate.validation import validate
from brokers.rulebook.margin import buying_power
from brokers.rulebook.values import FLAT, Account, Instrument, Order, Position, Quote

D = Decimal
GOAL = 20_000
NOW = datetime(2025, 7, 15, 16, tzinfo=UTC)
TODAY = NOW.date()
ACCOUNT = Account(total_value=D(1_000_000), margin_used=D(50_000))
HELD = Position(quantity=D(40), average_price=D(200))

Case = tuple[Instrument, Order, Quote, Calendar, Decimal | None, Position]


def cases() -> list[Case]:
    """One order of every class, of the types people send."""
    nyse = exchange_calendar("us_equity", "Equity-usa-[*]")
    options, globex, currencies = calendar("us_option"), calendar("cme_es"), calendar("forex")
    stock = Instrument(asset_class="equity", symbol="SPY", lot_size=D(1))
    call = Instrument(asset_class="option", symbol="SPY", multiplier=D(100), right="call", strike=D(620))
    spx = Instrument(asset_class="index_option", symbol="SPX", multiplier=D(100), right="put", strike=D(6200))
    pair = Instrument(asset_class="forex", symbol="EURUSD", base_currency="EUR")
    es = Instrument(asset_class="future", product="ES", multiplier=D(50), lot_size=D(1))
    fop = Instrument(asset_class="future_option", product="ES", multiplier=D(50), right="call", strike=D(6300))
    cfd = Instrument(asset_class="cfd", symbol="IBUS500")
    price = Quote(price=D("623.40"), bid=D("623.39"), ask=D("623.41"))
    premium = Quote(price=D("4.10"), bid=D("4.05"), ask=D("4.15"))
    euro = Quote(price=D("1.1620"), bid=D("1.1620"), ask=D("1.1621"))
    index = Quote(price=D("6240"), bid=D("6239.75"), ask=D("6240"))
    return [
        (stock, Order(type="market", quantity=D(100)), price, nyse, None, FLAT),
        (
            stock,
            Order(type="limit", quantity=D(-60), limit_price=D("623.5"), time_in_force="day"),
            price,
            nyse,
            None,
            HELD,
        ),
        (
            stock,
            Order(type="stop_limit", quantity=D(10), stop_price=D(625), limit_price=D(626)),
            price,
            nyse,
            None,
            FLAT,
        ),
        (call, Order(type="limit", quantity=D(5), limit_price=D("4.1")), premium, options, D("623.4"), FLAT),
        (spx, Order(type="market", quantity=D(-1)), premium, options, D(6240), FLAT),
        (pair, Order(type="market", quantity=D(50_000)), euro, currencies, None, FLAT),
        (es, Order(type="stop_market", quantity=D(2), stop_price=D(6260)), index, globex, None, FLAT),
        (fop, Order(type="limit", quantity=D(1), limit_price=D(40)), premium, globex, D(6240), FLAT),
        (cfd, Order(type="market", quantity=D(10)), index, nyse, None, FLAT),
    ]


def measure(seconds: float) -> float:
    """Evaluations a second of processor time; one evaluation is validate, fee and buying power of one order."""
    rules, prepared = rulesets.load(), cases()
    done, started = 0, process_time()
    while (elapsed := process_time() - started) < seconds:
        for instrument, order, quote, hours, underlying, position in prepared * 50:
            verdict = validate(instrument, order, NOW, hours, rules=rules, quote=quote, position=position)
            fee = estimate_fee(instrument, order, quote, rules=rules)
            power = buying_power(
                instrument,
                order,
                quote,
                ACCOUNT,
                position=position,
                fee=fee.amount,
                rules=rules,
                today=TODAY,
                underlying_price=underlying,
            )
            done += isinstance(verdict, Accepted) and power.sufficient
    if done % (len(prepared) * 50):
        raise SystemExit("Some order was not taken: the bench would measure refusals.")
    return done / elapsed


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    rate = measure(parser.parse_args(argv).seconds)
    print(f"validate + fee + margin: {rate:,.0f} a second on one core (goal {GOAL:,})")
    note(Figure(what="rulebook, an order's word", figure=rate, unit="/s", goal=GOAL, at_least=True))


if __name__ == "__main__":
    main()
