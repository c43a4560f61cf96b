"""Splits: noticed among the changes that no fill explains, what they change of what we keep, and what a person says."""
