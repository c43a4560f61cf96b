"""The simulated gateway's control plane, asked about one of our own users at a time."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Collection
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

from brokers.domain.sessions import Environment, SimulatedPrices
from brokers.models import Connection

TIMEOUT_S = 2.0
PAGE_TIMEOUT_S = 0.5
log = logging.getLogger(__name__)


class ControlPlaneAway(Exception):
    """The simulated broker cannot be asked; the message is a sentence."""


def is_there() -> bool:
    """Whether this installation runs a simulated broker whose control plane we may use."""
    return bool(settings.SIMULATOR and settings.SIM_CONTROL_TOKEN)


def ask(
    method: str, username: str, what: str, body: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S
) -> Any:
    """One request about one username, to this installation's own gateway and nowhere else."""
    address = urlsplit(settings.GATEWAY_URL)
    link = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)
    headers = {"Authorization": f"Bearer {settings.SIM_CONTROL_TOKEN}", "Content-Type": "application/json"}
    try:
        link.request(method, f"/sim/v1/{quote(username, safe='')}/{what}", json.dumps(body or {}), headers)
        answer = link.getresponse()
        body_read = answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise ControlPlaneAway("The simulated broker does not answer. Check that its process runs.") from problem
    finally:
        link.close()
    if answer.status >= 400:
        raise ControlPlaneAway(
            f"The simulated broker answered {answer.status}. Check that it runs with this installation's SIM_CONTROL_TOKEN."
        )
    return json.loads(body_read)


def trades_at_signals(connection: Connection) -> bool:
    """Whether the orders of a connection meet the prices of their signals: by its own switch, or the installation's."""
    if connection.environment != Environment.SIMULATED or not is_there():
        return False
    return SimulatedPrices.SIGNAL in (settings.SIM_PRICES, connection.prices)


def set_price(username: str, conid: int, price: Decimal) -> None:
    """Set a contract's price to the signal's before the order arrives. A failure is logged, and the order still leaves."""
    try:
        ask("POST", username, "signal", {"conid": conid, "price": str(price), "source": "signal"})
    except ControlPlaneAway as problem:
        log.warning("The signal's price could not be set: %s", problem)


def release_prices(username: str, conids: Collection[int]) -> None:
    """Let contracts trade at the market's own prices again. A failure is logged: the prices lapse by themselves."""
    try:
        ask("DELETE", username, "signal", {"conids": sorted(conids)})
    except ControlPlaneAway as problem:
        log.warning("The signals' prices could not be released: %s", problem)


def never_closes(username: str) -> bool | None:
    """Whether the simulated market trades at any hour; None where it cannot be asked. A page waits for the answer."""
    if not is_there():
        return None
    try:
        return bool(ask("GET", username, "market", timeout_s=PAGE_TIMEOUT_S)["always_open"])
    except ControlPlaneAway:
        return None
