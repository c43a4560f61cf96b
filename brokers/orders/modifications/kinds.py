"""Every reason to change an order where it stands, the most urgent first: an exit may wait for an order to be smaller."""

from __future__ import annotations

from brokers.orders import conversions, resizes
from brokers.orders.changes import ChangeKind
from brokers.orders.modifications import sending

CHANGES: tuple[ChangeKind, ...] = (resizes, sending, conversions)
