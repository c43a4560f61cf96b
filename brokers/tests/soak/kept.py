"""Schedules that failed once, the least of each, by the name of what was wrong."""

from __future__ import annotations

from brokers.tests.soak.schedules import Crash, Fault, Place, Schedule, Wait

KEPT: dict[str, Schedule] = {
    # Each look at IBKR's lists counted, and the stream had never spoken after the last of them.
    "what_never_arrived_stays_in_doubt": Schedule(
        (Fault("place_dropped_before"), Crash("lane", 25), Place("near", "sell", 3, ttl=600), Wait(35.0)), resends="all"
    ),
}
