"""What IBKR says of an advisor's groups, and how they are made, changed and removed there."""
