"""How many shares a contract delivers whose terms a split has changed, by the splits of its share that were seen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.db.models import F

from brokers.domain.actions.options import delivered
from brokers.domain.actions.reading import Ratio, State
from brokers.domain.contracts.options import OptionName, named
from brokers.models import BrokerageAccount, CorporateAction

# Lists show a share and its options under their new names within so many days, and so many splits are looked back at.
WITHIN, MOST = timedelta(days=4), 10
_KNOWN = [str(State.KNOWN), str(State.SAID)]


def shares_of(account: BrokerageAccount, conid: int) -> Decimal | None:
    """The shares of one contract of this number; None where a split of its share that changed it was not seen, or two were.

    IBKR names no deliverable: it follows from the split, which any account of the team at the same place may have shown.
    """
    ratios: list[Ratio] = []
    under = conid
    known = CorporateAction.objects.filter(account=account, state__in=_KNOWN).exclude(ticker_before="").order_by("-pk")
    action = known.filter(conid=under).first()
    for _ in range(MOST):
        if action is None:
            break
        was, now = named(action.ticker_before), named(action.ticker)
        if was is None or now is None:
            break
        if was.series != now.series:
            ratio = _of_share(account, now, action)
            if ratio is None:
                return None
            ratios.append(ratio)
        under = action.conid_before
        action = known.filter(conid=under, pk__lt=action.pk).first()
    return delivered(ratios[::-1])


def _of_share(account: BrokerageAccount, name: OptionName, action: CorporateAction) -> Ratio | None:
    """The split of the share that changed an option; None where none was seen about then, or several were."""
    shares = CorporateAction.objects.filter(
        team=account.team_id,
        account__connection__environment=account.connection.environment,
        ticker__in={name.underlying, name.root},
        ticker_before="",
        state__in=_KNOWN,
        seen_at__gt=action.seen_at - WITHIN,
        seen_at__lt=action.seen_at + WITHIN,
    ).exclude(new=F("old"))
    ratios = set(shares.values_list("new", "old"))
    if len(ratios) != 1:
        return None
    ((new, old),) = ratios
    return None if new is None or old is None else Ratio(new=new, old=old)
