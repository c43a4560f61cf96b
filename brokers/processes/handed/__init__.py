"""What lanes of a shard share, and what one of them does for an order that comes to it in memory."""
