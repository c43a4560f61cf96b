"""What a long history and a large database may not cost."""
