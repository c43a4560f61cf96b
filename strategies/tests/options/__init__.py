"""Options, from a signal to a fill."""
