"""Commissions: what one order costs when it is filled."""

from brokers.rulebook.fees.estimate import Volume, estimate_fee

__all__ = ["Volume", "estimate_fee"]
