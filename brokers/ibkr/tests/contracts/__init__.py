"""Which contract of IBKR is meant, class by class."""
