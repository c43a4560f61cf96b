"""The order algorithms of a contract."""

from __future__ import annotations

import pytest

from brokers.simulator.tests.conftest import Client


def test_a_share_has_all_algorithms(client: Client) -> None:
    algos = client.get("/iserver/contract/265598/algos")["algos"]
    assert [a["id"] for a in algos] == [
        "Adaptive",
        "ArrivalPx",
        "ClosePx",
        "DarkIce",
        "PctVol",
        "PctVolPx",
        "PctVolSz",
        "PctVolTm",
        "Twap",
        "Vwap",
    ]
    assert set(algos[0]) == {"name", "id"}


def test_what_can_be_set_is_told_on_request(client: Client) -> None:
    path = "/iserver/contract/265598/algos?algos=Vwap;Adaptive&addParams=1&addDescription=1"
    adaptive, vwap = client.get(path)["algos"]
    assert adaptive["parameters"][0]["legalStrings"] == ["Urgent", "Normal", "Patient"]
    assert vwap["description"]
    assert {"startTime", "endTime", "maxPctVol"} <= {p["id"] for p in vwap["parameters"]}


def test_a_pair_has_fewer(client: Client) -> None:
    assert [a["id"] for a in client.get("/iserver/contract/12087792/algos")["algos"]] == ["Adaptive"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/iserver/contract/x/algos", 500),
        ("/iserver/contract/999999999/algos", 500),
        ("/iserver/contract/99999999999999999999/algos", 500),
        ("/iserver/contract/265598/algos?algos=1;2;3;4;5;6;7;8;9", 400),
        ("/iserver/contract/265598/algos?algos=adaptive&addParams=x", 200),
    ],
)
def test_odd_questions_are_answered(client: Client, path: str, status: int) -> None:
    assert client.gateway.call(client.user, "GET", path)[0] == status
