"""Terms, plans, readings and decisions in the words that people read."""
