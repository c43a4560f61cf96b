"""What helps a person with IBKR: pages by code, and a checklist of a connection. Pure."""
