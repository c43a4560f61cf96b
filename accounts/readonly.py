"""The operator's tables: every row can be read, none changed past the code that checks and audits changes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

# What an operator comes for, in the order of the overview, and what is found there.
TASKS = {
    "Who may enter": "Let somebody in or keep them out; take away a lost second step.",
    "What is stopped, and what is being closed": "Stops and limits by level, and positions on their way out.",
    "What became of a signal": "From the delivery, taken, repeated or refused, to the decision of each account.",
    "Where an order is": "What was sent, when and why, what IBKR answered, and what filled.",
    "Whether IBKR is there": "Connections, what their sessions went through, and what they were asked.",
    "What accounts hold": "Our copy of the broker's book: accounts, positions, values and exchange rates.",
    "What teams have set up": "Strategies with their webhook URLs, subscriptions, and the terms they trade by.",
    "Who did what": "The record of what people changed.",
    "What runs by the clock": "Recurring work, and when a worker began each last.",
}
ENTER, STOPPED, SIGNALS, ORDERS, BROKER, HOLD, SETUP, RECORD, CLOCK = TASKS


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """A table without add, change or delete: people change rows through pages, which write the audit trail."""

    task: str

    list_per_page = 50
    show_full_result_count = False
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_ordering(self, request: HttpRequest) -> Any:
        return self.ordering or ("-pk",)
