"""The tables as a person looks them up: rows of words and figures, and a small calculator. Nothing is written twice."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from brokers.rulebook import tables
from brokers.rulebook.answers import Denied
from brokers.rulebook.capabilities import EXPERIMENTAL, leverage, model_for
from brokers.rulebook.errors import BadInput, RulebookError
from brokers.rulebook.fees import estimate_fee
from brokers.rulebook.gate.validation import validate
from brokers.rulebook.lookup.wording import percent
from brokers.rulebook.margin import buying_power
from brokers.rulebook.margin.futures import TABLE, is_current, margin_rows, row_on
from brokers.rulebook.margin.power import old_figure
from brokers.rulebook.reasons import SENTENCES
from brokers.rulebook.rulesets import Ruleset
from brokers.rulebook.settlement import settlement_rule
from brokers.rulebook.values import ONE, ZERO, Account, Instrument, Order, Quote
from brokers.rulebook.words import AccountType, AssetClass, OrderType

CLASSES: tuple[str, ...] = tuple(tables.read("models")["asset_classes"])
# What the calculator asks about: a written option needs its underlying and strike, which a small form does not ask.
CALCULATED = ("equity", "future", "forex", "cfd", "option")
SHARES_OF_AN_OPTION = Decimal(100)


@dataclass(frozen=True, slots=True)
class Cell:
    """Whether one class takes one order type: yes, no, or experimental."""

    asset_class: str
    state: str


@dataclass(frozen=True, slots=True)
class MatrixRow:
    order_type: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class SizeRow:
    currency: str
    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How one class is margined and settled, in a margin and in a cash account."""

    asset_class: str
    margin: str
    cash: str


@dataclass(frozen=True, slots=True)
class FutureRow:
    product: str
    since: date
    initial: Decimal
    maintenance: Decimal
    current: bool


@dataclass(frozen=True, slots=True)
class ReasonRow:
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The calculator's answer; a figure is None where the tables lack something, and `notes` say what."""

    fee: Decimal | None = None
    fee_currency: str = "USD"
    margin: Decimal | None = None
    cash: Decimal | None = None
    taken: bool = True
    notes: tuple[str, ...] = ()


def matrix(rules: Ruleset) -> tuple[MatrixRow, ...]:
    return tuple(
        MatrixRow(order_type, tuple(Cell(name, _state(rules, order_type, name)) for name in CLASSES))
        for order_type in OrderType
        if order_type in rules.order_types
    )


def _state(rules: Ruleset, order_type: str, asset_class: str) -> str:
    if (order_type, asset_class) not in rules.cells:
        return "no"
    return "experimental" if (order_type, asset_class) in EXPERIMENTAL else "yes"


def sizes(rules: Ruleset) -> tuple[SizeRow, ...]:
    """The currencies IBKR takes orders in; those with nothing but zeros are not taken."""
    rows = (SizeRow(currency, limit.minimum, limit.maximum) for currency, limit in rules.forex_sizes.items())
    return tuple(sorted((row for row in rows if row.maximum), key=lambda row: row.currency))


class _Unfilled(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"[{key.replace('_', ' ')}]"


def reasons() -> tuple[ReasonRow, ...]:
    """Every code an answer may carry, with its sentence; what is filled in stands in brackets."""
    return tuple(ReasonRow(code, SENTENCES[code].format_map(_Unfilled())) for code in sorted(SENTENCES))


def margins(rules: Ruleset) -> tuple[ClassRow, ...]:
    kinds = (AccountType.MARGIN, AccountType.CASH)
    return tuple(ClassRow(name, *(_margin(rules, name, kind) for kind in kinds)) for name in CLASSES)


def _margin(rules: Ruleset, asset_class: str, account_type: str) -> str:
    match model_for("buying_power", asset_class, account_type):
        case "OptionMarginModel":
            return "the premium when bought; a part of the underlying when written"
        case "FutureMarginModel":
            return "by product and date, see futures"
        case "FuturesOptionsMarginModel":
            return "a part of the future's own, by strike"
        case "CashBuyingPowerModel":
            return "the currency that is paid with, in full"
    times = leverage(asset_class, account_type, rules)
    return "in full" if times == 1 else f"{percent(1 / times)} of the value"


def settlements(rules: Ruleset) -> tuple[ClassRow, ...]:
    kinds = (AccountType.MARGIN, AccountType.CASH)
    return tuple(ClassRow(name, *(_settles(rules, name, kind) for kind in kinds)) for name in CLASSES)


def _settles(rules: Ruleset, asset_class: str, account_type: str) -> str:
    rule = settlement_rule(asset_class, account_type, rules)
    if rule.time_of_day is not None:
        days = "the next trading day" if rule.days == 1 else f"{rule.days} trading days later"
        return f"{days} at {rule.time_of_day:%H:%M}, exchange time"
    return "daily, marked to market" if rule.model == "FutureSettlementModel" else "at once"


def future_margins(today: date) -> tuple[FutureRow, ...]:
    """The row in force of every product of the table."""
    rows = []
    for product in tables.read(TABLE)["products"]:
        row = row_on(margin_rows(product), today)
        rows.append(FutureRow(product, row.since, row.initial, row.maintenance, is_current(row, today)))
    return tuple(rows)


def calculate(
    asset_class: str, symbol: str, quantity: Decimal, price: Decimal, *, rules: Ruleset, today: date
) -> Figures:
    """Fee and margin of a market order in an account in US dollars; a negative quantity sells."""
    instrument, order = _instrument(asset_class, symbol), Order(type=OrderType.MARKET, quantity=quantity)
    quote = Quote(price=price, bid=price, ask=price)
    verdict = validate(instrument, order, rules=rules, quote=quote)
    notes = [verdict.sentence] if isinstance(verdict, Denied) else [each.sentence for each in verdict.cautions]
    rate = _dollars(instrument, price)
    if rate is None:
        note = f"The price does not tell what {instrument.currency} is in USD. Choose a pair with USD in it."
        return Figures(taken=verdict.allowed, notes=(*notes, note))
    if asset_class == AssetClass.OPTION and quantity < 0:
        notes.append("What a written option needs follows its underlying and strike; see the margin table.")
    fee_currency, fee = "USD", None
    needed: dict[str, Decimal | None] = {}
    try:
        commission = estimate_fee(instrument, order, quote, rules=rules, fx_rate=rate, usd_rate=rate)
        fee, fee_currency = commission.amount, commission.currency
    except RulebookError as unknown:
        notes.append(unknown.sentence)
    for kind in (AccountType.MARGIN, AccountType.CASH):
        account = Account(type=kind, available=ZERO)
        try:
            power = buying_power(
                instrument,
                order,
                quote,
                account,
                fee=fee or ZERO,
                rules=rules,
                fx_rate=rate,
                base_rate=price * rate,
                today=today,
            )
        except BadInput:
            needed[kind] = None
        except RulebookError as unknown:
            needed[kind] = None
            notes.append(unknown.sentence)
        else:
            needed[kind] = power.required if power.currency == "USD" and power.required else None
            if old := old_figure(instrument, today, rules):
                notes.append(old.sentence)
    return Figures(
        fee=fee,
        fee_currency=fee_currency,
        margin=needed[AccountType.MARGIN],
        cash=needed[AccountType.CASH],
        taken=verdict.allowed,
        notes=tuple(dict.fromkeys(notes)),
    )


def _dollars(instrument: Instrument, price: Decimal) -> Decimal | None:
    """What one unit of the instrument's currency is in dollars, as far as the price tells."""
    if instrument.currency == "USD":
        return ONE
    return ONE / price if instrument.asset_class == AssetClass.FOREX and instrument.base == "USD" else None


def _instrument(asset_class: str, symbol: str) -> Instrument:
    pair = symbol.upper().replace("/", "").replace(".", "") if asset_class == AssetClass.FOREX else symbol.upper()
    return Instrument(
        asset_class=asset_class,
        symbol=pair,
        product=pair,
        currency=pair[3:6] or "USD" if asset_class == AssetClass.FOREX else "USD",
        multiplier=SHARES_OF_AN_OPTION if asset_class == AssetClass.OPTION else ONE,
        lot_size=ONE,
    )
