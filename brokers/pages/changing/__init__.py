"""Pages that change what works: an order where it stands, and the stop and the target of a position."""
