"""Notices: what the owners of a connection are told when it matters, and how it gets to them."""
