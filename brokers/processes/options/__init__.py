"""What a lane remembers of options' chains, and what of them it asks ahead while nobody waits."""
