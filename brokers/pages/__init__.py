"""The pages of the browser about orders, positions, accounts and connections."""
