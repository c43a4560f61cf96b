"""From the bytes of a webhook to a Message, or one coded sentence."""

from strategies.reading.parsing import evaluate

__all__ = ["evaluate"]
