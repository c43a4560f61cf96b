"""Connections, and what is kept of their calls."""
