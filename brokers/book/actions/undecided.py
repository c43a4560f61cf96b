"""What may have been split, and nobody has said so yet: no signal sends an order there, no way out either.

How many shares a way out has to sell follows from the answer. What a person closes by hand is sent for what IBKR shows.
"""

from __future__ import annotations

from collections.abc import Collection

from brokers.book.actions.adjusting import UNDECIDED
from brokers.book.views import Unknown
from brokers.domain.actions.reading import State
from brokers.models import CorporateAction


def load(accounts: Collection[int]) -> dict[tuple[int, int], Unknown]:
    """Why nothing is decided, by account and contract; under both numbers of a contract that got another one."""
    rows = CorporateAction.objects.filter(account__in=accounts, state=str(State.ASKED)).select_related("account")
    return {(row.account_id, conid): _why(row) for row in rows for conid in (row.conid_before, row.conid)}


def _why(row: CorporateAction) -> Unknown:
    reason = (
        f"{row.ticker_before or row.ticker} may have been split in {row.account.account_id}, and nobody has said so yet. Answer the question on the "
        "page of the account, then send the signal again."
    )
    return Unknown(reason=reason, code=UNDECIDED)
