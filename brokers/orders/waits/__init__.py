"""Orders that wait: for a market to open, where IBKR acknowledges what they stand behind at the open only; for an arrival."""
