"""The broker's order algorithms: which a contract has, and what can be set on each."""

from __future__ import annotations

from typing import Any


def _parameter(rank: int, id_: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"guiRank": rank, "id": id_, "name": name, "valueClassName": kind} | more


def _share(rank: int, id_: str, name: str, *, most: float = 50, required: bool = True) -> dict[str, Any]:
    limits = {"minValue": 0.01, "maxValue": most, "description": f"From 0.01 to {most:.1f}"}
    return _parameter(rank, id_, name, "Double", **limits, **({"required": "true"} if required else {}))


def _times(rank: int) -> list[dict[str, Any]]:
    return [
        _parameter(rank, "startTime", "Start Time", "Time", description="Defaults to start of market trading"),
        _parameter(rank + 1, "endTime", "End Time", "Time", description="Defaults to end of market trading"),
    ]


def _choice(rank: int, id_: str, name: str, default: str, *legal: str) -> dict[str, Any]:
    return _parameter(rank, id_, name, "String", defaultValue=default, legalStrings=list(legal), required="true")


def _switch(rank: int, id_: str, name: str) -> dict[str, Any]:
    return _parameter(rank, id_, name, "Boolean", defaultValue=False)


_RISK = ("GetDone", "Aggressive", "Neutral", "Passive")
_NO_TAKE = _switch(9, "noTakeLiq", "Attempt to never take liquidity")
_PAST_END = _switch(8, "allowPastEndTime", "Allow trading past end time")

# id -> name, what it does, what can be set.
_ALGOS: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "Adaptive": (
        "Adaptive",
        "Looks for a better price than the spread offers, with more or less patience.",
        [_choice(1, "adaptivePriority", "Adaptive order priority/urgency", "Normal", "Urgent", "Normal", "Patient")],
    ),
    "ArrivalPx": (
        "Arrival Price",
        "Aims at the mid price of the moment the order arrived.",
        [
            _share(2, "maxPctVol", "Max Percentage"),
            _choice(3, "riskAversion", "Urgency/Risk aversion", "Neutral", *_RISK),
            *_times(4),
            _switch(7, "forceCompletion", "Attempt completion by EOD"),
            _PAST_END,
        ],
    ),
    "ClosePx": (
        "Close Price",
        "Aims at the closing price without moving it.",
        [
            _share(2, "maxPctVol", "Max Percentage"),
            _choice(3, "riskAversion", "Urgency/Risk aversion", "Neutral", *_RISK),
            _times(4)[0],
            _switch(7, "forceCompletion", "Attempt completion by EOD"),
        ],
    ),
    "DarkIce": (
        "DarkIce",
        "Shows a part of the order, of a size that varies.",
        [_parameter(1, "displaySize", "Display Size", "Int", required="true"), *_times(4), _PAST_END],
    ),
    "PctVol": (
        "Percentage of Volume",
        "Takes part in the market's volume at a set share.",
        [_share(1, "pctVol", "Target Percentage"), *_times(4), _NO_TAKE],
    ),
    "PctVolPx": (
        "Price Variant Percentage of Volume",
        "Takes part more while the price is better.",
        [
            _share(1, "pctVol", "Target Percentage"),
            _share(2, "deltaPctVol", "Target Percentage Change Rate"),
            _share(3, "minPctVol4Px", "Minimum Target Percentage"),
            _share(4, "maxPctVol4Px", "Maximum Target Percentage"),
            *_times(5),
            _NO_TAKE,
        ],
    ),
    "PctVolSz": (
        "Size Variant Percentage of Volume",
        "Takes part more, or less, as the order is filled.",
        [
            _share(1, "startPctVol", "Initial Target Percentage"),
            _share(2, "endPctVol", "Terminal Target Percentage"),
            *_times(4),
            _NO_TAKE,
        ],
    ),
    "PctVolTm": (
        "Time Variant Percentage of Volume",
        "Takes part more, or less, as time passes.",
        [
            _share(1, "startPctVol", "Initial Target Percentage"),
            _share(2, "endPctVol", "Terminal Target Percentage"),
            *_times(4),
            _NO_TAKE,
        ],
    ),
    "Twap": (
        "TWAP",
        "Spreads the order evenly over time.",
        [
            _choice(
                1,
                "strategyType",
                "Trade Type",
                "Marketable",
                "Marketable",
                "Matching Midpoint",
                "Matching Same Side",
                "Matching Last",
            ),
            *_times(4),
            _PAST_END,
        ],
    ),
    "Vwap": (
        "VWAP",
        "Spreads the order over time as the market's volume is spread.",
        [
            _share(1, "maxPctVol", "Max Percentage", required=False),
            *_times(4),
            _switch(7, "speedUp", "Opt out of slow trading when the end is near"),
            _PAST_END,
            _NO_TAKE,
        ],
    ),
}
_OF_CLASS: dict[str, tuple[str, ...]] = {
    "STK": tuple(_ALGOS),
    "OPT": ("Adaptive",),
    "FUT": ("Adaptive", "ArrivalPx", "PctVol", "Twap", "Vwap"),
    "CASH": ("Adaptive",),
}


def rows(sec_type: str, *, ids: tuple[str, ...], describe: bool, parameters: bool) -> list[dict[str, Any]]:
    """The algorithms of an asset class, narrowed to `ids` where there are any."""
    described = []
    for id_ in _OF_CLASS.get(sec_type, ()):
        if ids and id_ not in ids:
            continue
        name, what, settings = _ALGOS[id_]
        row: dict[str, Any] = {"name": name, "id": id_}
        if describe:
            row["description"] = what
        if parameters:
            row["parameters"] = settings
        described.append(row)
    return described
