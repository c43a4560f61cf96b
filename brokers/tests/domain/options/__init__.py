"""Options as values: their names, and which of a chain a rule means."""
