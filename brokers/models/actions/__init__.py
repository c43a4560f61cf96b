"""What companies do to holdings: splits as they were seen, and the orders that changed with them."""
