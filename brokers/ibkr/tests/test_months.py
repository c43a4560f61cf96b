"""Which contract month of a future is meant: the one named, the one a chart shows, or none that can be guessed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from brokers.domain.brokerage import BrokerUnavailable, OrderRefused
from brokers.domain.orders import AssetClass, Contract, Instrument
from brokers.ibkr import months
from brokers.rulebook.products.futures import PRODUCTS, product_of

TODAY = date(2026, 11, 20)


def future(ticker: str) -> Instrument:
    return Instrument(ticker=ticker, asset_class=AssetClass.FUTURE)


@pytest.mark.parametrize(
    ("ticker", "root", "month"),
    [
        ("MNQZ2026", "MNQ", date(2026, 12, 1)),
        ("MNQZ26", "MNQ", date(2026, 12, 1)),
        ("MNQZ6", "MNQ", date(2026, 12, 1)),
        ("ESH7", "ES", date(2027, 3, 1)),
        ("ESH4", "ES", date(2034, 3, 1)),
        ("6EZ2026", "6E", date(2026, 12, 1)),
        ("M2KH2027", "M2K", date(2027, 3, 1)),
        ("M2K", "M2K", None),
        ("ES1!", "ES", None),
        ("ZN", "ZN", None),
    ],
)
def test_it_reads_the_name_of_a_future(ticker: str, root: str, month: date | None) -> None:
    assert months.parse_future(ticker, TODAY) == (root, month, 1)


def test_it_reads_the_contract_behind_the_front_one() -> None:
    assert months.parse_future("NQ2!", TODAY) == ("NQ", None, 2)


MONTHS = [
    {"symbol": "ES", "conid": 4, "expirationDate": 20270318, "ltd": 20270318},
    {"symbol": "ES", "conid": 3, "expirationDate": 20261218, "ltd": 20261217},
    {"symbol": "ES", "conid": 2, "expirationDate": 20260918, "ltd": 20260917},
]


def choose(root: str, month: date | None, listed: list[Any]) -> Contract:
    return months.choose_future(future(root), listed, root=root, month=month, today=TODAY)


def test_it_takes_the_month_asked_for() -> None:
    assert choose("ES", date(2027, 3, 1), MONTHS).conid == 4


def test_it_takes_the_first_month_that_still_trades() -> None:
    assert choose("ES", None, MONTHS).conid == 3


@pytest.mark.parametrize(
    ("today", "nth", "conid"),
    [
        (date(2026, 12, 15), 1, 3),
        (date(2026, 12, 15), 2, 4),
        # Two days before it expires on the 18th, the contract behind it is the front one.
        (date(2026, 12, 16), 1, 4),
    ],
)
def test_a_continuous_contract_rolls_two_days_before_it_expires(today: date, nth: int, conid: int) -> None:
    assert months.choose_future(future("ES"), MONTHS, root="ES", month=None, today=today, nth=nth).conid == conid


def test_it_does_not_roll_into_what_is_not_listed() -> None:
    with pytest.raises(OrderRefused, match="no further ES future"):
        months.choose_future(future("ES2!"), MONTHS, root="ES", month=None, today=date(2026, 12, 16), nth=2)


def test_it_knows_that_crude_oil_ends_a_month_early() -> None:
    listed = [{"conid": 1, "ltd": 20261120}, {"conid": 2, "ltd": 20261221}]
    assert choose("CL", date(2027, 1, 1), listed).conid == 2


def test_it_knows_that_sofr_is_named_after_its_beginning() -> None:
    assert choose("SR3", date(2026, 12, 1), [{"conid": 1, "ltd": 20261215}, {"conid": 2, "ltd": 20270316}]).conid == 2


@pytest.mark.parametrize(("month", "listed"), [(date(2026, 9, 1), MONTHS), (date(2028, 3, 1), MONTHS), (None, [])])
def test_it_refuses_a_month_that_is_not_listed(month: date | None, listed: list[Any]) -> None:
    with pytest.raises(OrderRefused) as refused:
        choose("ES", month, listed)
    assert refused.value.code == "unknown-symbol"


def every_month(root: str, *, last: int = 27, first: date = date(2026, 6, 1)) -> list[dict[str, Any]]:
    """All twelve months a year, serial ones too, as IBKR lists a product."""
    product = product_of(root)
    ends = product.ends if product else 0
    listed = []
    for index in range(24):
        named = first.year * 12 + first.month - 1 + index
        over = named - ends
        day = int(f"{over // 12}{over % 12 + 1:02}{last:02}")
        code = named // 12 * 100 + named % 12 + 1
        listed.append({"conid": code, "expirationDate": day, "ltd": day})
    return listed


@pytest.mark.parametrize(
    ("ticker", "today", "month"),
    [
        # Gold: delivery of December may be announced from 30 November on.
        ("GC", date(2026, 11, 25), 202612),
        ("GC1!", date(2026, 11, 27), 202702),
        ("GC", date(2026, 12, 3), 202702),
        ("MGC2!", date(2026, 11, 25), 202702),
        # October is listed and nobody trades it.
        ("GC1!", date(2026, 7, 29), 202608),
        ("GC1!", date(2026, 7, 30), 202612),
        # Silver and copper have serial months between.
        ("SI1!", date(2026, 12, 1), 202703),
        ("HG", date(2026, 9, 15), 202612),
        ("PL1!", date(2026, 11, 20), 202701),
        # Currencies: serial months are listed, and no chart shows them.
        ("6E1!", date(2026, 11, 20), 202612),
        ("EUR", date(2026, 10, 1), 202612),
        ("6J2!", date(2026, 11, 20), 202703),
        # Treasuries are left before their month begins, although they trade until its end.
        ("ZN1!", date(2026, 11, 24), 202612),
        ("ZN1!", date(2026, 11, 27), 202703),
        ("ZT", date(2026, 12, 10), 202703),
        # Grains.
        ("ZC1!", date(2026, 9, 1), 202612),
        ("ZC1!", date(2026, 11, 27), 202703),
        ("ZS1!", date(2026, 11, 20), 202701),
        # Softs announce delivery earlier still.
        ("KC1!", date(2026, 11, 17), 202612),
        ("KC1!", date(2026, 11, 19), 202703),
        ("CT1!", date(2026, 8, 20), 202612),
        ("LE1!", date(2026, 11, 20), 202612),
        ("BTC1!", date(2026, 11, 20), 202611),
    ],
)
def test_a_continuous_contract_is_the_month_its_chart_shows(ticker: str, today: date, month: int) -> None:
    name, _, nth = months.parse_future(ticker, today)
    root = {"EUR": "6E"}.get(name, name)
    listed = every_month(root)
    chosen = months.choose_future(future(ticker), listed, root=root, month=None, today=today, nth=nth)
    assert (chosen.conid, chosen.ticker[-4:]) == (month, str(month)[:4])


@pytest.mark.parametrize("root", [root for root, each in PRODUCTS.items() if each.notice is not None])
def test_no_continuous_contract_is_held_on_its_first_notice(root: str) -> None:
    product = PRODUCTS[root]
    for ahead in range(400):
        today = TODAY + timedelta(days=ahead)
        chosen = months.choose_future(future(root), every_month(root), root=root, month=None, today=today)
        notice = product.first_notice(date(chosen.conid // 100, chosen.conid % 100, 1))
        assert notice is not None
        assert today < notice


@pytest.mark.parametrize(("today", "conid"), [(date(2026, 11, 17), 1), (date(2026, 11, 18), 2)])
def test_it_leaves_a_contract_before_ibkr_would_close_it(today: date, conid: int) -> None:
    listed = [
        {"conid": 1, "expirationDate": 20270226, "ltd": 20270226, "longFuturesCutOff": 20261118},
        {"conid": 2, "expirationDate": 20270430, "ltd": 20270430, "longFuturesCutOff": 20270330},
    ]
    assert months.choose_future(future("LE"), listed, root="LE", month=None, today=today).conid == conid


def test_it_asks_for_the_month_of_a_root_it_does_not_know() -> None:
    with pytest.raises(OrderRefused) as refused:
        months.choose_future(future("XYZ1!"), every_month("XYZ", first=TODAY), root="XYZ", month=None, today=TODAY)
    assert refused.value.code == "contract-month-needed"
    assert str(refused.value) == (
        "Which month of XYZ a chart shows is not known here, and a wrong one is not guessed. "
        "Name one that is listed: XYZX2026, XYZZ2026 or XYZF2027."
    )
    advised = str(refused.value).rsplit(" ", 1)[1].rstrip(".")
    root, month, _ = months.parse_future(advised, TODAY)
    assert (
        months.choose_future(future(advised), every_month("XYZ"), root=root, month=month, today=TODAY).conid == 202701
    )


class Broker:
    """IBKR's answers about contracts, by path."""

    def __init__(self, **listed: list[dict[str, Any]]) -> None:
        self.listed, self.sizes, self.info = listed, {}, None
        self.paths: list[str] = []

    sizes: dict[int, float]
    info: Any

    async def get(self, path: str, params: Mapping[str, str], parts: Mapping[str, str] | None = None) -> Any:
        self.paths.append(path)
        if path == "trsrv/futures":
            symbol = params["symbols"]
            return {symbol: self.listed[symbol]} if symbol in self.listed else {}
        if path == "trsrv/secdef":
            conids = [int(conid) for conid in params["conids"].split(",")]
            return {"secdef": [{"conid": conid, "multiplier": self.sizes.get(conid)} for conid in conids]}
        if isinstance(self.info, Exception):
            raise self.info
        return self.info


async def contract_of(broker: Broker, ticker: str) -> Contract:
    return await months.find(future(ticker), broker.get, TODAY)


@pytest.mark.parametrize(
    ("ticker", "symbol", "named"),
    [
        ("BTCX2026", "BRR", "BTCX2026"),
        ("ETH1!", "ETHUSDRR", "ETHX2026"),
        ("6MZ2026", "MXP", "6MZ2026"),
        ("EURZ2026", "EUR", "6EZ2026"),
        ("VIXZ2026", "VIX", "VXZ2026"),
        ("BRR", "BRR", "BTCX2026"),
        ("SR3Z2026", "SOFR3", "SR3Z2026"),
        ("FGBL1!", "GBL", "FGBLZ2026"),
        # Where IBKR knows the chart's own name after all.
        ("SR3Z2026", "SR3", "SR3Z2026"),
    ],
)
async def test_the_root_is_asked_for_by_ibkrs_name(ticker: str, symbol: str, named: str) -> None:
    root = named[:-5]
    assert (await contract_of(Broker(**{symbol: every_month(root)}), ticker)).ticker == named


async def test_products_that_share_a_symbol_are_told_apart_by_their_size() -> None:
    broker = Broker(DAX=[{"conid": size, "ltd": 20261218, "expirationDate": 20261218} for size in (25, 5, 1)])
    broker.sizes = {25: 25.0, 5: 5.0, 1: 1.0}
    assert [(await contract_of(broker, f"{root}1!")).conid for root in ("FDAX", "FDXM", "FDXS")] == [25, 5, 1]


async def test_a_symbol_of_several_products_is_no_name_of_one() -> None:
    with pytest.raises(OrderRefused, match=r"FDAX \(25 EUR a point\), FDXM \(5 EUR a point\)") as refused:
        await contract_of(Broker(), "DAXZ2026")
    assert refused.value.code == "ambiguous-symbol"


async def test_two_sizes_of_which_none_is_ours_are_not_guessed_between() -> None:
    broker = Broker(GC=[{"conid": size, "ltd": 20270224, "expirationDate": 20270224} for size in (7, 8)])
    broker.sizes = {7: 33.0, 8: 50.0}
    with pytest.raises(OrderRefused, match="no future with the root GC"):
        await contract_of(broker, "GC1!")


async def test_ibkrs_own_word_on_the_month_beats_our_table() -> None:
    # By its last days this product would be named a month earlier.
    broker = Broker(XYZ=[{"conid": 1, "ltd": 20261220}, {"conid": 2, "ltd": 20270120}])
    broker.info = {"contract_month": "202701"}
    assert (await contract_of(broker, "XYZF2027")).conid == 1
    broker.info = {"contract_month": "JAN27"}
    assert (await contract_of(broker, "XYZG2027")).conid == 2


@pytest.mark.parametrize(
    "info", [{}, None, {"contract_month": None}, {"contract_month": "soon"}, BrokerUnavailable("x")]
)
async def test_without_ibkrs_word_the_last_day_names_the_month(info: Any) -> None:
    broker = Broker(XYZ=[{"conid": 1, "ltd": 20261220}, {"conid": 2, "ltd": 20270120}])
    broker.info = info
    assert (await contract_of(broker, "XYZF2027")).conid == 2


@pytest.mark.parametrize(
    "row", [{"conid": 1, "ltd": 20269999}, {"conid": "x", "ltd": 20270120}, {"ltd": 20270120}, {"conid": 1}, {}]
)
async def test_rows_that_cannot_be_read_are_no_months(row: dict[str, Any]) -> None:
    with pytest.raises(OrderRefused, match="IBKR lists no future with the root ES"):
        await contract_of(Broker(ES=[row]), "ES1!")


async def test_the_advice_in_a_refusal_works() -> None:
    broker = Broker(ES=every_month("ES", first=date(2026, 12, 1)))
    with pytest.raises(OrderRefused, match="Name one that is listed: ESZ2026, ESF2027 or ESG2027") as refused:
        await contract_of(broker, "ESU2026")
    assert refused.value.code == "unknown-symbol"
    assert (await contract_of(broker, "ESZ2026")).ticker == "ESZ2026"
