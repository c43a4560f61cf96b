"""Orders, sessions and snapshots as values, and what we need of a broker. Pure."""
