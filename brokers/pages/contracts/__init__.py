"""Pages about what a symbol means."""
