"""An advisor's groups as we keep them: read from IBKR, and the wishes of people about them, each sent once."""
