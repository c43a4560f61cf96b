"""Faults on purpose: what is armed at the simulated gateway for one connection."""
