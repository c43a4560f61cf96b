"""What a signal may say: symbols, formulas, whether it comes in time, and why it is refused. Pure."""
