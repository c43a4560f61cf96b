"""Halyard as an app, in a browser."""
