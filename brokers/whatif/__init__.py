"""Orders put before IBKR's preview: asked by people, and answered beside the rulebook's estimate."""
