"""Pages about people and teams, and what every page of the product shares."""
