"""What is to happen where a stop that was asked for is missing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class MissingStop(StrEnum):
    """What becomes of an entry, or of the position it made, that has not got the stop it was to have."""

    CANCEL_ENTRY = "cancel_entry"
    PLACE_STOP = "place_stop"
    FLATTEN = "flatten"
    ALARM = "alarm"


# The choice of everybody who has not chosen: nothing is opened without its stop, and what is open gets it.
USUAL = MissingStop.CANCEL_ENTRY
LABELS: Mapping[MissingStop, str] = {
    MissingStop.CANCEL_ENTRY: "Cancel the entry",
    MissingStop.PLACE_STOP: "Place the stop alone",
    MissingStop.FLATTEN: "Flatten",
    MissingStop.ALARM: "Only raise the alarm",
}
EXPLAINED: Mapping[MissingStop, str] = {
    MissingStop.CANCEL_ENTRY: "What has not filled of the entry is canceled; what has filled gets its stop by itself.",
    MissingStop.PLACE_STOP: "The entry works on, and whatever has filled gets its stop as an order of its own.",
    MissingStop.FLATTEN: "The entry is canceled, and what has filled is closed at the market.",
    MissingStop.ALARM: "Nothing is sent: you are told at once, and you decide.",
}
