"""What a pooler in transaction mode would break is said on direct connections only, as PostgreSQL's own log has it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config import embedded
from config.supervisor.processes import read_procfile
from config.tests import tables
from config.tests.product import ROOT, Product, running
from config.tests.watching import arrives, eventually

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]
SIGNALS = 6
# What outlives its transaction. TimeZone may be set: the server reports it, and poolers carry what is reported along.
OF_A_SESSION = re.compile(
    r"^(LISTEN|UNLISTEN|DISCARD|PREPARE|DECLARE|LOAD|SET (?!LOCAL|CONSTRAINTS|TRANSACTION)|CREATE (GLOBAL |LOCAL )?TEMP)"
    r"|pg_(try_)?advisory_lock(_shared)?\(|set_config\((?!'TimeZone')[^()]*, false\)|INTO (LOCAL )?TEMP",
    re.IGNORECASE,
)
ENTRY = re.compile(r"^(?P<who>[^|\n]*)\|LOG:  (statement|execute (?P<name>\S+)): (?P<said>.*(\n\t.*)*)", re.MULTILINE)


@pytest.fixture
def product(servers: None, django_db_setup: None, tmp_path: Path) -> Iterator[Product]:
    """A product whose pooled connections have a name at the server."""
    named = (
        'env DATABASE_URL="$DATABASE_URL&application_name=pooled" DATABASE_DIRECT_URL="$DATABASE_URL"'
        " HALYARD_SELF_CONTAINED=on"
    )
    commands = read_procfile(ROOT / "Procfile")
    commands |= {name: f"{named} {commands[name]}" for name in ("web", "worker", "stream")}
    procfile = tmp_path / "Procfile"
    procfile.write_text("".join(f"{name}: {command}\n" for name, command in commands.items()))
    with running(tables=tables.made(), procfile=procfile) as product:
        yield product


def lists_orders(product: Product) -> bool:
    with contextlib.suppress(OSError):
        return bool(product.api("orders/")["results"])
    return False


def test_pooled_connections_say_nothing_that_needs_a_session(product: Product) -> None:
    with psycopg.connect(embedded.urls(product.folder).database, autocommit=True) as session:
        session.execute("ALTER SYSTEM SET log_line_prefix = '%a|'")
        session.execute("ALTER SYSTEM SET log_statement = 'all'")
        session.execute("SELECT pg_reload_conf()")
    for name in ("stream", "worker", "web"):
        product.kill(name)  # what they say when they start is in the log as well
    for number in range(SIGNALS):
        status, answer = product.send(60, ticker="AAPL", action="buy", quantity=1, signalId=f"said-{number}")
        assert status == 200, answer
    assert arrives(lambda: product.filled("said-"), SIGNALS)
    assert eventually(lambda: lists_orders(product))

    log = (product.folder / "postgres.log").read_text(errors="replace")
    said = [(entry["who"], entry["name"], entry["said"]) for entry in ENTRY.finditer(log)]
    pooled = [(name, text) for who, name, text in said if who == "pooled"]
    assert any("brokers_order" in text for _, text in pooled)
    assert [text for _, text in pooled if OF_A_SESSION.search(text)] == []
    assert {name for name, _ in pooled} <= {None, "<unnamed>"}, "prepared by name"
    direct = [text for who, _, text in said if who != "pooled"]
    for sign in ("LISTEN ", "pg_try_advisory_lock(", "SET statement_timeout"):
        assert any(sign in text for text in direct), sign
