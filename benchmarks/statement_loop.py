"""Where there is no pgbench: the same statement from as many psycopg connections, one thread each."""

from __future__ import annotations

import random
import threading
import time

import psycopg


def rate(database: str, statement: str, clients: int, seconds: float, endpoints: int) -> float:
    """Statements a second of all clients together. `:e` and `:k` in the statement are its variables."""
    query = statement.replace("%", "%%").replace(":e::", "%(e)s::").replace(":k::", "%(k)s::")
    counts = [0] * clients
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        choice = random.Random(number)
        with psycopg.connect(database, autocommit=True) as connection:
            while time.monotonic() < until:
                values = {"e": choice.randint(1, endpoints), "k": choice.getrandbits(63)}
                connection.execute(query, values, prepare=True)
                counts[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
