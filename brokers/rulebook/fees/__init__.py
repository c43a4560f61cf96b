"""Commissions: what one order costs when it is filled."""

from brokers.rulebook.fees.estimate import estimate_fee
from brokers.rulebook.fees.trade import Volume

__all__ = ["Volume", "estimate_fee"]
