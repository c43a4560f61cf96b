"""Changes of working orders that somebody asks for: prices, size and trail, in place, once, and never in the dark."""
