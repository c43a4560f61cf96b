"""Accounts, contracts, orders, positions and quotes as the wire shows them."""
