"""A split of what an account holds: what IBKR shows, what became of it here, and what a person says where it is not plain."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.access import row_for
from accounts.models import Role
from accounts.pages.requests import actor_of
from brokers.book.actions import answering, told
from brokers.book.actions.answering import AnswerRefused
from brokers.domain.actions.reading import Ratio, reading_of
from brokers.models import BrokerageAccount, CorporateAction

# On the pages of accounts and contracts, so many of the newest.
MOST = 10


def of_account(account: BrokerageAccount, conid: int | None = None) -> QuerySet[CorporateAction]:
    """The newest splits in an account, or of one contract there."""
    rows = CorporateAction.objects.filter(account=account).select_related("account__connection").order_by("-pk")
    if conid is not None:
        rows = rows.filter(conid=conid) | rows.filter(conid_before=conid)
    return rows[:MOST]


@require_GET
def split(request: HttpRequest, team_code: UUID, split_code: UUID) -> HttpResponse:
    rows = CorporateAction.objects.select_related("account__connection", "decided_by")
    row = row_for(request.user, team_code, rows, split_code)
    likely = reading_of(row.quantity_before, row.quantity)
    context = {
        "row": row,
        "account": row.account,
        "sentence": told.sentence(row),
        "likely": likely,
        "rescalings": row.rescalings.select_related("order").order_by("pk")[:50],
    }
    return render(request, "brokers/split.html", context)


@require_POST
def split_decide(request: HttpRequest, team_code: UUID, split_code: UUID) -> HttpResponse:
    """What a person says: by which ratio it was split, or that it was not."""
    rows = CorporateAction.objects.select_related("account__team")
    row = row_for(request.user, team_code, rows, split_code, Role.TRADER)
    try:
        ratio = None if request.POST.get("choice") == "none" else _ratio(request)
        answering.say(action=row, ratio=ratio, actor=actor_of(request), now=timezone.now())
    except AnswerRefused as refused:
        messages.error(request, f"{refused} ({refused.code})")
        return redirect("split", team_code, split_code)
    if ratio is None:
        messages.success(request, "Everything stays as it is. Signals trade it again.")
    else:
        messages.success(request, "What Halyard keeps of it counts in the shares of now. Signals trade it again.")
    return redirect("split", team_code, split_code)


def _ratio(request: HttpRequest) -> Ratio:
    sent = [request.POST.get(name, "").strip() for name in ("new", "old")]
    if not all(each.isascii() and each.isdigit() and len(each) <= 4 for each in sent):
        raise AnswerRefused("Write both numbers of the ratio, such as 4 for 1.", "split-ratio")
    return Ratio(new=int(sent[0]), old=int(sent[1]))
