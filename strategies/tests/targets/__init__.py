"""Entries with several targets, and stops that move once one has filled."""
