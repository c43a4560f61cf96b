"""Every kind of need at the broker, the most urgent first."""

from __future__ import annotations

from accounts.feed.needs import Kind
from brokers.needs import elsewhere, ending, orders, protection, sessions, splits

NEEDS = [
    Kind(name="missing stops", rows=protection.lapse_rows, lines=protection.lapses),
    Kind(name="fills of groups that nobody has told", rows=protection.missed_rows, lines=protection.missed_lines),
    Kind(name="failed closings", rows=protection.unclosed_rows, lines=protection.unclosed),
    Kind(name="unconfirmed ways out", rows=protection.declined_rows, lines=protection.declined_lines),
    Kind(name="positions without a stop", rows=protection.unprotected_rows, lines=protection.unprotected_lines),
    Kind(name="orders in doubt", rows=orders.doubtful_rows, lines=orders.doubts),
    Kind(name="orders that IBKR does not cancel", rows=orders.uncanceled_rows, lines=orders.uncanceled),
    Kind(name="orders in no row", rows=elsewhere.orphan_rows, lines=elsewhere.orphans),
    Kind(name="filled orders in no row", rows=elsewhere.unclaimed_rows, lines=elsewhere.unclaimed),
    Kind(name="prompts left to a person", rows=orders.prompt_rows, lines=orders.prompts),
    Kind(name="combos told by half", rows=orders.half_told_rows, lines=orders.half_told),
    Kind(name="second orders", rows=orders.second_rows, lines=orders.seconds),
    Kind(name="options that end", rows=ending.ending_rows, lines=ending.ending),
    Kind(name="splits", rows=splits.split_rows, lines=splits.splits),
    Kind(name="symbols to choose", rows=sessions.symbol_rows, lines=sessions.symbols),
    Kind(name="lost sessions", rows=sessions.lost_rows, lines=sessions.sessions),
    Kind(name="sign-ins ahead", rows=sessions.notice_rows, lines=sessions.notices),
    Kind(name="addresses not confirmed", rows=sessions.unaddressed_rows, lines=sessions.unaddressed),
]
