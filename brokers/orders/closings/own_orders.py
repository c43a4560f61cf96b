"""The orders that a closing has sent, and all orders in its instrument that may fill."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Max, Q, QuerySet

from brokers.domain import questions
from brokers.domain.orders import MAY_FILL, AssetClass, OrderStatus, Role
from brokers.models import Closing, Order, SubmissionAttempt
from brokers.models.options import combos

MAY_STILL_FILL = [str(status) for status in MAY_FILL]


def key(closing: Closing, attempt: int) -> uuid.UUID:
    return uuid.uuid5(closing.code, str(attempt))


def sent_for(closing: Closing) -> QuerySet[Order]:
    """The orders sent for it."""
    return Order.objects.filter(
        account=closing.account_id, ticket__key__in=[key(closing, n + 1) for n in range(closing.attempts)]
    )


def may_fill(closing: Closing) -> QuerySet[Order]:
    """The orders that may fill in its instrument; of an option also entries into combos that it is a leg of."""
    here = Order.objects.filter(account=closing.account_id, status__in=MAY_STILL_FILL)
    if closing.asset_class != AssetClass.OPTION or closing.conid < 0:
        return here.filter(conid=closing.conid)
    entries = combos.with_leg(closing.account_id, closing.conid).filter(role=str(Role.ENTRY))
    numbers = set(entries.filter(status__in=MAY_STILL_FILL).order_by().values_list("conid", flat=True))
    return here.filter(Q(conid=closing.conid) | Q(conid__in=numbers, role=str(Role.ENTRY)))


def numbers(closing: Closing) -> set[int]:
    """Every number under which orders and fills move what it closes: of an option also its combos, of a combo also its legs."""
    if closing.asset_class != AssetClass.OPTION:
        return {closing.conid}
    return combos.numbers_beside(closing.account_id, closing.conid)


def began_at(closing: Closing) -> datetime:
    """Since when IBKR has had no order for it: from the wish on, or from the end of the last order that worked.

    What it waited for counts as well: a cancel may take until the market opens.
    """
    here = Q(account=closing.account_id, conid__in=numbers(closing), status=str(OrderStatus.CANCELED))
    own = Q(pk__in=sent_for(closing).values("pk"))
    over = Order.objects.filter(own | here, acknowledged_at__isnull=False).aggregate(at=Max("changed_at"))["at"]
    return max(closing.asked_at, over or closing.asked_at)


def last_words(own: QuerySet[Order]) -> str:
    last = own.order_by("-pk").first()
    return "" if last is None or not last.reason else f"The last one: {last.reason}"


def declined(own: QuerySet[Order]) -> str | None:
    """What became of the last order, where IBKR asked about it and nobody was there to say yes: asking again helps nobody."""
    last = own.order_by("-pk").first()
    if last is None or last.status != OrderStatus.REJECTED:
        return None
    reply = last.attempts.filter(kind=SubmissionAttempt.Kind.REPLY, request__confirmed=False).order_by("-pk").first()
    if reply is None:
        return None
    ids = [str(each) for each in reply.request.get("messages", ())]
    subjects = [questions.PRECAUTIONS[each] for each in ids if each in questions.PRECAUTIONS]
    subject = f"the {subjects[0]}" if subjects else "this order"
    return f"IBKR asked about {subject}, which Halyard does not confirm by itself. {questions.way_out(ids, Role.EXIT)}"
