"""How fast IBKR may be spoken to: its limits, who takes a turn when, and the budget that processes share."""
