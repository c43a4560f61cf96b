"""One connection watched: signed in, its stream heard, its book read, its session kept; and what watches share."""
