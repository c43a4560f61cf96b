"""One gateway in memory: its users with their sessions, its nights, and when a change becomes known."""
