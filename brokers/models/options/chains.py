"""What IBKR has said of options' chains, by connection."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from brokers.models.connections import Connection


class OptionChain(models.Model):
    """What a connection's user was told of one chain: facts of a day, and what is asked ahead on the next one.

    The row is also the question: it is asked ahead while `wanted_at` is set.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="option_chains")
    # As the adapter calls it: a share's symbol, an index' class, or a future's root with "!".
    name = models.CharField(max_length=16)
    # As the adapter writes it, and when it last did.
    said = models.JSONField()
    said_at = models.DateTimeField()
    # When a split made others of its contracts, seen last: what was learned before that is of none that there is.
    split_at = models.DateTimeField(null=True, blank=True)
    wanted_at = models.DateTimeField(null=True, blank=True)
    # When it was last asked ahead, or tried.
    warmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "name"], name="one_chain_per_connection_and_name"),
        ]
        indexes = [
            models.Index(fields=["connection"], condition=Q(wanted_at__isnull=False), name="chains_wanted"),
        ]

    def __str__(self) -> str:
        return f"the chain of {self.name} in {self.connection_id}"
