"""A night and a week at a paper gateway, with every process for real and a clock that is moved: what leaves, and when."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from brokers.rulebook.calendars import us_shares
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from config.tests import tables
from config.tests.product import Product, running
from config.tests.walk import inside
from config.tests.watching import eventually

# Each test has a product of its own: they need not stand behind those that share one.
pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("another-product")]

NEW_YORK = ZoneInfo("America/New_York")
USER = "NIGHT1"
QUEUED = {"allow_add": True, "restart_entries": "queue"}
SOON = 60.0


def a_wednesday() -> date:
    """A Wednesday to come, with a trading day after it, a weekend, and a Monday with one."""
    day = date.today() + timedelta(days=8)
    while day.weekday() != 2 or not all(us_shares().segments(day + timedelta(days=days)) for days in (1, 5)):
        day += timedelta(days=1)
    return day


@dataclass
class Night:
    """The product and a gateway beside it, by one clock."""

    product: Product
    gateway: RunningGateway
    file: Path
    day: date
    connection: int = 0
    sent: int = 0
    urls: dict[str, str] = field(default_factory=dict)

    def at(self, clock: str, days: int = 0) -> None:
        """Move the clock of all of them to a time in New York, so many days after that Wednesday."""
        hour, minute, second = map(int, clock.split(":"))
        moment = datetime(self.day.year, self.day.month, self.day.day, hour, minute, second, tzinfo=NEW_YORK)
        moment = (moment.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=NEW_YORK).astimezone(UTC)
        theirs = datetime.fromisoformat(self.gateway.control("GET", "/clock")["now"])
        self.gateway.advance(max(0.0, (moment - theirs).total_seconds()))
        move(self.file, moment)

    def send(self, name: str, **message: Any) -> str:
        """POST a signal to a strategy's webhook; the code of its row."""
        self.sent += 1
        body = json.dumps(message | {"signalId": str(self.sent)}).encode()
        request = urllib.request.Request(self.urls[name], body)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["id"])

    def decision(self, signal: str) -> tuple[str, str, str]:
        """The decision about a signal: its status, its code, and what it waits for."""
        query = (
            "SELECT d.status, d.reason_code, d.waiting_for FROM strategies_decision d"
            " JOIN strategies_signal s ON s.id = d.signal_id WHERE s.code = %s"
        )
        rows = self.product.rows(query, signal)
        return rows[0] if rows else ("", "", "")

    def decisions(self) -> list[tuple[Any, ...]]:
        """All of them, for the message of a test that fails."""
        query = (
            "SELECT s.action, s.set_aside, s.note, d.status, d.reason_code, d.waiting_for, d.reason FROM strategies_signal s"
            " LEFT JOIN strategies_decision d ON d.signal_id = s.id ORDER BY s.id"
        )
        return self.product.rows(query)

    def session(self) -> tuple[str, str]:
        query = "SELECT session_status, session_code FROM brokers_connection WHERE id = %s"
        return self.product.rows(query, self.connection)[0]

    def story(self) -> list[tuple[str, str]]:
        query = "SELECT status, code FROM brokers_sessionevent WHERE connection_id = %s ORDER BY id"
        return self.product.rows(query, self.connection)

    def sides(self) -> list[str]:
        """The side of every order that reached the gateway, in order of arrival."""
        posts = self.gateway.journal(USER, method="POST", path="/orders")
        return [json.loads(entry["body"])["orders"][0]["side"] for entry in posts]

    def notices(self) -> list[tuple[str, str]]:
        """Which notices were written down, and what became of their letters."""
        query = (
            "SELECT n.kind, d.status FROM brokers_notice n JOIN brokers_dispatch d ON d.notice_id = n.id"
            " WHERE n.connection_id = %s ORDER BY n.id"
        )
        return self.product.rows(query, self.connection)

    def look(self) -> None:
        """Do now what a worker does every half minute."""
        inside.run(self.product, "look()")

    def until(self, condition: Callable[[], object], what: str) -> None:
        assert eventually(condition, SOON), (what, self.sides(), self.story()[-6:], self.notices(), self.decisions())

    def until_shown(self, *shown: str) -> None:
        self.until(lambda: self.session() == shown, f"{shown} is shown")


def move(file: Path, to: datetime) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(str((to - datetime.now(UTC)).total_seconds()))
    draft.rename(file)


@pytest.fixture
def night(servers: None, django_db_setup: None, tmp_path: Path) -> Iterator[Night]:
    """At half past eleven in the evening, with a connection that is signed in and three strategies that trade by it."""
    day, file = a_wednesday(), tmp_path / "moved"
    move(file, datetime(day.year, day.month, day.day, 23, 30, tzinfo=NEW_YORK))
    behaviour = {"person_signs_in": True, "idle_ttl_s": 1e9, "max_age_s": 1e9}
    moved: dict[str, Any] = {
        "DJANGO_SETTINGS_MODULE": "config.tests.moved_time",
        "MOVED_TIME": str(file),
        "HALYARD_RESET_WINDOWS": "",
    }
    with (
        running_gateway("fast", behaviour=behaviour) as gateway,
        running(tables=tables.made(), **moved) as product,
    ):
        made = Night(product, gateway, file, day)
        made.at("23:30:00")
        gateway.sign_in(USER)
        made.connection = inside.run(product, f"connect({USER!r}, {gateway.base_url(USER)!r})")
        made.until_shown("active", "signed-in")
        query = "SELECT 1 FROM brokers_brokerageaccount WHERE connection_id = %s AND book_as_of IS NOT NULL"
        made.until(lambda: product.rows(query, made.connection), "the book is read")
        names = {
            "Refuses": {"allow_add": True},
            "Short": QUEUED | {"restart_minutes": 1},
            "Long": QUEUED | {"restart_minutes": 60},
        }
        made.urls = inside.run(product, f"follow({made.connection}, **{names!r})")
        yield made


def test_a_night_and_a_week(night: Night) -> None:
    # Before the gate closes everything leaves.
    night.send("Long", ticker="AAPL", action="buy", quantity=1)
    night.send("Short", ticker="MSFT", action="buy", quantity=1)
    night.until(lambda: night.sides() == ["BUY", "BUY"], "both have left")
    held = "SELECT count(*) FROM brokers_position p JOIN brokers_brokerageaccount a ON a.id = p.account_id WHERE a.connection_id = %s"
    night.until(lambda: night.product.rows(held, night.connection) == [(2,)], "both are held")

    # Two minutes before the window it is closed, although IBKR is still there.
    night.at("23:43:01")
    refused = night.send("Refuses", ticker="MSFT", action="buy", quantity=1)
    queued = night.send("Long", ticker="MSFT", action="buy", quantity=1)
    late = night.send("Short", ticker="MSFT", action="buy", quantity=1)
    way_out = night.send("Long", ticker="AAPL", action="exit")
    night.until(lambda: night.decision(refused)[:2] == ("rejected", "broker-restarts"), "an entry is refused")
    waiting = (queued, late, way_out)
    night.until(lambda: all(night.decision(signal)[0] == "pending" for signal in waiting), "the others wait")
    assert night.decision(queued)[2].startswith("IBKR, which restarts its servers until")
    assert night.session() == ("active", "signed-in")

    # IBKR goes away, ends every login, and is back two hours later.
    night.gateway.control("POST", f"/{USER}/daily_reset", {"start_s": 0, "duration_s": 7200})
    night.at("23:45:30")
    night.until_shown("resetting", "nightly-restart")
    night.at("01:40:00", days=1)
    night.until_shown("resetting", "nightly-restart")
    assert [night.decision(signal)[0] for signal in waiting] == ["pending"] * 3

    # It is over, and nobody has signed in: nothing leaves, and what has no time left says so.
    night.at("01:46:30", days=1)
    night.until_shown("signed_out", "login-ended-overnight")
    night.until(lambda: night.decision(late)[0] == "rejected", "what is too late ends")
    assert night.decision(late)[1] in {"stale-signal", "waited-too-long"}
    assert [night.decision(signal)[0] for signal in (queued, way_out)] == ["pending"] * 2
    assert night.sides() == ["BUY", "BUY"]
    assert night.notices() == []

    # Somebody signs in: ways out leave first, then the entry that waited, and no other.
    night.gateway.person_signs_in(USER)
    night.until_shown("active", "signed-in")
    night.until(lambda: len(night.sides()) == 4, "both leave")
    assert night.sides()[2:] == ["SELL", "BUY"]
    filled = "SELECT count(*) FROM brokers_order WHERE connection_id = %s AND status = 'filled'"
    night.until(lambda: night.product.rows(filled, night.connection) == [(4,)], "all of them fill")
    assert [event for event in night.story() if event[1] in {"nightly-restart", "login-ended-overnight"}] == [
        ("resetting", "nightly-restart"),
        ("signed_out", "login-ended-overnight"),
    ]
    assert night.story()[-1] == ("active", "signed-in")

    # In the morning it is signed out again: its owner is told half an hour before the open, and when it trades.
    night.at("08:40:00", days=1)
    night.gateway.sign_out(USER)
    night.until_shown("signed_out", "not-signed-in")
    night.at("08:59:00", days=1)
    night.look()
    assert night.notices() == []
    night.at("09:00:05", days=1)
    night.look()
    night.until(lambda: night.notices() == [("not-ready", "sent")], "its owner is told")
    night.gateway.person_signs_in(USER)
    night.until_shown("active", "signed-in")
    night.look()
    night.until(lambda: night.notices()[1:] == [("ready-again", "sent")], "its owner is told that it trades")

    # The weekend has words of its own, and the week ends every login: on Sunday its owner is reminded before the open.
    night.gateway.control(
        "POST",
        "/faults",
        {"name": "weekend", "match": {"user": USER}, "action": {"weekend": {"duration_s": 14_400}}, "ttl_s": 1e6},
    )
    night.at("23:00:30", days=2)
    night.until_shown("resetting", "weekend-maintenance")
    night.at("03:05:00", days=3)
    night.until_shown("signed_out", "login-ended-overnight")
    night.gateway.person_signs_in(USER)
    night.until_shown("active", "signed-in")
    night.at("09:29:00", days=4)
    night.look()
    assert len(night.notices()) == 2
    night.at("09:30:05", days=4)
    night.look()
    night.until(lambda: night.notices()[2:] == [("weekly-sign-in", "sent")], "its owner is reminded")
    assert night.sides()[4:] == []


def holds(night: Night, query: str, count: int) -> bool:
    return night.product.rows(query, night.connection) == [(count,)]


def test_ways_out_leave_first_though_ibkr_tells_their_contracts_last(night: Night) -> None:
    held = (
        "SELECT count(*) FROM brokers_position p JOIN brokers_brokerageaccount a ON a.id = p.account_id"
        " WHERE a.connection_id = %s"
    )
    for count, ticker in enumerate(("AAPL", "MSFT", "NVDA"), 1):
        night.send("Long", ticker=ticker, action="buy", quantity=1)
        night.until(partial(holds, night, held, count), f"{ticker} is held")
    night.at("23:43:01")
    waiting = [
        night.send("Long", ticker="AAPL", action="buy", quantity=1),
        night.send("Long", ticker="MSFT", action="exit"),
        night.send("Long", ticker="NVDA", action="exit"),
    ]
    night.until(lambda: all(night.decision(signal)[0] == "pending" for signal in waiting), "all of them wait")
    night.gateway.control("POST", f"/{USER}/daily_reset", {"start_s": 0, "duration_s": 7200})
    night.at("23:45:30")
    night.until_shown("resetting", "nightly-restart")
    night.at("01:46:30", days=1)
    night.until_shown("signed_out", "login-ended-overnight")
    # On the new day each contract is asked for anew. That of the entry comes first, and the lane works on before it asks
    # for the others again.
    night.gateway.control(
        "POST",
        "/faults",
        {"match": {"user": USER, "path": "/trsrv/stocks", "nth": 2}, "action": {"status": 503}, "ttl_s": 1e6},
    )
    night.gateway.person_signs_in(USER)
    night.until_shown("active", "signed-in")
    night.until(lambda: len(night.sides()) == 6, "all of them leave")
    assert night.sides()[3:] == ["SELL", "SELL", "BUY"]
