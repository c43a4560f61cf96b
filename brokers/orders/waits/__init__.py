"""Orders that wait for a market to open: IBKR acknowledges what they stand behind at the open only."""
