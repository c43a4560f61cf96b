"""Pages about an advisor's groups: who is in, and making, changing and removing them."""
