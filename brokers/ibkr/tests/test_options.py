"""Which option of IBKR a name or a rule means: never another day, strike or class, and nothing of a hostile answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from brokers.domain.brokerage import OrderRefused
from brokers.domain.contracts.candidates import AmbiguousSymbol
from brokers.domain.contracts.picking import rule_of
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr.contracts import options, picks
from brokers.ibkr.contracts.chains import Chains, Desk

TODAY = date(2026, 11, 30)
FRIDAYS = [date(2026, 12, 4) + timedelta(days=7 * each) for each in range(4)]
MONTHLY = date(2026, 12, 18)


def row(conid: int, expiry: date, right: str, strike: object, **values: Any) -> dict[str, Any]:
    return {
        "conid": conid,
        "maturityDate": f"{expiry:%Y%m%d}",
        "right": right,
        "strike": float(str(strike)),
        "multiplier": "100",
        "tradingClass": "SPY",
        "currency": "USD",
        "exchange": "SMART",
        **values,
    }


class Gateway:
    """A chain of SPY: every dollar on Fridays, every five dollars only on the monthly day; calls are counted."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.rows: list[dict[str, Any]] = []
        number = 1
        for strike in range(600, 661):
            for expiry in FRIDAYS:
                if expiry == MONTHLY and strike % 5:
                    continue
                for right in "CP":
                    self.rows.append(row(number, expiry, right, strike))
                    number += 1
        self.search: list[dict[str, Any]] = [
            {
                "conid": "756733",
                "symbol": "SPY",
                "sections": [{"secType": "STK"}, {"secType": "OPT", "months": "DEC26;JAN27"}],
            }
        ]

    async def get(self, path: str, params: Mapping[str, str], parts: Any = None) -> Any:
        self.asked.append(path.rpartition("/")[2])
        await asyncio.sleep(0)
        if path.endswith("search"):
            return self.search
        month = params["month"]
        here = [each for each in self.rows if f"{options.day_of(each['maturityDate']) or TODAY:%b%y}".upper() == month]
        if path.endswith("strikes"):
            strikes = sorted({each["strike"] for each in here})
            return {"call": strikes, "put": strikes}
        strike = Decimal(params["strike"])
        # As IBKR does: an error, and no empty list.
        assert strike in {Decimal(str(each["strike"])) for each in here}, "only strikes of the list are asked about"
        return [each for each in here if Decimal(str(each["strike"])) == strike and each["right"] == params["right"]]


def named(gateway: Gateway, ticker: str, chosen: int | None = None, chains: Chains | None = None) -> Contract:
    instrument = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
    return asyncio.run(picks.find_named(instrument, gateway.get, TODAY, chosen, chains))


def picked(gateway: Gateway, ticker: str, price: str | None = "628.35", chains: Chains | None = None) -> Contract:
    rule = rule_of(ticker)
    assert rule is not None

    async def shown(share: Contract) -> Decimal | None:
        assert share.conid == 756733
        return None if price is None else Decimal(price)

    instrument = Instrument(ticker=ticker, asset_class=AssetClass.OPTION)
    desk = Desk(shown, chains or Chains())
    return asyncio.run(picks.find(instrument, rule, gateway.get, TODAY, desk))


def refused(call: Any, *arguments: Any) -> OrderRefused:
    with pytest.raises(OrderRefused) as refusal:
        call(*arguments)
    assert str(refusal.value).endswith(".")
    return refusal.value


def test_a_name_is_found_with_three_questions() -> None:
    gateway = Gateway()
    contract = named(gateway, "SPY 261211C628")
    assert (contract.ticker, contract.name) == ("SPY 261211C628", "SPY 11 Dec 2026 628 C")
    assert (contract.multiplier, contract.currency) == (Decimal(100), "USD")
    assert gateway.asked == ["search", "strikes", "info"]


def test_of_many_names_each_asks_only_for_what_the_chain_of_the_day_lacks() -> None:
    gateway, chains = Gateway(), Chains()
    first = named(gateway, "SPY 261211C628", chains=chains)
    assert named(gateway, "SPY 261211C628", chains=chains) == first
    assert gateway.asked == ["search", "strikes", "info"]
    named(gateway, "SPY 261204C629", chains=chains)
    # A strike may be listed in the course of the day: the list is read again, and nothing else.
    refused(named, gateway, "SPY 261211C628.5", None, chains)
    gateway.rows.append(row(9001, FRIDAYS[1], "C", "628.5"))
    assert named(gateway, "SPY 261211C628.5", chains=chains).conid == 9001
    assert gateway.asked[3:] == ["info", "strikes", "strikes", "info"]
    # So may a day be.
    gateway.rows.append(row(9002, date(2026, 12, 9), "C", 628))
    assert named(gateway, "SPY 261209C628", chains=chains).conid == 9002
    assert picked(gateway, "SPY C 2026-12-11 628", chains=chains).conid == first.conid
    assert gateway.asked[7:] == ["info"]


@pytest.mark.parametrize(
    ("ticker", "code", "said"),
    [
        ("SPY 261212C628", "unknown-symbol", "ends on 12 Dec 2026, a Saturday. The nearest days are"),
        ("SPY 261211C628.5", "unknown-symbol", "The nearest strikes are 628 or 629. Send one of them."),
        ("SPY 270620C628", "unknown-symbol", "in Jun 2027. The months nearest to it are Dec 2026 and Jan 2027."),
        ("SPY 261127C628", "contract-expired", "expired on 27 Nov 2026"),
        ("QQQ 261211C500", "unknown-symbol", "IBKR lists no options on a US share QQQ"),
    ],
)
def test_a_name_without_a_contract_is_refused_with_what_there_is(ticker: str, code: str, said: str) -> None:
    refusal = refused(named, Gateway(), ticker)
    assert refusal.code == code
    assert said in str(refusal)


def test_of_two_classes_the_usual_one_is_taken_and_else_a_person_chooses() -> None:
    gateway = Gateway()
    gateway.rows.append(row(9001, FRIDAYS[0], "C", 628, tradingClass="SPY1", multiplier="150"))
    assert named(gateway, "SPY 261204C628").conid != 9001
    gateway.rows = [
        row(9001, FRIDAYS[0], "C", 628, tradingClass="SPY1"),
        row(9002, FRIDAYS[0], "C", 628, multiplier="150"),
    ]
    with pytest.raises(AmbiguousSymbol) as several:
        named(gateway, "SPY 261204C628")
    assert [each.conid for each in several.value.candidates] == [9001, 9002]
    chosen = named(gateway, "SPY 261204C628", 9002)
    assert (chosen.conid, chosen.multiplier) == (9002, Decimal(150))


def test_a_class_that_a_split_has_changed_is_found_by_its_digit_alone() -> None:
    gateway = Gateway()
    gateway.rows.append(row(9001, FRIDAYS[0], "C", 628, tradingClass="SPY1"))
    assert named(gateway, "SPY1 261204C628").conid == 9001
    assert named(gateway, "SPY 261204C628").conid != 9001
    missing = refused(named, gateway, "SPY2 261204C628")
    assert (missing.code, "no option of the class SPY2 at 628" in str(missing)) == ("unknown-symbol", True)
    gateway.rows = [row(9001, FRIDAYS[0], "C", 628, tradingClass="SPY1")]
    alone = refused(named, gateway, "SPY 261204C628")
    assert str(alone).endswith("To close such a one send SPY1 261204C628.")


def test_an_answer_about_another_strike_or_without_a_multiplier_is_none() -> None:
    gateway = Gateway()

    async def get(path: str, params: Mapping[str, str], parts: Any = None) -> Any:
        if path.endswith("info"):
            return [
                row(1, FRIDAYS[0], "C", 629),
                row(2, FRIDAYS[0], "P", 628),
                row(3, FRIDAYS[0], "C", 628, multiplier=None),
                row(4, FRIDAYS[0], "C", 628, multiplier="-100"),
                row(5, FRIDAYS[0], "C", 628, maturityDate="20261399"),
                "nonsense",
            ]
        return await gateway.get(path, params)

    instrument = Instrument(ticker="SPY 261204C628", asset_class=AssetClass.OPTION)
    assert "Send another day or strike" in str(refused(lambda: asyncio.run(picks.find_named(instrument, get, TODAY))))


def of_index() -> Gateway:
    """A chain of SPX: the monthly, whose last day is a Thursday, and weeklies on that day and on Fridays."""
    gateway = Gateway()
    gateway.search = [
        {"conid": "416904", "symbol": "SPX", "sections": [{"secType": "IND"}, {"secType": "OPT", "months": "DEC26"}]}
    ]
    days = [date(2026, 12, 11), date(2026, 12, 17), date(2026, 12, 18)]
    weeklies = [row(10 + number, each, "C", 6400, tradingClass="SPXW") for number, each in enumerate(days)]
    gateway.rows = [row(1, date(2026, 12, 17), "C", 6400, tradingClass="SPX"), *weeklies]
    return gateway


@pytest.mark.parametrize(
    ("name", "conid", "ticker"),
    [
        ("SPX 261217C6400", 1, "SPX 261217C6400"),
        # The clearing house names it by the day on whose open it settles.
        ("SPX 261218C6400", 1, "SPX 261217C6400"),
        ("SPXW 261211C6400", 10, "SPXW 261211C6400"),
        ("SPXW 261217C6400", 11, "SPXW 261217C6400"),
        ("SPXW 261218C6400", 12, "SPXW 261218C6400"),
    ],
)
def test_an_option_on_an_index_is_of_the_class_that_is_named(name: str, conid: int, ticker: str) -> None:
    found = named(of_index(), name)
    assert (found.conid, found.ticker) == (conid, ticker)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SPX 261211C6400", "No option of the class SPX ends on 11 Dec 2026. Send SPXW 261211C6400."),
        ("SPXW 261210C6400", "The nearest days are 11 Dec 2026, 17 Dec 2026 and 18 Dec 2026."),
        ("NDX 261218C20000", "IBKR lists no options of the class NDX on the index NDX"),
        ("HSI 261218C20000", "on which Halyard trades no options"),
    ],
)
def test_an_option_on_an_index_that_is_not_listed_is_refused_with_what_there_is(name: str, said: str) -> None:
    gateway = of_index()
    if name.startswith("HSI"):
        gateway.search[0]["symbol"] = "HSI"
    assert said in str(refused(named, gateway, name))


def test_two_indices_of_one_name_are_never_guessed() -> None:
    gateway = of_index()
    gateway.search.append({**gateway.search[0], "conid": "7"})
    assert refused(named, gateway, "SPXW 261211C6400").code == "unknown-symbol"


@pytest.mark.parametrize(
    ("rule", "ticker"),
    [
        ("SPY C +1 weeks out 2", "SPY 261211C630"),
        ("SPY P +1 weeks out 2", "SPY 261211P627"),
        ("SPY C +1 weeks in 1", "SPY 261211C628"),
        ("SPY C +0 days at the money", "SPY 261204C628"),
        # On its monthly day only every fifth dollar is listed: those between count for nothing.
        ("SPY C 2026-12-18 out 2", "SPY 261218C635"),
        ("SPY P 2026-12-18 in 3", "SPY 261218P640"),
        ("SPY C 2026-12-18 at the money", "SPY 261218C630"),
        ("SPY C +3 weeks 610", "SPY 261225C610"),
        ("SPY C +1 weeks out 20", "SPY 261211C648"),
    ],
)
def test_a_rule_picks_its_very_strike_on_its_day(rule: str, ticker: str) -> None:
    contract = picked(Gateway(), rule)
    assert contract.ticker == ticker
    assert contract.name.startswith(f"SPY {int(ticker[8:10])} Dec 2026 ")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("SPY C 2026-12-19 out 1", "a Saturday. The nearest days are"),
        ("SPY C 2026-11-27 out 1", "27 Nov 2026 is over."),
        ("SPY C +2 years out 1", "The last month listed is Jan 2027."),
        ("SPY C +5 weeks out 1", "IBKR lists no options on SPY that end in Jan 2027."),
        ("SPY C +1 weeks 628.5", "The nearest are 628 or 629."),
        ("SPY C 2026-12-18 out 9", "IBKR lists 7 strikes of SPY out of the money at 628.35"),
    ],
)
def test_a_rule_that_nothing_fits_is_refused_with_what_there_is(rule: str, said: str) -> None:
    refusal = refused(picked, Gateway(), rule)
    assert refusal.code == "no-option-fits"
    assert said in str(refusal)


def test_without_a_live_price_nothing_is_counted_and_a_strike_needs_none() -> None:
    assert refused(picked, Gateway(), "SPY C +1 weeks out 2", None).code == "price-required"
    assert picked(Gateway(), "SPY C +1 weeks 630", None).ticker == "SPY 261211C630"


def test_a_second_pick_of_the_day_asks_for_nothing() -> None:
    gateway, chains = Gateway(), Chains()
    picked(gateway, "SPY C +1 weeks out 2", chains=chains)
    first = list(gateway.asked)
    assert first == ["search", "strikes", *["info"] * 6]
    assert picked(gateway, "SPY C +1 weeks out 2", "628.90", chains).ticker == "SPY 261211C630"
    assert gateway.asked == first
    chains.begin(TODAY + timedelta(days=1))
    assert not chains.underlyings


def test_a_strike_that_shows_nothing_is_never_counted_past_and_not_remembered() -> None:
    gateway, chains = Gateway(), Chains()
    hidden = [each for each in gateway.rows if each["strike"] == 629.0]
    strikes = sorted({each["strike"] for each in gateway.rows})

    async def get(path: str, params: Mapping[str, str], parts: Any = None) -> Any:
        if path.endswith("strikes"):
            return {"call": strikes, "put": strikes}
        if path.endswith("info") and params["strike"] == "629" and hidden:
            return {}
        return await gateway.get(path, params)

    async def shown(share: Contract) -> Decimal | None:
        return Decimal("628.35")

    rule = rule_of("SPY C +1 weeks out 2")
    assert rule is not None
    instrument = Instrument(ticker=str(rule), asset_class=AssetClass.OPTION)

    def pick() -> Contract:
        return asyncio.run(picks.find(instrument, rule, get, TODAY, Desk(shown, chains)))

    assert refused(pick).code == "chain-incomplete"
    # The session was renewed: what was empty is asked again, and the right strike is taken.
    hidden.clear()
    assert pick().ticker == "SPY 261211C630"
