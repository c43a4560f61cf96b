"""Whose signals are decided before whose: within an account, and between teams."""
