"""What IBKR's preview says an order would cost and change, as values."""
