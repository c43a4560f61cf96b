"""Changes of working orders in place: asked for, sent, settled, refused."""
