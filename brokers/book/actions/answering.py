"""What a person says of a change that may be a split: by which ratio it was one, or that it was none."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.feed.needs import needs_changed
from accounts.models import User
from accounts.refusals import Refusal
from brokers import live
from brokers.book.actions import adjusting, noticing
from brokers.domain.actions.reading import MOST_FOR_ONE, Ratio, State, fits
from brokers.domain.sentences import grouped
from brokers.models import BrokerageAccount, CorporateAction
from brokers.postgres.notices import DECISIONS_CHANNEL, notify


class AnswerRefused(Refusal):
    """This cannot be said of it."""


@transaction.atomic
def say(*, action: CorporateAction, ratio: Ratio | None, actor: User | None, now: datetime) -> None:
    """A split by this ratio, or none. Raises AnswerRefused, whose sentence says why."""
    # The account first, as every reading of its positions does.
    BrokerageAccount.objects.select_for_update(no_key=True).get(pk=action.account_id)
    row = CorporateAction.objects.select_for_update().select_related("account__team").get(pk=action.pk)
    if row.state != State.ASKED:
        raise AnswerRefused("This was answered already. Look at the page of the account.", "split-answered")
    if ratio is not None:
        _check(row, ratio)
        row.new, row.old = ratio.new, ratio.old
        row.fraction = ratio.exact(row.quantity_before) - ratio.whole(row.quantity_before)
    row.state, row.decided_at, row.decided_by = State.NONE if ratio is None else State.SAID, now, actor
    row.save()
    if ratio is not None:
        adjusting.follow(row, ratio, actor)
        return
    audit.record(
        team=row.account.team,
        actor=actor,
        action="position.no_split",
        subject=row.ticker,
        now=now,
        after={"account": row.account.account_id, "held": [str(row.quantity_before), str(row.quantity)]},
    )
    needs_changed(row.team_id)
    live.account_changed(row.account)
    notify(DECISIONS_CHANNEL, str(row.account.connection_id))


def _check(row: CorporateAction, ratio: Ratio) -> None:
    if not (0 < ratio.new <= MOST_FOR_ONE and 0 < ratio.old <= MOST_FOR_ONE):
        raise AnswerRefused(f"A split is of 1 to {MOST_FOR_ONE} shares. Write it as IBKR announced it.", "split-ratio")
    if ratio.is_one and row.conid == row.conid_before and not row.ticker_before:
        raise AnswerRefused("One for one changes nothing. Say that it was no split instead.", "split-ratio")
    fills = noticing.fills_of(row.account, {row.conid, row.conid_before}, row.before_at, row.seen_at)
    if not fits(ratio, row.before, row.after, [fill.dealt for fill in fills]):
        raise AnswerRefused(
            f"{ratio.new} for {ratio.old} does not make {grouped(row.quantity)} of {grouped(row.quantity_before)}. Look at the "
            "announcement again: the new shares come first.",
            "split-ratio",
        )
