"""Prompts of IBKR's about our orders: written down by whichever way they come first, and each answered once."""
