"""What must hold of orders that a person placed in TWS: shown for as long as they work, and never touched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from brokers.models import ForeignOrder
from brokers.simulator.exchange import records

if TYPE_CHECKING:
    from brokers.tests.soak.tenant import Tenant

_ONE_ORDER = re.compile(r"/iserver/account/[^/]+/order/(\d+)")


def wrong(tenant: Tenant) -> Iterator[str]:
    """Each breach as a sentence."""
    theirs = {str(each.order_id): each for each in tenant.at_ibkr() if _is_foreign(each)}
    for entry in (each.fields for each in tenant.user.journal):
        named = _ONE_ORDER.search(entry["path"]) if entry["method"] in {"POST", "DELETE"} else None
        if named is not None and named[1] in theirs:
            yield f"F: {entry['method']} was sent for the order {named[1]}, which is somebody else's."
    shown = set(ForeignOrder.objects.filter(account=tenant.account.pk).values_list("broker_order_id", flat=True))
    working = {number for number, each in theirs.items() if each.working}
    for number in working - shown:
        yield f"F: somebody else's order {number} works at IBKR, and is not shown."
    for number in shown - working:
        yield f"F: the order {number} is shown as somebody else's, and does not work at IBKR."


def _is_foreign(order: records.Order) -> bool:
    return not order.reference and order.parent_id is None
