"""Plain dictionaries in, plain dictionaries out: every operation of `evaluate`, by topic."""
