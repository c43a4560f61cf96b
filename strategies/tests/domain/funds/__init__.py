"""What an order needs of the account's money."""
