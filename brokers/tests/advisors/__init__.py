"""Tests of an advisor's groups."""
