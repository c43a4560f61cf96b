"""Orders of which it is not known whether IBKR has them: what was looked at, and what follows from it. Pure."""
