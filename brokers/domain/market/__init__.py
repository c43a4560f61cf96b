"""Prices by the broker's word: what a quote says, and whether anybody may trade by it."""
