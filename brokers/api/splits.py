"""Splits over REST: what an account held before, what since, and what is known of the ratio."""

from __future__ import annotations

from rest_framework import serializers

from accounts.api.fields import Shown, code
from accounts.api.filters import one_of, public_id, since, ticker
from accounts.api.views import ListedAndShown
from brokers.book.actions import told
from brokers.domain.actions.reading import State
from brokers.models import CorporateAction


class SplitSerializer(Shown):
    """A holding that has changed by a split, or under another number. `ticker_before` is the name that an option had; empty of
    shares. `new` and `old` are null while a person is asked (`asked`), and where it was no split (`none`)."""

    id = code()
    account = code("account.code")
    text = serializers.SerializerMethodField(help_text="What happened, in a sentence.")

    def get_text(self, row: CorporateAction) -> str:
        return told.sentence(row)

    class Meta:
        model = CorporateAction
        fields = (
            "id",
            "account",
            "ticker",
            "ticker_before",
            "conid",
            "conid_before",
            "quantity",
            "quantity_before",
            "average",
            "average_before",
            "new",
            "old",
            "fraction",
            "state",
            "seen_at",
            "decided_at",
            "text",
        )


class Splits(ListedAndShown):
    """Splits of what the accounts hold, the newest first."""

    queryset = CorporateAction.objects.select_related("account__connection")
    serializer_class = SplitSerializer
    filters = {
        "ticker": ticker("ticker"),
        "state": one_of("state", State),
        "account": public_id("account__code"),
        "since": since("seen_at"),
    }
