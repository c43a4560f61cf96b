"""Which option on a future a name or a rule means: on its own future, at its price, and nothing of a hostile answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.candidates import AmbiguousSymbol
from brokers.domain.contracts.options import named as name_of
from brokers.domain.contracts.picking import rule_of
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr.contracts import finding
from brokers.ibkr.contracts.chains import Chains, Desk

NOW = datetime(2026, 11, 30, 15, tzinfo=UTC)
DEC, MAR = 100, 200
PRICES = {DEC: Decimal(6400), MAR: Decimal("6461.25")}
FRIDAYS = [date(2026, 12, day) for day in (4, 11)]
QUARTERLY, JANUARY = date(2026, 12, 18), date(2027, 1, 15)


def row(conid: int, expiry: date, strike: object, right: str, trading_class: str, **values: Any) -> dict[str, Any]:
    return {
        "conid": conid,
        "maturityDate": f"{expiry:%Y%m%d}",
        "right": right,
        "strike": float(str(strike)),
        "multiplier": "50",
        "tradingClass": trading_class,
        "currency": "USD",
        "exchange": "CME",
        **values,
    }


class Gateway:
    """Options on ES: weeklies each five points and a quarterly each 25 on December, a weekly of its day and January's on March."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.on: dict[int, int] = {}
        self.months: dict[int, str] = {}
        for strike in range(6200, 6651, 5):
            for right in "CP":
                for friday in FRIDAYS:
                    self.add(friday, strike, right, f"EW{friday.day // 7 + 1}", DEC)
                self.add(QUARTERLY, strike, right, "EW3", MAR)
                self.add(JANUARY, strike, right, "EW3", MAR)
                if strike % 25 == 0:
                    self.add(QUARTERLY, strike, right, "ES", DEC)
        sections = [{"secType": "IND"}, {"secType": "FOP", "months": "DEC26;JAN27", "exchange": "CME;"}]
        self.search: list[dict[str, Any]] = [{"conid": "11004968", "symbol": "ES", "sections": sections}]
        self.definitions: dict[int, dict[str, Any]] = {}

    def add(self, expiry: date, strike: object, right: str, trading_class: str, future: int, **values: Any) -> int:
        conid = 1000 + len(self.rows)
        self.rows.append(row(conid, expiry, strike, right, trading_class, **values))
        self.on[conid], self.months[conid] = future, f"{expiry:%b%y}".upper()
        return conid

    async def get(self, path: str, params: Mapping[str, str], parts: Any = None) -> Any:
        self.asked.append(path.rpartition("/")[2])
        await asyncio.sleep(0)
        match path:
            case "iserver/secdef/search":
                return self.search
            case "trsrv/futures":
                return {"ES": self._months()} if params["symbols"] == "ES" else {}
            case "iserver/contract/{conid}/info":
                return {"contract_month": "202612" if parts["conid"] == str(DEC) else "202703", "symbol": "ES"}
            case "trsrv/secdef":
                asked = [int(each) for each in params["conids"].split(",")]
                return {"secdef": [self.definitions.get(conid) or self._definition(conid) for conid in asked]}
        assert (params["sectype"], params["exchange"]) == ("FOP", "CME")
        here = [each for each in self.rows if self.months[each["conid"]] == params["month"]]
        if path.endswith("strikes"):
            strikes = sorted({each["strike"] for each in here})
            return {"call": strikes, "put": strikes}
        strike = Decimal(params["strike"])
        assert strike in {Decimal(str(each["strike"])) for each in here}, "only strikes of the list are asked about"
        return [each for each in here if Decimal(str(each["strike"])) == strike and each["right"] == params["right"]]

    def _months(self) -> list[dict[str, Any]]:
        last = {DEC: 20261218, MAR: 20270319}
        return [{"symbol": "ES", "conid": conid, "expirationDate": day, "ltd": day} for conid, day in last.items()]

    def _definition(self, conid: int) -> dict[str, Any]:
        return {"conid": conid, "undConid": self.on[conid], "currency": "USD", "multiplier": 50.0}


def found(
    gateway: Gateway,
    ticker: str,
    *,
    now: datetime = NOW,
    prices: Mapping[int, Decimal] = PRICES,
    chains: Chains | None = None,
    chosen: int | None = None,
) -> Contract:
    async def shown(future: Contract) -> Decimal | None:
        return prices.get(future.conid)

    instrument = Instrument(ticker=ticker, asset_class=AssetClass.FUTURE_OPTION)
    return asyncio.run(finding.find(instrument, gateway.get, now, chosen, Desk(shown, chains or Chains())))


def refused(gateway: Gateway, ticker: str, **values: Any) -> OrderRefused:
    with pytest.raises(OrderRefused) as refusal:
        found(gateway, ticker, **values)
    assert str(refusal.value).endswith(".")
    return refusal.value


@pytest.mark.parametrize(
    ("rule", "ticker"),
    [
        ("ES C +0 days out 1", "ESZ2026 261204C6405"),
        ("ES P +1 weeks out 2", "ESZ2026 261211P6390"),
        ("ES C +1 weeks in 1", "ESZ2026 261211C6395"),
        ("ES C +1 weeks at the money", "ESZ2026 261211C6400"),
        # January's are on March, which stands higher.
        ("ES C 2027-01-15 out 1", "ESH2027 270115C6465"),
        ("ES P +3 weeks out 1", "ESH2027 270115P6460"),
        # Of the two classes of the quarterly day the future tells which is meant, and of the one only each fifth strike is listed.
        ("ESZ2026 C 2026-12-18 out 1", "ESZ2026 261218C6425"),
        ("ESH2027 C 2026-12-18 out 1", "ESH2027 261218C6465"),
        ("ESH2027 P +1 weeks out 1", "ESH2027 261218P6460"),
        ("ES C +1 weeks 6500", "ESZ2026 261211C6500"),
    ],
)
def test_a_rule_picks_its_strike_by_the_price_of_its_own_future(rule: str, ticker: str) -> None:
    contract = found(Gateway(), rule)
    assert contract.ticker == ticker
    assert (contract.multiplier, contract.currency) == (Decimal(50), "USD")


@settings(max_examples=50)
@given(
    right=st.sampled_from("CP"),
    side=st.sampled_from(["in", "out"]),
    away=st.integers(1, 12),
    december=st.integers(6280, 6560),
    march=st.integers(6280, 6560),
    day=st.sampled_from([*FRIDAYS, JANUARY]),
)
def test_the_strike_is_the_rules_very_one_on_its_side_and_never_of_another_day(
    right: str, side: str, away: int, december: int, march: int, day: date
) -> None:
    gateway = Gateway()
    prices = {DEC: Decimal(december), MAR: Decimal(march)}
    contract = found(gateway, f"ES {right} {day.isoformat()} {side} {away}", prices=prices)
    name = name_of(contract.ticker)
    assert name is not None
    assert (name.expiry, name.right) == (day, right)
    price = prices[gateway.on[contract.conid]]
    assert name.future == ("ESZ2026" if gateway.on[contract.conid] == DEC else "ESH2027")
    above = (right == "C") is (side == "out")
    between = [
        each for each in range(6200, 6651, 5) if (price < each <= name.strike if above else name.strike <= each < price)
    ]
    assert len(between) == away


def test_a_second_pick_of_the_day_asks_for_nothing_but_the_price() -> None:
    gateway, chains = Gateway(), Chains()
    found(gateway, "ES C +1 weeks out 1", chains=chains)
    first = len(gateway.asked)
    found(gateway, "ES C +1 weeks out 1", chains=chains)
    assert gateway.asked[first:] == []


def test_of_several_classes_on_one_day_none_is_guessed() -> None:
    several = refused(Gateway(), "ES C 2026-12-18 out 1")
    assert several.code == "several-options-listed"
    assert "ES on ESZ2026 and EW3 on ESH2027. Name the future: ESH2027 or ESZ2026." in str(several)


@pytest.mark.parametrize(
    ("ticker", "code", "said"),
    [
        ("ESZ2026 261212C6400", "unknown-symbol", "ends on 12 Dec 2026, a Saturday. The nearest days are"),
        ("ESZ2026 261211C6402", "unknown-symbol", "The nearest strikes are 6400 or 6405. Send one of them."),
        ("ESZ2026 270611C6400", "unknown-symbol", "The months nearest to it are Dec 2026 and Jan 2027."),
        ("ESZ2026 261127C6400", "contract-expired", "expired on 27 Nov 2026"),
        ("ESH2027 261211C6400", "unknown-symbol", "none is on ESH2027. Send ESZ2026 261211C6400."),
        ("ESM2027 261211C6400", "unknown-symbol", "IBKR lists no ES future for June 2027."),
        ("ESZ2026 C 2026-12-12 out 1", "no-option-fits", "The nearest days are"),
        ("ESZ2026 C 2027-01-15 out 1", "no-option-fits", "and none is on ESZ2026. Send ESH2027, or another day."),
        ("ES C 2026-12-11 6402", "no-option-fits", "The nearest are 6400 or 6405."),
        ("ES C +9 years out 1", "no-option-fits", "The last month listed is Jan 2027."),
        ("ZZZ C +1 weeks out 1", "unknown-symbol", "IBKR lists no future with the root ZZZ."),
    ],
)
def test_what_is_not_listed_is_refused_with_what_there_is(ticker: str, code: str, said: str) -> None:
    refusal = refused(Gateway(), ticker)
    assert refusal.code == code
    assert said in str(refusal)


def test_without_a_live_price_of_its_future_no_strike_is_counted() -> None:
    assert refused(Gateway(), "ES C +1 weeks out 1", prices={}).code == "price-required"
    # March's is wanted, and December's is no price of it.
    refusal = refused(Gateway(), "ES C 2027-01-15 out 1", prices={DEC: Decimal(6400)})
    assert "IBKR shows no live price of ESH2027" in str(refusal)
    assert found(Gateway(), "ES C 2027-01-15 6500", prices={}).ticker == "ESH2027 270115C6500"


def test_what_ends_with_its_future_is_over_at_the_open() -> None:
    before, after = (datetime(2026, 12, 18, hour, 30, tzinfo=UTC) for hour in (14, 15))
    name = "ESZ2026 261218C6400"
    assert found(Gateway(), name, now=before.replace(minute=29)).ticker == name
    assert refused(Gateway(), name, now=before).code == "contract-expired"
    # What ends that afternoon is the only one left of the day.
    assert found(Gateway(), "ES C +0 days out 1", now=after).ticker == "ESH2027 261218C6465"


def test_the_day_that_is_named_instead_is_one_of_the_named_future() -> None:
    gateway, monday = Gateway(), date(2026, 12, 7)
    for strike in range(6200, 6651, 5):
        gateway.add(FRIDAYS[0], strike, "C", "E1A", DEC)
        gateway.add(monday, strike, "C", "E2A", MAR)
    several = refused(gateway, "ESZ2026 C 2026-12-04 out 1")
    assert several.code == "several-options-listed"
    assert "send the expiration 2026-12-11." in str(several)
    # A signal that names no future may take the next day on any future.
    assert "send the expiration 2026-12-07." in str(refused(gateway, "ES C 2026-12-04 out 1"))


def test_on_a_half_day_options_on_indices_end_a_quarter_past_one() -> None:
    gateway, half_day = Gateway(), date(2026, 12, 24)
    for strike in range(6200, 6651, 5):
        gateway.add(half_day, strike, "C", "EW4", MAR)
    ends, name = datetime(2026, 12, 24, 18, 15, tzinfo=UTC), "ESH2027 261224C6400"
    assert found(gateway, name, now=ends.replace(minute=14)).ticker == name
    assert refused(gateway, name, now=ends).code == "contract-expired"


def test_two_contracts_under_one_name_are_a_persons_choice() -> None:
    gateway = Gateway()
    twin = gateway.add(FRIDAYS[1], 6400, "C", "E2E", DEC)
    with pytest.raises(AmbiguousSymbol) as several:
        found(gateway, "ESZ2026 261211C6400")
    assert twin in {each.conid for each in several.value.candidates}
    assert found(gateway, "ESZ2026 261211C6400", chosen=twin).conid == twin


@pytest.mark.parametrize("told", [{}, {"undConid": None}, {"undConid": "x"}, {"undConid": -1}, {"undConid": 777}])
def test_an_option_of_which_ibkr_does_not_say_the_future_is_never_taken(told: dict[str, Any]) -> None:
    gateway = Gateway()
    gateway.definitions = {each["conid"]: {"conid": each["conid"], **told} for each in gateway.rows}
    assert refused(gateway, "ESZ2026 261211C6400").code == "chain-incomplete"
    assert refused(gateway, "ES C 2026-12-11 out 1").code == "no-option-fits"


def test_a_login_that_is_shown_no_options_on_futures_is_told_so() -> None:
    gateway = Gateway()
    gateway.search[0]["sections"] = [{"secType": "IND"}, {"secType": "FUT", "months": "DEC26"}]
    assert "IBKR lists no options on the future ES to this login now." in str(refused(gateway, "ES C +1 weeks out 1"))
    elsewhere = Gateway()
    elsewhere.search[0]["sections"][1]["exchange"] = "EUREX"
    assert refused(elsewhere, "ES C +1 weeks out 1").code == "unknown-symbol"
    twice = Gateway()
    twice.search.append({**twice.search[0], "conid": "7"})
    assert refused(twice, "ES C +1 weeks out 1").code == "unknown-symbol"


def test_every_rule_of_these_is_spelled_as_it_is_read() -> None:
    for ticker in ("ES C +1 weeks out 1", "6E P 2026-12-04 1.085", "M2KZ2026 C +0 days at the money"):
        assert str(rule_of(ticker)) == ticker
