"""Who trades in a bench, and what they decide."""
