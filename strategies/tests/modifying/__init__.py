"""Signals that change working orders."""
