"""Whether a price in the REST API is the simulator's: the same field, by the same function, wherever one stands."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from brokers.domain.sessions import Environment

MEANING = (
    "Whether the prices in this row, and the profits made of them, are those of the simulated market; "
    "false for paper and live accounts, and for an order of which nothing is filled yet."
)


class SimulatedPrice(serializers.Serializer[Any]):
    """`simulated_price` of a row that belongs to an account; load its rows with `account__connection`."""

    simulated_price = serializers.SerializerMethodField(help_text=MEANING)

    def environment_of(self, row: Any) -> str:
        return str(row.account.connection.environment)

    def get_simulated_price(self, row: Any) -> bool:
        return self.environment_of(row) == Environment.SIMULATED
