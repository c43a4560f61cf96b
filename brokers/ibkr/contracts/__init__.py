"""Which contract of IBKR an instrument is, and what may be ordered of it."""
