"""Signals become decisions, and decisions become tickets for the broker."""
