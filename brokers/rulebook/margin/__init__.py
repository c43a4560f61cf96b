"""Margin and buying power: what an order needs of what the account has."""

from brokers.rulebook.margin.power import BuyingPower, buying_power, order_margin

__all__ = ["BuyingPower", "buying_power", "order_margin"]
