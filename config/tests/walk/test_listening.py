"""The web process is killed again and again while senders post: nobody is refused, and each signal is stored once."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest

from config.tests.product import Product
from config.tests.watching import eventually, senders

pytestmark = [pytest.mark.walk, pytest.mark.xdist_group("product")]

SENDERS = 4
KILLS = 3


def test_a_killed_web_process_costs_waiting_and_no_refusal(product: Product) -> None:
    assert eventually(product.ready, 60)
    parts = urlsplit(product.demo["webhook_url"])
    over = threading.Event()
    answered = threading.Semaphore(0)

    def send(sender: int) -> int:
        """Post until told to stop, each message on a connection of its own; how many were stored."""
        number = 0
        while not over.is_set():
            body = json.dumps({"ticker": "AAPL", "action": "buy", "quantity": 1, "signalId": f"held-{sender}-{number}"})
            while not _post(parts.hostname or "", parts.port or 0, parts.path, body):
                pass  # it was cut off without an answer; a sender posts the same again
            number += 1
            answered.release()
        return number

    with senders(SENDERS) as pool, contextlib.ExitStack() as end:
        end.callback(over.set)
        sent = [pool.submit(send, sender) for sender in range(SENDERS)]
        for _ in range(KILLS):
            before = product.pid("web")
            product.kill("web")
            assert eventually(functools.partial(_is_another, product, before))
            for _ in range(5 * SENDERS):
                assert answered.acquire(timeout=60), [one.exception(0) for one in sent if one.done()]
        over.set()
        stored = sum(one.result() for one in sent)

    assert product.rows("SELECT count(*), count(DISTINCT key) FROM strategies_signal WHERE key LIKE 'id:held-%%'") == [
        (stored, stored)
    ]


def _is_another(product: Product, before: int) -> bool:
    return product.pid("web") != before


def _post(host: str, port: int, path: str, body: str) -> bool:
    """Whether it was answered with 200. A refused connection is the error that must not be; it is raised."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    assert answer.status == 200
    return True


def test_the_template_may_be_killed_like_any_other_process(product: Product) -> None:
    assert eventually(product.ready, 60)
    template, web, stream = (product.pid(name) for name in ("template", "web", "stream"))
    product.kill("template")
    product.kill("web")
    assert eventually(lambda: product.pid("web") != web)
    assert eventually(product.ready, 60)
    assert eventually(lambda: product.pid("template") != template)
    assert product.pid("stream") == stream
