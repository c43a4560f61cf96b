"""Prices of everything, as a function of time, or from where they were posted."""
