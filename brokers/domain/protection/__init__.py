"""Positions and working entries that are to have a stop: what they lack, and what is done about it. Pure."""
