"""Which order of ours a report of IBKR's is about, and second orders: those that a change left beside the first."""
