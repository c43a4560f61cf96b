"""From the bytes of a webhook to a Message, or one coded sentence."""

from strategies.reading.parse import evaluate

__all__ = ["evaluate"]
