"""Orders of many connections that are written down in one transaction before they leave, and their answers."""
