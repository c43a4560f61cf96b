"""A real gateway in a process of its own, for tests."""
