"""IBKR's rows as facts: executions, positions, money, prices. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from brokers.domain.brokerage import AccountFacts, AccountSummary, ExecutionFacts, PositionFacts
from brokers.domain.capabilities import Capabilities
from brokers.domain.market.borrowing import Borrow
from brokers.domain.market.quotes import HALTED, PRIOR_CLOSE, Quote
from brokers.domain.sessions import AuthStatus
from brokers.domain.tickers import MONTH_CODES, of_broker
from brokers.ibkr import words
from brokers.ibkr.cleaning import account, currency, exchange, mapping, name, one_line, text
from brokers.ibkr.contracts.combos import SPREAD
from brokers.ibkr.numbers import moment, number, quantity, quotient, whole
from brokers.ibkr.texts.explained import MOST_OF_A_STATE, About, explained
from brokers.rulebook.products import futures

Row = Mapping[str, Any]

SNAPSHOT_FIELDS = "31,84,86,6509"
# Shares that can be borrowed, the rate of that, and how hard it is in a word.
BORROW_FIELDS = "7636,7637,7644"
_THOUSANDS = {"K": 10**3, "M": 10**6, "B": 10**9}
_NONE_TO_BORROW = re.compile(r"\b(not|un)[ -]?(shortable|available)\b", re.IGNORECASE)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FUTURE_NAME = re.compile(r"^(?P<root>[A-Z0-9]+)\s+(?P<month>[A-Z]{3})\s?(?P<year>\d{4})\b")
_PAIR_NAME = re.compile(r"[A-Z]{3}\.[A-Z]{3}")
_CLEARING = {"O": "open", "P": "pending", "N": "new", "A": "abandoned", "C": "closed", "R": "rejected"}
# Their cost per unit is a price per unit; that of all others holds the multiplier.
_PRICED_AS_QUOTED = frozenset({"STK", "CASH", "CFD", "CRYPTO", "FUND"})
_VALUED = (("marketPrice", "mktPrice"), ("marketValue", "mktValue"))
# No company has more shares.
_MOST_SHARES = Decimal(10) ** 12
# Nobody has more of them left who is limited at all.
_MOST_DAY_TRADES = 100
_MOST_ACCOUNTS = 500
_HIGHEST_RATE = Decimal(10) ** 9
_LEAST_MULTIPLIER = Decimal("0.1")


def rows(body: Any, key: str | None = None) -> list[Row]:
    """The rows of a list answer, or of the list under `key`; anything that is no row is left out."""
    if key is not None:
        body = body.get(key) if isinstance(body, Mapping) else None
    return [row for row in body if isinstance(row, Mapping)] if isinstance(body, list) else []


def auth_status(body: Any, *, before: AuthStatus | None = None, message: str = "") -> AuthStatus:
    """The brokerage session's status; `before` fills the keys a partial message leaves out."""
    row: Row = body if isinstance(body, Mapping) else {}

    def flag(key: str, fallback: bool) -> bool:
        return bool(row[key]) if key in row else fallback

    authenticated = flag("authenticated", before.authenticated if before else False)
    established: bool | None = None
    if authenticated:
        established = bool(row["established"]) if "established" in row else before.established if before else None
    words = one_line(row.get("fail") or row.get("message") or message)
    why = explained(words, About.SESSION) if words and not authenticated else None
    return AuthStatus(
        authenticated=authenticated,
        connected=flag("connected", before.connected if before else False),
        competing=flag("competing", before.competing if before else False),
        established=established,
        message=why.in_full(MOST_OF_A_STATE) if why else words,
        code=why.code if why else "",
        waiting=flag("wait", fallback=False),
    )


def account_facts(accounts: Any, portfolio: Iterable[Row] = ()) -> list[AccountFacts]:
    """The accounts of a login, from /iserver/accounts and the details of /portfolio/accounts."""
    if not isinstance(accounts, Mapping):
        return []
    details = {name(row.get("accountId") or row.get("id")): row for row in portfolio}
    features, properties = mapping(accounts, "allowFeatures"), mapping(accounts, "acctProps")
    facts = []
    for account_id in account_ids(accounts):
        # Advisors see an artificial account that stands for all their accounts.
        if account_id == "All":
            continue
        detail = details.get(account_id, {})
        # An advisor's client is no advisor: IBKR marks it `faclient`.
        advises = features.get("allowFA") and mapping(properties, account_id).get("hasChildAccounts")
        facts.append(
            AccountFacts(
                account_id=account_id,
                is_paper=bool(accounts.get("isPaper")),
                is_advisor=bool(advises),
                currency=currency(detail.get("currency")),
                title=one_line(detail.get("accountTitle") or detail.get("displayName"), 120),
                capabilities=capabilities(features, mapping(properties, account_id), detail),
            )
        )
    return facts


def account_ids(accounts: Any) -> list[str]:
    """The accounts of an answer by their names, as many as one user can have."""
    listed = mapping(accounts).get("accounts")
    named = [account(each) for each in listed[:_MOST_ACCOUNTS]] if isinstance(listed, list) else []
    return list(dict.fromkeys(each for each in named if each))


def capabilities(features: Row, properties: Row, detail: Row) -> Capabilities:
    """What the account may do, as far as IBKR says: of the user, of the account, and of its portfolio details."""
    lite = [row[key] for row, key in ((features, "liteUser"), (properties, "liteUnderPro")) if key in row]
    closed_to_clients = detail.get("noClientTrading")
    return Capabilities(
        lite=any(lite) if lite else None,
        clearing=_CLEARING.get(text(detail.get("clearingStatus"), 8), ""),
        client_trades=None if closed_to_clients is None else not closed_to_clients,
        asset_types=text(features.get("allowedAssetTypes"), 300),
    )


def permitted(body: Any) -> list[str] | None:
    """The accounts that may trade a contract, from its rules; None where IBKR gives none."""
    rules: Any = body.get("rules") if isinstance(body, Mapping) else None
    named = rules.get("canTradeAcctIds") if isinstance(rules, Mapping) and not rules.get("error") else None
    return [account_id for each in named if (account_id := name(each, 32))] if isinstance(named, list) else None


def account_summary(summary: Any, ledger: Any = None, tags: Any = None, *, currency: str = "USD") -> AccountSummary:
    """Money of one account, from its summary and, where there are such, the base currency row of its ledger, and the tags of
    its portfolio's summary."""
    row: Row = summary if isinstance(summary, Mapping) else {}
    base = mapping(ledger, "BASE")
    return AccountSummary(
        net_liquidation=number(row.get("netLiquidationValue")),
        cash=number(row.get("totalCashValue")),
        buying_power=number(row.get("buyingPower")),
        unrealized_pnl=number(base.get("unrealizedpnl")),
        realized_pnl=number(base.get("realizedpnl")),
        available_funds=number(row.get("availableFunds")),
        settled_cash=_settled(row, base),
        day_trades_left=day_trades(mapping(tags, "daytradesremaining").get("value")),
        currency=currency,
        margin=borrows(row),
    )


def day_trades(value: Any) -> int | None:
    """How many day trades are left: -1 where there is no limit, None for what is no such number."""
    exact = number(value)
    return (
        int(exact)
        if exact is not None and exact == exact.to_integral_value() and -1 <= exact <= _MOST_DAY_TRADES
        else None
    )


def _settled(summary: Row, base: Row) -> Decimal | None:
    """Settled cash in the account's currency: the ledger's, else that of the one balance that a summary lists."""
    if (settled := number(base.get("settledcash"))) is not None:
        return settled
    balances = rows(summary.get("cashBalances"))
    return number(balances[0].get("settledCash")) if len(balances) == 1 else None


def borrows(summary: Any) -> str:
    """Whether the account borrows. IBKR names a cash account so; a whole summary without a type is a margin account's."""
    row = mapping(summary)
    named = row.get("accountType")
    if not isinstance(named, str) or number(row.get("netLiquidationValue")) is None:
        return ""
    return "cash" if re.search(r"\bcash\b", named, re.IGNORECASE) else "margin"


def execution_facts(
    row: Row, *, now: datetime, account_id: str = "", tickers: Mapping[int, str] | None = None
) -> ExecutionFacts | None:
    """One fill; None when the row is too incomplete to be one. `now` stands in for a row without its time."""
    conid = whole(row.get("conid"))
    side = words.READ_SIDES.get(text(row.get("side"), 16).upper())
    size, price = quantity(row.get("size")), number(row.get("price"))
    execution_id = name(row.get("execution_id"))
    if not execution_id or conid is None or side is None or size is None or price is None:
        return None
    order_id = whole(row.get("order_id"))
    fee, security_type = number(row.get("commission")), text(row.get("sec_type"), 8)
    if security_type == "BAG" or conid == SPREAD:
        # A combo as a whole, beside the fills of its legs: nothing is held of it.
        return None
    return ExecutionFacts(
        account_id=name(row.get("account") or row.get("accountCode"), 32) or account_id,
        execution_id=execution_id,
        reference=name(row.get("order_ref")) or None,
        broker_order_id=str(order_id) if order_id else None,
        conid=conid,
        ticker=(tickers or {}).get(conid) or of_broker(ticker(text(row.get("symbol"), 80), security_type), conid),
        side=side,
        quantity=abs(size),
        price=price,
        fee=abs(fee) if fee is not None else None,
        currency=currency(row.get("currency"), ""),
        exchange=exchange(row.get("exchange"), 32),
        executed_at=moment(row.get("trade_time_r"), row.get("trade_time")) or now,
        asset_class=words.asset_class(security_type) if security_type else "",
        money=None if (money := number(row.get("net_amount"))) is None else abs(money),
    )


def position_facts(row: Row, *, account_id: str, tickers: Mapping[int, str] | None = None) -> PositionFacts | None:
    """One holding, in the names of /portfolio2 or of /portfolio; None for a row that holds nothing."""
    conid, held = whole(row.get("conid")), quantity(row.get("position"))
    if conid is None or not held:
        return None
    security_type = text(row.get("assetClass") or row.get("secType"), 8)
    description = text(row.get("description") or row.get("contractDesc") or row.get("ticker"), 120)
    price, worth = (number(row.get(name, row.get(old))) for name, old in _VALUED)
    return PositionFacts(
        account_id=name(row.get("acctId"), 32) or account_id,
        conid=conid,
        ticker=(tickers or {}).get(conid) or of_broker(ticker(description, security_type, _size(row)), conid),
        asset_class=words.asset_class(security_type),
        quantity=held,
        average_cost=average_price(row, security_type),
        market_price=price,
        worth=worth,
        unrealized_pnl=number(row.get("unrealizedPnl")),
        currency=currency(row.get("currency")),
    )


def average_price(row: Row, security_type: str) -> Decimal | None:
    """What one unit was bought at, as quotes are priced; None where the row does not tell.

    `avgCost` of futures and options is money per contract: the price times the multiplier.
    """
    if price := number(row.get("avgPrice")):
        return price
    cost = number(row.get("avgCost"))
    if not cost:
        return None
    if security_type in _PRICED_AS_QUOTED:
        return cost
    multiplier = number(row.get("multiplier")) or _multiplier(row)
    return quotient(cost, multiplier) if multiplier else None


def _multiplier(row: Row) -> Decimal | None:
    """What the row's own market value says; None where it says nothing, or no figure that a contract has."""
    held = quantity(row.get("position"))
    price, worth = (number(row.get(name, row.get(old))) for name, old in _VALUED)
    if not held or not price or not worth:
        return None
    exact = quotient(worth, held * price)
    if exact is None:
        return None
    nearest = exact.quantize(_LEAST_MULTIPLIER)
    return nearest if nearest > 0 and abs(exact - nearest) <= nearest / 1000 else None


def ticker(spelled: str, security_type: str, multiplier: Any = None) -> str:
    """Our ticker for IBKR's name: "BRK B" -> BRK.B, "EUR.USD" -> EURUSD, "MNQ DEC2026" -> MNQZ2026, "EUR DEC2026" ->
    6EZ2026. The multiplier tells futures apart that share a name there."""
    spelled = spelled.strip().upper()
    if security_type == "CASH" or (security_type == "CFD" and _PAIR_NAME.fullmatch(spelled)):
        return spelled.replace(".", "")
    future = _FUTURE_NAME.match(spelled)
    if future and future["month"] in MONTHS and security_type in {"FUT", ""}:
        root = chart_root(future["root"], quantity(multiplier))
        return f"{root}{MONTH_CODES[MONTHS.index(future['month'])]}{future['year']}"
    if security_type == "FUT":
        return chart_root(spelled, quantity(multiplier))
    return spelled.replace(" ", ".") if security_type in {"STK", ""} else spelled


def _size(row: Row) -> Decimal | None:
    """The multiplier of a holding: IBKR's word, or what its value is in units of its price."""
    multiplier = quantity(row.get("multiplier"))
    if multiplier:
        return multiplier
    value, price, held = (number(row.get(key)) for key in ("marketValue", "marketPrice", "position"))
    return quotient(value, price * held) if value and price and held else None


def chart_root(symbol: str, multiplier: Decimal | None) -> str:
    """The chart's root for IBKR's; of several the one of this size."""
    products = futures.sharing(symbol)
    if multiplier is not None:
        # What is worked out from a value is not exact.
        sized = [each.root for each in products if abs(each.multiplier - multiplier) <= each.multiplier / 50]
        if sized:
            return sized[0]
    return futures.chart_root(symbol)


def quote(row: Row, *, now: datetime) -> Quote | None:
    """A market data row with what its prices are; None when it says neither (as the first read of a session).

    Without a subscription or an agreement it says so, and shows no price. Prices without a word are not taken for live.
    """
    flags = text(row.get("6509"), 8)
    shown = flags[:1] not in {"N", "O"}
    bid, ask, last = (_price(row.get(field)) if shown else None for field in ("84", "86", "31"))
    if shown and bid is None and ask is None and last is None:
        return None
    before = text(row.get("31"), 1).upper()
    updated = moment(row.get("_updated")) or now
    return Quote(
        bid=bid,
        ask=ask,
        last=last,
        # A gateway whose clock is ahead of ours shows nothing from tomorrow.
        as_of=min(updated, now),
        flags=flags,
        last_flag=before if last is not None and before in {PRIOR_CLOSE, HALTED} else "",
    )


def borrow(row: Row, *, now: datetime) -> Borrow | None:
    """What a market data row says of borrowing the share; None when it says nothing that can be told for certain."""
    shares = _shares(row.get("7636"))
    # The number counts where both are there: the fields may be of different moments.
    none = shares is None and bool(_NONE_TO_BORROW.search(text(row.get("7644"), 40)))
    if shares is None and not none:
        return None
    rate = number(row.get("7637"))
    updated = moment(row.get("_updated")) or now
    return Borrow(
        as_of=min(updated, now),
        shares=shares,
        rate=rate if rate is not None and 0 <= rate < 10_000 else None,
        none=none,
    )


def _shares(value: Any) -> Decimal | None:
    """A number of shares, also "12.5M"; None for what is none."""
    spelled = value.strip().upper() if isinstance(value, str) and len(value) <= 40 else value
    times = _THOUSANDS.get(spelled[-1:], 1) if isinstance(spelled, str) else 1
    exact = number(spelled[:-1] if isinstance(spelled, str) and times > 1 else spelled)
    return exact * times if exact is not None and 0 <= exact * times < _MOST_SHARES else None


def rate(body: Any) -> Decimal | None:
    """The rate of an answer about two currencies; None where it holds none above zero."""
    exact = _price(mapping(body).get("rate"))
    return exact if exact is not None and exact < _HIGHEST_RATE else None


def _price(value: Any) -> Decimal | None:
    """A price above zero: IBKR shows -1 or 0 where nobody bids."""
    exact = number(value)
    return exact if exact is not None and exact > 0 else None
