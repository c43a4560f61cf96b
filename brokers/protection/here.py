"""An instrument in an account, as a look at its protection begins: how much is held, what closes it, what is unexplained."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Exists, Subquery
from django.db.models.functions import Coalesce

from brokers.domain.actions.reading import State
from brokers.domain.protection.scenes import NOTHING
from brokers.models import BrokerageAccount, Closing, CorporateAction, Position, UnexplainedChange
from brokers.protection.endings import TRIED_WITHIN


class Here(NamedTuple):
    """An account, how many units of an instrument our copy of IBKR's list has there, and whether Halyard closes it.

    `change`: how much of it no fill explains, first seen at `changed_at`. `split`: it was split once; `may_be_split`: a
    person is asked whether it was.
    """

    account: BrokerageAccount
    listed: Decimal
    closing: bool
    not_closed: bool
    change: Decimal
    changed_at: datetime | None
    split: bool
    may_be_split: bool


def here_in(account_pk: int, conid: int, now: datetime) -> Here:
    """The account and what is known of the instrument in it, in one statement."""
    here = Closing.objects.filter(account=account_pk, conid=conid)
    failed = here.filter(status=Closing.Status.FAILED, ended_at__gt=now - TRIED_WITHIN)
    listed = Subquery(Position.objects.filter(account=account_pk, conid=conid).values("quantity"))
    change = UnexplainedChange.objects.filter(account=account_pk, conid=conid)
    actions = CorporateAction.objects.filter(account=account_pk, conid=conid)
    account = (
        BrokerageAccount.objects.select_related("team", "connection")
        .annotate(
            listed=Coalesce(listed, NOTHING),
            closing=Exists(here.filter(status=Closing.Status.OPEN)),
            not_closed=Exists(failed),
            change=Coalesce(Subquery(change.values("quantity")), NOTHING),
            changed_at=Subquery(change.values("since")),
            split=Exists(actions.filter(state__in=[str(State.KNOWN), str(State.SAID)])),
            may_be_split=Exists(actions.filter(state=str(State.ASKED))),
        )
        .get(pk=account_pk)
    )
    return Here(
        account,
        account.listed,
        account.closing,
        account.not_closed,
        account.change,
        account.changed_at,
        account.split,
        account.may_be_split,
    )
