"""Kill -9 of any one process in the middle of 500 webhooks: nothing accepted is lost, nothing is doubled."""

from __future__ import annotations

import threading

import pytest

from config.tests.product import Product
from config.tests.watching import arrives, eventually, senders

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]

SIGNALS = 500
SENDERS = 8
PATIENCE = 60.0


@pytest.mark.parametrize("name", ["worker", "web", "stream", "gateway", "valkey", "postgres"])
def test_killing_one_process_in_the_middle_loses_nothing_and_doubles_nothing(product: Product, name: str) -> None:
    assert eventually(product.ready, 60)
    _patient_terms(product)
    answered = threading.Semaphore(0)

    def send(number: int) -> str:
        # A sender that got no answer, or a 5xx, sends the same message again, as TradingView does.
        message = {"ticker": "AAPL", "action": "buy", "quantity": 1, "signalId": f"{name}-{number}"}
        status, answer = product.send(PATIENCE, **message)
        assert status == 200, answer
        answered.release()
        return str(answer["id"])

    with senders(SENDERS) as pool:
        sent = [pool.submit(send, number) for number in range(SIGNALS)]
        for _ in range(SIGNALS // 3):
            assert answered.acquire(timeout=PATIENCE)
        product.kill(name)
        signals = {future.result() for future in sent}

    assert len(signals) == SIGNALS
    assert arrives(lambda: product.filled(f"{name}-"), SIGNALS), _left_over(product, name)
    assert _orders(product, name) == SIGNALS
    # At the broker: every order there once, none that we do not know.
    assert product.rows("SELECT count(*) - count(DISTINCT reference) FROM simulator_simorder") == [(0,)]
    assert product.rows(
        "SELECT (SELECT count(*) FROM simulator_simorder), (SELECT count(*) FROM brokers_order WHERE broker_order_id <> '')"
    ) == [(_total(product), _total(product))]
    # A fill counts once: what was executed is what was ordered.
    assert product.rows("SELECT (SELECT sum(quantity) FROM brokers_execution) - sum(quantity) FROM brokers_order") == [
        (0,)
    ]


def _patient_terms(product: Product) -> None:
    """Entries of the demo live ten minutes: this is about loss, and a busy machine must not make it about time."""
    product.rows(
        "UPDATE strategies_termsversion SET values = jsonb_set(values, '{entry_time_to_live_seconds}', '600') RETURNING id"
    )


def _orders(product: Product, name: str) -> int:
    return int(
        product.rows(
            "SELECT count(*) FROM brokers_order o JOIN strategies_decision d ON d.ticket_id = o.ticket_id"
            " JOIN strategies_signal s ON s.id = d.signal_id WHERE s.key LIKE %s",
            f"id:{name}-%",
        )[0][0]
    )


def _total(product: Product) -> int:
    return int(product.rows("SELECT count(*) FROM brokers_order")[0][0])


def _left_over(product: Product, name: str) -> list[tuple[object, ...]]:
    """What has not come to its end, for the message of a failing test."""
    return product.rows(
        "SELECT d.status, d.waiting_for, o.status, o.reason, count(*) FROM strategies_signal s"
        " LEFT JOIN strategies_decision d ON d.signal_id = s.id LEFT JOIN brokers_order o ON o.ticket_id = d.ticket_id"
        " WHERE s.key LIKE %s GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC",
        f"id:{name}-%",
    )
