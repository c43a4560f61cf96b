"""Our copy of what the broker knows: money, positions, contracts, quotes, rates, the day's result."""
