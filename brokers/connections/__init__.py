"""Connections to the broker, and the one session that each keeps alive."""
