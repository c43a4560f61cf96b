"""Questions that IBKR is told not to ask: the switch, what it is told in each session, and what it said to that."""
