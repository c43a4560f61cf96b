"""From an order ticket to its answer: understood, questioned, previewed, placed, read."""
