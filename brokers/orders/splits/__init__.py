"""Orders that IBKR has changed with a split: our rows get the size and the prices that its reports show."""
