"""Reads the bytes of a webhook into a Message, or refuses them with one coded sentence."""

from strategies.reading.parse import evaluate

__all__ = ["evaluate"]
