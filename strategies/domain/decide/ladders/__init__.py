"""The legs of an entry, with several targets or one: rows P03 to P05, P09 to P11 and S11 of the trading rules."""
