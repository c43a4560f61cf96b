"""What a plan becomes for an advisor's group: an entry that IBKR divides, and ways out account by account."""
