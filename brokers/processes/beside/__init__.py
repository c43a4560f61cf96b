"""What a lane has read beside its work: IBKR's lists of orders and fills, and an advisor's groups."""
