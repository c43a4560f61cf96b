"""Pages of the record: a team's, for its owners, and each person's own; with filters, and as a file."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import downloads
from accounts.access import team_for
from accounts.audit import export, search, words
from accounts.audit.search import Search
from accounts.models import AuditEntry, Role
from accounts.pages.paging import page_by_number
from accounts.pages.views import viewer

KINDS = [("", "Everything"), *search.KINDS.items()]
OWN_KINDS = [
    ("", "Everything"),
    ("sign", "Sign-ins and sign-outs"),
    ("sessions.", "Ended sessions"),
    ("proof.", "Confirmations"),
    ("second_factor.", "Second factors"),
    ("recovery_codes.", "Recovery codes"),
    ("password.", "Passwords"),
    ("address.", "Addresses"),
    ("account.", "The account"),
]
_MINUTE = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
_WRONG = {"invalid": "Write a day and a time, such as 2026-11-20T15:30."}


class RecordFilter(forms.Form):
    """The filters of a record. Their state is kept in the URL."""

    actor = forms.CharField(label="Who", max_length=254, required=False)
    kind = forms.ChoiceField(label="What", required=False)
    subject = forms.CharField(label="Of what", max_length=120, required=False)
    since = forms.DateTimeField(label="From", required=False, widget=_MINUTE, error_messages=_WRONG)
    until = forms.DateTimeField(label="To", required=False, widget=_MINUTE, error_messages=_WRONG)

    def __init__(self, data: Any, kinds: list[tuple[str, str]]) -> None:
        super().__init__(data)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = kinds

    def search(self) -> Search:
        """What the fields that could be read ask for."""
        self.is_valid()
        return Search(**{name: value for name, value in self.cleaned_data.items() if value})


@require_GET
@never_cache
def team_record(request: HttpRequest, team_code: UUID, form: str = "") -> HttpResponseBase:
    """What happened in the team; for its owners."""
    team = team_for(request.user, team_code, Role.OWNER)
    filters = RecordFilter(request.GET, KINDS)
    return _answer(request, search.whole_of_team(team), filters, form)


@require_GET
@never_cache
def own_record(request: HttpRequest, form: str = "") -> HttpResponseBase:
    """What happened to one's own account."""
    filters = RecordFilter(request.GET, OWN_KINDS)
    # Nearly every entry is by the person whose record it is.
    del filters.fields["actor"]
    return _answer(request, search.whole_of_person(viewer(request)), filters, form)


def _answer(request: HttpRequest, chain: QuerySet[AuditEntry], filters: RecordFilter, form: str) -> HttpResponseBase:
    if form and filters.errors:
        return downloads.refused(filters)
    if form:
        return downloads.download("record", form, export.FORMATS[form](search.all_found(chain, filters.search())))
    page = page_by_number(search.found(chain, filters.search()), request.GET.get("before", ""))
    subjects = words.subjects(page.rows)
    context = {
        "page": page,
        "rows": [{"entry": each, "deed": words.deed(each.action), "subject": subjects[each.pk]} for each in page.rows],
        "form": filters,
        "filtered": filters.search().narrows,
        "own": "team_code" not in (request.resolver_match.kwargs if request.resolver_match else {}),
    }
    return render(request, "accounts/record.html", context)
