"""What companies do to what an account holds without an order: whether a change is a split, and by which ratio."""
