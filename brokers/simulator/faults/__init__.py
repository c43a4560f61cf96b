"""What the real gateway does on its bad days, on request."""
