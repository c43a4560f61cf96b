"""Tests of signals for an advisor's group."""
