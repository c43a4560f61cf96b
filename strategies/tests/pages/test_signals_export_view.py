"""The log as a file."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import json
import tracemalloc
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from accounts.models import Team, User
from brokers.tests import rows as broker
from strategies.models import Refusal, Signal, Strategy
from strategies.tests import rows
from strategies.webhook import export, log

pytestmark = pytest.mark.django_db


def refusal(of: Strategy, at: datetime, **values: Any) -> Refusal:
    fields = {
        "status": 400,
        "message_code": "invalid-quantity",
        "sentence": "quantity is -5. Send a number above zero.",
        "body": '{"quantity": -5}',
        "received_at": at,
        **values,
    }
    return Refusal.objects.create(team=of.team, endpoint=of.endpoints.get(), **fields)


def exported(client: Client, team: Team, form: str = "csv", **filters: str) -> str:
    answer = client.get(f"/teams/{team.code}/signals/export.{form}", filters)
    assert answer.status_code == 200
    return b"".join(answer).decode()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_it_holds_what_the_list_shows_newest_first(client: Client, bob: User, team: Team, now: datetime) -> None:
    walk = rows.walk(team, now)
    walk.signal.repeats.create(team=team, log_code=uuid.uuid4(), address="192.0.2.9", received_at=now)
    Signal.objects.filter(pk=walk.signal.pk).update(duplicates=1, warnings=["unknown-field:alertName"])
    refused = refusal(walk.strategy, now + timedelta(seconds=1))
    client.force_login(bob)
    first, second = table(exported(client, team))
    assert (first["kind"], first["log_id"], first["answered"]) == ("refusal", str(refused.log_code), "400")
    assert (second["kind"], second["id"], second["outcome"]) == ("signal", str(walk.signal.code), "accepted")
    assert (second["repeats"], second["test"]) == ("1", "no")
    assert second["received_at"] == "2026-11-20T15:00:00Z"
    assert "alertName is not a field we know." in second["warnings"]
    records = json.loads(exported(client, team, "json"))
    assert [record["log_id"] for record in records] == [str(refused.log_code), str(walk.signal.log_code)]
    assert records[1]["repeated"][0]["address"] == "192.0.2.9"
    assert records[1]["decisions"][0]["rule"] == "R1"
    assert records[1]["reading"] == rows.READING


def test_it_holds_exactly_what_is_filtered(client: Client, bob: User, team: Team, now: datetime) -> None:
    strategy = rows.strategy(team, now)
    match = rows.signal(strategy, now, body='{"comment": "cross"}')
    rows.signal(strategy, now)
    refusal(strategy, now)
    client.force_login(bob)
    assert [row["id"] for row in table(exported(client, team, q="cross"))] == [str(match.code)]
    assert [row["kind"] for row in table(exported(client, team, outcome="refused"))] == ["refusal"]


def test_it_widens_nothing_that_it_cannot_read(client: Client, bob: User, team: Team) -> None:
    client.force_login(bob)
    answer = client.get(f"/teams/{team.code}/signals/export.csv", {"since": "soon"})
    assert answer.status_code == 422
    assert answer.text == "From: Write a day and a time, such as 2026-11-20T15:30."


def test_it_is_not_there_for_a_stranger(client: Client, charlie: User, team: Team) -> None:
    client.force_login(charlie)
    for form in ("csv", "json"):
        assert client.get(f"/teams/{team.code}/signals/export.{form}").status_code == 404


def test_it_shows_no_secret_header(client: Client, bob: User, team: Team, now: datetime) -> None:
    rows.signal(rows.strategy(team, now), now, headers={"user-agent": "Pine", "authorization": "Bearer leaked"})
    client.force_login(bob)
    for form in ("csv", "json"):
        text = exported(client, team, form)
        assert "Pine" in text
        assert "leaked" not in text


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "-A1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_cell_is_a_formula(client: Client, bob: User, team: Team, now: datetime, text: str) -> None:
    refusal(rows.strategy(team, now, text), now, body=text)
    client.force_login(bob)
    [row] = table(exported(client, team))
    assert (row["strategy"], row["body"]) == (f"'{text}", f"'{text}")


def test_a_row_of_the_log_reads_the_same_in_both_files(team: Team, now: datetime, alice: User) -> None:
    signal = rows.signal(rows.strategy(team, now), now, body='{"a": "1, 2"}\n"')
    [row] = filter(None, log.all_rows(team, log.LogFilter()))
    assert table("".join(export.as_csv([row])))[0]["body"] == signal.body
    assert json.loads("".join(export.as_json([row])))[0]["body"] == signal.body
    assert json.loads("".join(export.as_json([]))) == []


@pytest.mark.long
def test_ten_thousand_rows_go_out_whole_and_in_little_memory(
    client: Client, bob: User, team: Team, now: datetime
) -> None:
    strategy = rows.strategy(team, now)
    follower = rows.subscription(strategy, broker.account(team), now)
    endpoint = strategy.endpoints.get()
    body = json.dumps({"ticker": "AAPL", "action": "buy", "comment": "x" * 2_000})
    made = Signal.objects.bulk_create(
        Signal(
            team=team,
            strategy=strategy,
            endpoint=endpoint,
            key=str(number),
            body=body,
            reading=rows.READING,
            ticker="AAPL",
            action="buy",
            received_at=now + timedelta(seconds=2 * number),
            dispatched_at=now,
        )
        for number in range(9_000)
    )
    Refusal.objects.bulk_create(
        Refusal(
            team=team,
            endpoint=endpoint,
            status=400,
            message_code="malformed-json",
            sentence="Not JSON.",
            body=body,
            received_at=now + timedelta(seconds=18 * number + 1),
        )
        for number in range(1_000)
    )
    rows.rejected(made[0], follower, now)
    # Of each ten rows nine are signals, two seconds apart. Where memory is counted, a row takes four times as long.
    (few, little), (many, peak) = (
        _written(team, log.LogFilter(since=now + timedelta(seconds=2 * signals))) for signals in (8_100, 5_400)
    )
    assert (few, many) == (1_001, 4_001)
    # Four times the rows, 8 MB of them, and not many more of them in memory at a time: some wait for the collector.
    assert peak < 2 * little

    client.force_login(bob)
    exported_rows = table(exported(client, team))
    assert len({row["log_id"] for row in exported_rows}) == len(exported_rows) == 10_000
    times = [row["received_at"] for row in exported_rows]
    assert times == sorted(times, reverse=True)


def _written(team: Team, criteria: log.LogFilter) -> tuple[int, int]:
    """How many lines the file has, and how many bytes were in use at a time while it was written."""
    rarely = gc.get_threshold()
    gc.collect()
    # As often as Python does by itself, and the web process with it; the tests' own collector comes more seldom.
    gc.set_threshold(700, 10, 10)
    tracemalloc.start()
    try:
        lines = sum(1 for line in export.as_csv(log.all_rows(team, criteria)) if line)
        return lines, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.set_threshold(*rarely)


@pytest.mark.django_db(transaction=True)
def test_it_is_sent_piece_by_piece(bob: User, team: Team, now: datetime) -> None:
    """As the web process sends it: each piece is read when the one before it is on its way."""
    strategy = rows.strategy(team, now)
    for number in range(5):
        rows.signal(strategy, now + timedelta(seconds=number), body="x" * 40_000)

    async def pieces() -> list[bytes]:
        client = AsyncClient()
        await client.aforce_login(bob)
        answer = await client.get(f"/teams/{team.code}/signals/export.csv")
        pieces_read = [piece async for piece in answer.streaming_content]  # type: ignore[attr-defined]
        await sync_to_async(connections.close_all)()
        return pieces_read

    pieces_read = asyncio.run(pieces())
    assert len(pieces_read) == 3
    assert max(len(piece) for piece in pieces_read) < 120_000
    assert len(table(b"".join(pieces_read).decode())) == 5
